"""The images: what their Dockerfiles keep to, what the slim one must get by without, and where digests come from."""

import io
import json
import re
import subprocess
import sys
import tarfile
from importlib.metadata import distributions, packages_distributions, requires, version
from pathlib import Path

import boto3
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from components.store.errors import TouchstoneError, UserError
from pipelines import images, sbom

ROOT = Path(__file__).parents[2]
DOCKERFILES = {name: ROOT / "images" / name.partition("-")[2] / "Dockerfile" for name in images.NAMES}
DIGEST = "sha256:" + "ab" * 32


def instructions(path: Path) -> list[tuple[str, str]]:
    """(instruction, the rest) of a Dockerfile, without comments, continued lines joined."""
    lines = "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith("#"))
    joined = [line for line in lines.replace("\\\n", " ").splitlines() if line.strip()]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined)]


def words(image: str, kind: str) -> list[str]:
    return [rest for word, rest in instructions(DOCKERFILES[image]) if word == kind]


def needed(extra: str) -> set[str]:
    """The distributions that `touchstone[extra]` brings, by canonical name."""
    found: set[tuple[str, str]] = set()
    open_ends = [("touchstone", extra), ("touchstone", "")]
    while open_ends:
        name, wanted = open_ends.pop()
        if (name, wanted) in found:
            continue
        found.add((name, wanted))
        for text in requires(name) or ():
            one = Requirement(text)
            if one.marker is None or one.marker.evaluate({"extra": wanted}):
                open_ends += [(canonicalize_name(one.name), part) for part in ("", *one.extras)]
    return {name for name, _ in found}


@pytest.mark.parametrize("image", images.NAMES)
def test_an_image_is_built_on_a_base_that_is_given_and_runs_as_anyone_but_root(image):
    told = instructions(DOCKERFILES[image])
    assert told[0] == ("ARG", "BASE"), "without a default: digests.yaml is where a digest is written"
    assert words(image, "FROM") == ["${BASE}"]
    assert re.fullmatch(r"[1-9][0-9]*:0", words(image, "USER")[-1]), "by number, in the group that random users have"
    assert words(image, "ENTRYPOINT") == ["[]"], "kfp.local takes a step for done that an entry point swallowed"
    assert not words(image, "CMD") and not words(image, "ADD")
    (volume,) = words(image, "VOLUME")
    kept = dict(pair.split("=", 1) for line in words(image, "ENV") for pair in line.split())
    homes = {name: value for name, value in kept.items() if value.startswith("/")}
    assert {"HOME", "TMPDIR", "HF_HOME", "XDG_CACHE_HOME"} <= set(homes)
    assert all(Path(value).is_relative_to(volume) for value in homes.values())
    assert f"chgrp 0 {volume}" in words(image, "RUN")[-1] and f"chmod 2775 {volume}" in words(image, "RUN")[-1]


@pytest.mark.parametrize("image", images.NAMES)
def test_an_image_installs_locked_versions_and_runs_no_script_from_the_network(image):
    runs = " && ".join(words(image, "RUN"))
    assert not re.search(r"curl|wget|\| *(ba)?sh|:latest|git clone", DOCKERFILES[image].read_text())
    installs = [step for step in runs.split("&&") if "pip install" in step]
    assert installs
    assert all("-c constraints.txt" in step or "--no-deps ." in step for step in installs)
    assert all("--no-build-isolation" in step for step in installs if "." in step.split()[-1]), "or it builds unlocked"


def test_what_is_copied_is_let_into_the_context_and_nothing_else_is():
    copied = {part for image in images.NAMES for rest in words(image, "COPY") for part in rest.split()[:-1]}
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert {rule[1:] for rule in rules if rule.startswith("!")} == copied


def test_every_component_runs_in_an_image_that_is_built():
    texts = "".join(path.read_text() for path in (ROOT / "components").rglob("component.py"))
    assert set(re.findall(r'base_image="([^"]+)"', texts)) == set(images.NAMES)


def test_components_of_the_slim_image_import_nothing_that_it_lacks(tmp_path):
    """Every import in the bodies of its components, in a process that finds only what `touchstone[data]` brings."""
    brought = needed("data")
    assert not brought & {"torch", "transformers", "sentence-transformers", "psutil"}
    everywhere = packages_distributions()
    names = {canonicalize_name(one.name) for one in distributions()}
    absent = [
        module
        for module, found in everywhere.items()
        if names & (owners := {canonicalize_name(one) for one in found}) and not owners & brought
    ]
    assert "torch" in absent
    (tmp_path / "absent.json").write_text(json.dumps(absent))
    done = subprocess.run([sys.executable, "-c", _IMPORT_ALL, tmp_path / "absent.json"], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert len(done.stdout.split()) > 20, "components whose bodies were read"


_IMPORT_ALL = """
import ast, json, pathlib, sys
absent = set(json.loads(pathlib.Path(sys.argv[1]).read_text()))

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"{name} is not in the image touchstone-data")

sys.meta_path.insert(0, Lacking())
for path in sorted(pathlib.Path("components").glob("*/component.py")):
    for function in ast.walk(ast.parse(path.read_text())):
        decorators = " ".join(map(ast.unparse, getattr(function, "decorator_list", ())))
        if "touchstone-data" in decorators:
            for one in ast.walk(function):
                if isinstance(one, (ast.Import, ast.ImportFrom)):
                    exec(ast.unparse(one))
                    print(path.parent.name, function.name, ast.unparse(one).replace(" ", "_"))
"""


def table(path: Path, **images_there: str) -> Path:
    names = {"touchstone-data": "touchstone-data", "touchstone-train": "touchstone-train"}
    path.write_text("# the only home\n" + yaml.safe_dump({"bases": names, "images": names | images_there}))
    return path


def test_a_reference_that_is_not_pinned_is_refused_by_name_unless_tags_are_allowed(tmp_path):
    known = f"registry.example.com/ml/touchstone-data:1@{DIGEST}"
    path = table(tmp_path / "digests.yaml", **{"touchstone-data": known})
    with pytest.raises(UserError) as refused:
        images.pinned(path=path)
    assert refused.value.code == "IMAGE_NOT_PINNED"
    assert "touchstone-train" in refused.value.found and "touchstone-data" not in refused.value.found
    assert images.pinned(allow_tags=True, path=path) == {
        "touchstone-data": known,
        "touchstone-train": "touchstone-train",
    }
    images.write("images", {"touchstone-train": f"touchstone-train@{DIGEST}"}, path)
    assert images.pinned(path=path)["touchstone-train"] == f"touchstone-train@{DIGEST}"
    assert path.read_text().startswith("# the only home\n")


@pytest.mark.parametrize("text", ["", "bases: {}\nimages: {}", "images: [", "bases: 3\nimages: 4"])
def test_a_table_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "digests.yaml").write_text(text)
    with pytest.raises(UserError) as refused:
        images.pinned(path=tmp_path / "digests.yaml")
    assert refused.value.code == "DIGESTS_INVALID"


def test_the_table_of_the_repository_holds_every_image_and_no_digest_stands_elsewhere():
    assert set(images.read().images) == set(images.NAMES)
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    code = [ROOT / name for name in listed if name.startswith(("images/", "manifests/", "pipelines/", "recipes/"))]
    holding = [path for path in code if path != images.DIGESTS and re.search("sha256:[0-9a-f]{64}", path.read_text())]
    assert not holding


@pytest.mark.parametrize(
    ("image", "reported"),
    [
        (
            "registry.example.com:5000/ml/touchstone-data:1",
            ["other@sha256:" + "0" * 64, f"registry.example.com:5000/ml/touchstone-data@{DIGEST}"],
        ),
        ("python:3.11-slim-bookworm", [f"python@{DIGEST}"]),
        ("python:3.11-slim-bookworm", [f"docker.io/library/python@{DIGEST}"]),
    ],
    ids=["pushed", "pulled by Docker", "pulled by podman"],
)
def test_the_digest_is_the_one_that_the_engine_reports_for_that_repository(image, reported):
    assert images.with_digest(image, reported) == f"{image}@{DIGEST}"


def test_a_digest_that_was_not_reported_is_not_made_up():
    with pytest.raises(TouchstoneError, match="no digest"):
        images.with_digest(
            "registry.example.com/touchstone-data:1", [f"elsewhere.example.com/touchstone-data@{DIGEST}"]
        )


@pytest.mark.parametrize(
    ("arguments", "environment", "exit_code", "said"),
    [
        (["build"], {"ENGINE": "no-such-engine", "BASE": "base"}, 2, "there is no no-such-engine"),
        (["build"], {"ENGINE": "false", "BASE": "base"}, 1, "false build failed"),
        (["push", ""], {}, 2, "push REGISTRY"),
        ([], {}, 2, "push REGISTRY"),
    ],
    ids=["no engine", "engine fails", "no registry", "nothing asked"],
)
def test_what_goes_wrong_is_told(arguments, environment, exit_code, said, monkeypatch, capsys):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert images.main(arguments) == exit_code
    assert said in capsys.readouterr().err


def test_no_image_is_built_on_a_base_without_a_digest(tmp_path, monkeypatch):
    monkeypatch.setenv("ENGINE", "false")
    monkeypatch.delenv("BASE", raising=False)
    with pytest.raises(UserError, match="make pin"):
        images.build(table(tmp_path / "digests.yaml"))


def test_a_bill_of_materials_names_versions_licences_and_who_needs_whom(tmp_path):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("boto3", "botocore", "jmespath"):
            (folder,) = Path(boto3.__file__).parents[1].glob(f"{name}-*.dist-info")
            tar.add(folder, folder.name)
    found = json.loads(sbom.describe(packed.getvalue(), tmp_path / "sbom.json").read_bytes())
    parts = {part["name"]: part for part in found["components"]}
    assert {name: part["version"] for name, part in parts.items()} == {
        name: version(name) for name in ("boto3", "botocore", "jmespath")
    }
    assert "Apache" in json.dumps(parts["boto3"]["licenses"])
    needs = {one["ref"]: one.get("dependsOn", []) for one in found["dependencies"]}
    assert parts["botocore"]["bom-ref"] in needs[parts["boto3"]["bom-ref"]]

"""Served as tested: what ships makes, for a user of the library alone, the vectors that the evaluation saw."""

import ast
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.evaluation import parity as parity_files
from components.evaluation import reference
from components.evaluation.parity import FILE
from components.hub import parity, reproduce
from components.hub.parity import check, ship
from components.hub.publish import publish
from components.store.errors import TouchstoneError, UserError
from components.store.models import Model, write_model
from components.store.pull import pin, pull
from tests.gate.cases import small_model
from tests.hub.served import DECLARED, evidence
from tests.hub.test_approved import ASKED
from tests.hub.test_approved import Line as Asked
from tests.hub.test_publish import ApprovalConfig, Line, line  # noqa: F401 (a fixture)

PROMPTS = {"query": "ask: ", "document": "about: "}


def shipped(model: Path, folder: Path, prompts: dict[str, str], name: str = "trained") -> Path:
    """The model with other prompts, as a folder that is to be published with what our evaluation made of it."""
    shutil.copytree(model, folder / "plain")
    settings = folder / "plain/config_sentence_transformers.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"prompts": prompts}))
    write_model(folder / "model", folder / "plain", reference=name)
    proof = evidence(Model.open(folder / "model"))
    ready = shutil.copytree(folder / "model", folder / "ready", ignore=shutil.ignore_patterns("manifest.json"))
    (ready / FILE).write_bytes((proof / FILE).read_bytes())
    return ready


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The folder with another `parity.json`."""
    values = json.loads((folder / FILE).read_text())
    change(values)
    (folder / FILE).write_text(json.dumps(values))
    return folder


@pytest.fixture(scope="module")
def good(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BERT-tiny with prompts of its own."""
    return shipped(tiny_model, tmp_path_factory.mktemp("good"), PROMPTS)


@pytest.fixture
def folder(good: Path, tmp_path: Path) -> Path:
    return shutil.copytree(good, tmp_path / "folder")


def test_a_fresh_process_makes_the_same_vectors_and_gets_neither_our_modules_nor_our_keys(
    fresh: None, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sentence_transformers.py").write_text("raise SystemExit('somebody else s')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-1")
    real, seen = subprocess.run, list[dict[str, str]]()
    monkeypatch.setattr(parity.subprocess, "run", lambda *a, **known: seen.append(known["env"]) or real(*a, **known))
    assert check(folder) < 1e-5
    assert len(seen) == 1 and "canary-1" not in str(seen) and seen[0]["HF_HUB_OFFLINE"] == "1"


def test_the_script_knows_the_library_and_nothing_of_ours() -> None:
    tree = ast.parse(Path(reproduce.__file__).read_text())
    names = {node.module if isinstance(node, ast.ImportFrom) else node.names[0].name for node in ast.walk(tree)
             if isinstance(node, (ast.Import, ast.ImportFrom))}  # fmt: skip
    assert names == {"json", "sys", "pathlib", "typing", "numpy", "sentence_transformers"}


def test_a_model_that_does_not_load_there_is_refused_without_a_word_of_its_own(fresh: None, folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    other = parity.fingerprint(parity.inspect(folder))
    with pytest.raises(TouchstoneError, match="does not load") as told:
        check(changed(folder, lambda values: values.update(fingerprint=other)))
    assert told.value.code == "NOT_SERVED_AS_TESTED"
    assert str(folder) not in str(told.value) and told.value.found.endswith("Error")


@pytest.mark.parametrize(
    ("prompts", "name", "kind"),
    [
        ({"query": "", "document": ""}, "s3://models/intfloat/e5-small@1", "documents"),
        ({"query": "q: ", "document": "", "passage": "passage: "}, "trained", "documents"),
    ],
    ids=["the family's prompts are not in the folder", "the library takes the empty one of two"],
)
def test_a_prompt_that_the_evaluation_put_there_and_a_user_would_not_is_found(
    tiny_model: Path, tmp_path: Path, prompts: dict[str, str], name: str, kind: str
) -> None:
    with pytest.raises(TouchstoneError, match=f"of the parity {kind}") as told:
        check(shipped(tiny_model, tmp_path, prompts, name))
    assert told.value.code == "NOT_SERVED_AS_TESTED"


def nudge(values: dict[str, Any]) -> None:
    values["documents"][6]["vector"][3] += 2e-4


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a number": (nudge, "a difference of 0.0002 in number 7 of the parity documents"),
    "the model": (lambda values: values.update(fingerprint="0" * 64), "is of another model"),
    "who normalizes": (lambda values: values.update(normalized=True), "of the parity"),
}


@pytest.mark.parametrize("case", CHANGES)
def test_evidence_that_the_folder_does_not_bear_out_is_refused(folder: Path, case: str) -> None:
    change, told = CHANGES[case]
    with pytest.raises(TouchstoneError, match=told) as found:
        check(changed(folder, change))
    assert found.value.code == "NOT_SERVED_AS_TESTED"
    assert not [one for one in (*parity_files.QUERIES, *parity_files.DOCUMENTS) if len(one) > 9 and one in str(found)]


def test_a_model_that_makes_what_is_no_number_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = {"difference": float("nan"), "dimension": 128, "kind": "queries", "number": 1}
    monkeypatch.setattr(parity, "fresh", lambda folder: lost)
    with pytest.raises(TouchstoneError, match="difference of nan"):
        check(folder)


def test_vectors_of_another_dimension_are_refused(folder: Path) -> None:
    def shorten(values: dict[str, Any]) -> None:
        values["dimension"] = 64
        for one in (*values["queries"], *values["documents"]):
            one["vector"] = one["vector"][:64]

    with pytest.raises(TouchstoneError, match="found 128 numbers, expected 64 numbers"):
        check(changed(folder, shorten))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"version": 2}', b"[" * 100_000, None])
def test_a_file_that_is_no_parity_is_the_user_s_mistake(tmp_path: Path, body: bytes | None) -> None:
    if body is not None:
        (tmp_path / FILE).write_bytes(body)
    with pytest.raises(UserError) as told:
        parity_files.load(tmp_path / FILE)
    assert told.value.code == "NO_PARITY"


def test_what_is_published_carries_the_evaluation_s_vectors(line: Line, tmp_path: Path) -> None:  # noqa: F811
    line.publish("one")
    pull(pin(line.hub), tmp_path / "champion", optional=False)
    model, carried = line.candidate("one"), parity_files.load(tmp_path / "champion" / FILE)
    assert carried == reference.measure(model.path, model.fingerprint)
    assert Model.open(tmp_path / "champion").fingerprint == model.fingerprint == carried.fingerprint


@pytest.mark.parametrize("asked", [False, True], ids=["at once", "after an approval"])
def test_nothing_is_published_that_is_not_served_as_tested(line: Line, asked: bool) -> None:  # noqa: F811
    model, other = line.candidate("one"), line.candidate("two")
    wrong = parity_files.read(evidence(other)).model_copy(update={"fingerprint": model.fingerprint})
    parity_files.write(wrong, line.folder / "wrong", {})
    approval = ASKED if asked else ApprovalConfig()
    with line.unchanged(), pytest.raises(TouchstoneError) as told:
        publish(
            line.state, "r", line.hub, "", model.path, line.verdict("one"), line.folder / "wrong", approval, DECLARED
        )
    assert told.value.code == "NOT_SERVED_AS_TESTED"


def test_evidence_that_was_edited_is_not_shipped(tmp_path: Path) -> None:
    model = small_model(tmp_path, "one")
    proof = evidence(model)
    (proof / FILE).write_bytes((proof / FILE).read_bytes().replace(b'"normalized":false', b'"normalized":true'))
    ready = shutil.copytree(model.path, tmp_path / "ready", ignore=shutil.ignore_patterns("manifest.json"))
    with pytest.raises(TouchstoneError) as told:
        ship(ready, proof)
    assert told.value.code == "BAD_ARTIFACT" and not (ready / FILE).exists()


def test_what_waited_is_looked_at_with_the_library_of_the_day_it_is_approved(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = Asked(place, tmp_path)
    waits.stage("one")
    waits.approve("one")
    drifted = {"difference": 3e-4, "dimension": 8, "kind": "queries", "number": 2}
    monkeypatch.setattr(parity, "fresh", lambda folder: drifted)
    with pytest.raises(TouchstoneError, match="number 2 of the parity queries"):
        waits.finish("one")
    assert waits.head() is None

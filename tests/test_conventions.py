"""What every file of the project keeps to, where ruff, mypy and import-linter cannot say it."""

import ast
import configparser
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(path for top in ("components", "pipelines") for path in (ROOT / top).rglob("*.py"))
ADAPTERS = [path for path in SOURCES if path.name == "component.py"]

# A letter in brackets keeps a pattern from matching itself.
REGISTRIES = re.compile(r"[p]ypi\.org|[p]ythonhosted\.org|download\.[p]ytorch\.org|[a]naconda\.org|[n]pmjs\.(org|com)")
MACHINE_PATHS = re.compile(r"[f]ile:///|(?<![\w.-])/([w]ork|[r]oot|[U]sers|opt/[p]ypi[\w-]*|opt/[w]heels)(/|\b)")


def nodes(path: Path, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)


def named(path: Path, node: ast.AST | None = None) -> str:
    return f"{path.relative_to(ROOT)}" + (f":{node.lineno} {getattr(node, 'name', '')}".rstrip() if node else "")


def adapters(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The functions of a component.py that kfp runs."""
    return (f for f in functions(path) if any("dsl.component" in ast.unparse(d) for d in f.decorator_list))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, source: str) -> int:
    """Lines of the body that are neither docstring nor blank."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    lines = source.splitlines()[body[0].lineno - 1 : body[-1].end_lineno] if body else []
    return sum(bool(line.strip()) for line in lines)


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """Every file of the project: those git tracks, and those it would."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted({path for name in listed.split("\0") if name and (path := ROOT / name).is_file()})


def test_every_step_has_an_adapter():
    assert ADAPTERS
    assert not [named(path) for path in ADAPTERS if not any(adapters(path))]


def test_adapters_are_at_most_twelve_lines():
    long = [named(p, f) for p in ADAPTERS for f in adapters(p) if body_lines(f, p.read_text()) > 12]
    assert not long, "an adapter imports, calls and logs; what is longer cannot be tested"


def test_adapters_decide_nothing():
    choices = (ast.If, ast.IfExp, ast.Match)
    deciding = [named(p, f) for p in ADAPTERS for f in adapters(p) if any(isinstance(n, choices) for n in ast.walk(f))]
    assert not deciding, "a choice belongs to the step's logic, where it is tested"


def test_adapters_install_nothing_and_name_an_image():
    def settings(function: ast.FunctionDef | ast.AsyncFunctionDef) -> dict[str, str]:
        calls = (d for d in function.decorator_list if isinstance(d, ast.Call))
        return {keyword.arg: ast.unparse(keyword.value) for call in calls for keyword in call.keywords}

    for path in ADAPTERS:
        for function in adapters(path):
            given = settings(function)
            assert "base_image" in given, named(path, function)
            assert given.get("install_kfp_package") == "False", named(path, function)
            assert "packages_to_install" not in given, named(path, function)


def test_packages_hold_a_docstring_and_nothing_else():
    for path in (path for path in SOURCES if path.name == "__init__.py"):
        tree = ast.parse(path.read_text())
        assert ast.get_docstring(tree), named(path)
        assert len(tree.body) == 1, named(path)


def test_components_never_print():
    printing = [
        named(path, call)
        for path in SOURCES
        if path.is_relative_to(ROOT / "components")
        for call in nodes(path, ast.Call)
        if ast.unparse(call.func) == "print"
    ]
    assert not printing


def test_modules_and_functions_stay_readable():
    assert not [named(path) for path in SOURCES if len(path.read_text().splitlines()) > 300]
    but_the_dag = [path for path in SOURCES if path.name != "retrain.py"]  # one list of steps, under 120 lines
    assert not [named(p, f) for p in but_the_dag for f in functions(p) if f.end_lineno - f.lineno + 1 > 50]


def test_the_graph_is_one_screen():
    assert len((ROOT / "pipelines" / "retrain.py").read_text().splitlines()) < 120


def test_compiling_needs_nothing_heavy():
    heavy = {"torch", "transformers", "sentence_transformers", "datasets", "boto3", "pyarrow", "scipy"}
    program = "import sys, pipelines.retrain; sys.stdout.write(' '.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert not heavy & set(run.stdout.split())


def test_every_step_has_its_layer():
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    layers = set(contracts["importlinter:contract:layers"]["layers"].replace("|", " ").split())
    steps = {f"components.{path.parent.name}" for path in (ROOT / "components").glob("*/__init__.py")}
    assert layers == steps | {"pipelines"}


def test_every_direct_dependency_is_pinned_by_name_and_version_only():
    def plain(requirement: str) -> str:
        return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = sum(project["optional-dependencies"].values(), project["dependencies"])
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert not [pin for pin in pins if not re.fullmatch(r"[\w.-]+==[\w.]+", pin)]
    assert {plain(name) for name in wanted} - {plain(pin) for pin in pins} == {project["name"]}


def test_no_file_names_a_registry_or_a_path_of_one_machine(files):
    def matches(path: Path) -> list[str]:
        text = path.read_text(errors="ignore")
        return [found.group() for pattern in (REGISTRIES, MACHINE_PATHS) for found in pattern.finditer(text)]

    assert not {named(path): found for path in files if (found := matches(path))}


def test_no_file_is_over_a_megabyte(files):
    assert not [named(path) for path in files if path.stat().st_size > 1_000_000]


def test_steps_of_the_slim_image_do_not_import_torch() -> None:
    """`touchstone-data` has no torch: what its components import must get by without."""
    modules = "corpus.worker corpus.gather pairs.mine gate.record gate.files hub.publish report.publish report.finish"
    imports = "; ".join(f"import components.{name}" for name in modules.split())
    check = "import sys; bad = {'torch', 'transformers'} & set(sys.modules); sys.exit(str(bad) if bad else 0)"
    done = subprocess.run([sys.executable, "-c", f"{imports}; {check}"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

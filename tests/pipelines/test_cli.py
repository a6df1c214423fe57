"""A user's mistakes: found before anything runs, one clear message with the fix, exit code 2, nothing left behind."""

from __future__ import annotations

import base64
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from components.gate.approval_config import START
from components.store import s3 as door
from components.store.pull import pin
from components.store.s3 import Folder
from components.store.s3_models import S3Models
from pipelines import cli
from pipelines.recipe import Recipe
from pipelines.screen import describe
from tests.hub.test_publish import Line

Told = Callable[..., tuple[int, str]]


@pytest.fixture
def recipe(place: str, tiny_model: Path, tmp_path: Path) -> dict:
    """A recipe whose sources hold something."""
    for name in ("docs/a.txt", "judged/queries.jsonl"):
        Folder(place).write(name, b"x")
    return {
        "name": "test",
        "state": f"{place}/state",
        "target": f"{place}/hub",
        "base_model": str(tiny_model),
        "corpus": {"sources": [f"{place}/docs"]},
        "pairs": {"judged": f"{place}/judged"},
    }


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """Run the command line in an empty folder; exit code and what stderr says."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["touchstone", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return run


def write(recipe: dict, **changes: object) -> str:
    """The recipe with dotted keys changed, as a file."""
    for name, value in changes.items():
        section, _, key = name.rpartition("__")
        (recipe.setdefault(section, {}) if section else recipe)[key or name] = value
    Path("recipe.yaml").write_text(yaml.safe_dump(recipe))
    return "recipe.yaml"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "recipe.yaml: colour is not a known key"),
        (
            {"training__learning_rate": 2},
            "recipe.yaml: training.learning_rate is 2, must be less than or equal to 0.01",
        ),
        ({"training__batch_size": 3.5}, "recipe.yaml: training.batch_size is 3.5, must be a valid integer"),
        ({"gpus": "many"}, "recipe.yaml: gpus is 'many', must"),
        ({"state": "/tmp/state"}, "recipe.yaml: state is '/tmp/state', must"),
        ({"pairs__shares": {"train": 1, "dev": 1, "sealed": 1}}, "recipe.yaml: pairs"),
        ({"approval__required": True}, "must be one with approvers where approval is required"),
        (
            {"licences": {"s3://tests/other": "mit"}},
            "licences of what the recipe reads; nothing else names s3://tests/",
        ),
    ],
)
def test_a_wrong_recipe_names_field_value_and_what_is_allowed(
    recipe: dict, told: Told, changes: dict, message: str
) -> None:
    code, error = told("compile", write(recipe, **changes))
    assert code == 2
    assert message in error
    assert "Traceback" not in error
    assert not Path("build").exists()


CARRIED = {
    "a store's endpoint": {
        "corpus__sources": [{"uri": "s3://b/docs", "endpoint": "https://me:hunter2@s3.example.com"}]
    },
    "a query": {"corpus__sources": [{"uri": "s3://b/docs", "endpoint": "https://s3.example.com?token=hunter2"}]},
    "a source": {"corpus__sources": ["s3://me:hunter2@b/docs"]},
    "the state": {"state": "s3://me:hunter2@b/state"},
    "the target": {"target": "https://me:hunter2@hub.example.com/owner/name"},
    "the base": {"base_model": "s3://me:hunter2@b/base@1", "allow_floating": True},
    "a guard": {"guards": {"beir": "s3://hunter2@b/guard"}},
    "a model's endpoint": {"pairs__questions": {"writer": {"endpoint": "https://me:hunter2@llm/v1", "model": "m"}}},
    "a model's key": {"pairs__questions": {"writer": {"endpoint": "https://llm/v1", "model": "m", "key": "hunter2"}}},
    "an approver's key": {"approval__approvers": {"ann": "-----BEGIN OPENSSH PRIVATE KEY----- hunter2"}},
    "a licence": {"licences": {"https://me:hunter2@hub.example.com": "mit"}},
}


@pytest.mark.parametrize("changes", CARRIED.values(), ids=CARRIED)
def test_a_recipe_that_carries_a_secret_is_refused_and_the_secret_not_shown(
    recipe: dict, told: Told, changes: dict
) -> None:
    code, error = told("compile", write(recipe, **changes))
    assert code == 2 and "must be" in error
    assert "hunter2" not in error
    assert not Path("build").exists()


def test_a_base_under_a_non_commercial_licence_is_refused_before_anything_runs(
    recipe: dict, told: Told, tmp_path: Path
) -> None:
    base = Path(shutil.copytree(recipe["base_model"], tmp_path / "sold"))
    (base / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    known = {"base_model": str(base), "pairs__commercial": True}
    code, error = told("run", write(recipe, **known))
    assert (code, "found cc-by-nc-4.0, expected a licence that allows commercial use" in error) == (2, True)
    assert not Path("runs").exists()
    code, error = told("compile", write(recipe, **known, licences={str(base): "CC BY-NC 4.0"}), "--allow-tags")
    assert code == 0, "what a person declares of the base is looked at when it is pulled"
    judged = {recipe["pairs"]["judged"]: "CC-BY-NC-4.0"}
    code, error = told("compile", write(recipe, **known, licences=judged))
    assert (code, "data that may be used commercially" in error) == (2, True)


def test_sealed_questions_are_never_read_as_documents(recipe: dict, told: Told, place: str) -> None:
    code, error = told("compile", write(recipe, corpus__sources=[place]))
    assert code == 2
    assert f"addresses that lie apart; {place}/hub/ lies in {place}/" in error


def test_a_missing_recipe_and_one_that_is_no_yaml(told: Told) -> None:
    code, error = told("run", "nowhere.yaml")
    assert (code, "nowhere.yaml cannot be read" in error) == (2, True)
    Path("bad.yaml").write_text("key: hunter2\nb: [1 hunter2")
    code, error = told("run", "bad.yaml")
    assert (code, "bad.yaml is no YAML: found expected ',' or ']'" in error) == (2, True)
    assert "in line 2" in error and "hunter2" not in error


def test_a_bucket_that_does_not_exist(recipe: dict, told: Told) -> None:
    code, error = told("run", write(recipe, corpus__sources=["s3://no-such-bucket/docs"]))
    assert code == 2
    assert "s3://no-such-bucket/docs: there is no such bucket" in error
    assert not Path("runs").exists()


def test_an_empty_source(recipe: dict, told: Told, place: str) -> None:
    code, error = told("run", write(recipe, corpus__sources=[f"{place}/nothing"]))
    assert (code, f"{place}/nothing holds no object" in error) == (2, True)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong-secret", "credentials were refused"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9", "nobody answers at http://127.0.0.1:9"),
    ],
)
def test_a_server_that_cannot_be_used(
    recipe: dict, told: Told, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    path = write(recipe)
    monkeypatch.setenv(variable, value)
    door._client.cache_clear()
    code, error = told("run", path)
    door._client.cache_clear()
    assert (code, message in error) == (2, True)
    assert "wrong-secret" not in error


@pytest.mark.parametrize("model", ["s3://tests/no-model-here", "no-such-folder", "."])
def test_a_model_that_is_none(recipe: dict, told: Told, model: str) -> None:
    recipe["allow_floating"] = True
    code, error = told("run", write(recipe, base_model=model))
    assert code == 2
    assert "model" in error
    assert not Path("runs").exists()


@pytest.mark.parametrize("model", ["s3://tests/base", "hf://org/base", "s3://tests/base@"])
def test_a_remote_base_must_be_pinned(recipe: dict, told: Told, model: str) -> None:
    code, error = told("run", write(recipe, base_model=model))
    assert (code, f"base_model is '{model}', must be pinned" in error) == (2, True)
    assert "allow_floating: true" in error


def test_a_line_may_live_on_the_hub_with_a_base_that_is_a_commit(recipe: dict, told: Told) -> None:
    known = recipe | {"target": "hf://org/model", "base_model": f"hf://org/base@{'0' * 40}"}
    assert Recipe.parse(known, where="test").target == "hf://org/model"
    for changed in ({"base_model": "hf://org/base@main"}, {"target": "hf://org"}, {"target": "hf://datasets/org/name"}):
        code, error = told("run", write(known, **changed))
        assert (code, next(iter(changed)) in error) == (2, True)


def test_who_may_approve_changes_nothing_that_a_run_makes(recipe: dict) -> None:
    key = {"approvers": {"ann": f"ssh-ed25519 {base64.b64encode(START + bytes(32)).decode()}"}}
    known = [Recipe.parse(recipe | changed, where="test").digest for changed in ({}, {"approval": key})]
    assert known[0] == known[1], "or an unchanged line would be trained again"


def test_a_run_that_waits_for_nothing_cannot_be_approved(recipe: dict, told: Told) -> None:
    code, error = told("approve", write(recipe), "some-run", "--reason", "why not", "--key", "key")
    assert (code, "run some-run does not wait for an approval" in error) == (2, True)
    assert not Path("runs").exists()


def test_the_history_of_a_line_without_promotions(recipe: dict, told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(recipe)
    code, error = told("history", path)
    assert (code, error) == (0, "")


def test_going_back_needs_a_version_of_the_history_and_is_told(recipe: dict, told: Told, tmp_path: Path) -> None:
    line = Line(recipe["state"], recipe["target"], tmp_path / "models")
    first = line.publish("one").promotion
    second = line.publish("two", pin(line.hub)).promotion
    path = write(recipe)
    code, error = told("rollback", path, "v2020.01.01-1", "--reason", "worse")
    assert (code, "touchstone history" in error) == (2, True)
    assert told("rollback", path, first.version, "--reason", "worse") == (0, "")
    assert told("history", path) == (0, "")
    shown = [describe(one) for one in S3Models(line.hub).history()]
    assert f"ROLLBACK  to {first.version}: worse, replaced {second.revision[:8]}" in shown[0] and len(shown) == 3


def test_replaying_what_is_no_run(told: Told) -> None:
    Path("runs").mkdir()
    code, error = told("gate", "replay", "runs")
    assert code == 1
    assert "holds no verdict" in error

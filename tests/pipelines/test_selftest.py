"""The self-test's table and exit code; `tests/end_to_end/test_selftest.py` runs a real one."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from components.gate.outcome import NOT_TESTED, Outcome
from components.pairs import judged, leakage
from components.pairs.leakage import Leakage
from components.store.artifact import Artifact, ArtifactWriter
from components.store.errors import UserError
from pipelines import artifacts, cli, local
from pipelines import selftest as testing
from pipelines.recipe import Recipe
from pipelines.screen import Screen

VALUES = {"name": "test", "state": "s3://t/state", "target": "s3://t/hub", "base_model": "base"}
VALUES |= {"corpus": {"sources": ["s3://t/docs"]}, "pairs": {"judged": "s3://t/judged"}}
RIGHT = Outcome("the tuned model", "PROMOTE", "PROMOTE", "better", 4.0)
WRONG = Outcome("trained on the test", "HOLD_CONTAMINATED", "PROMOTE", "better by +0.2", 61.0)
LACKING = Outcome("worse in general", "HOLD_GUARD", NOT_TESTED, "the recipe has no guard", 0.0)


def drawn(*outcomes: Outcome) -> tuple[bool, str]:
    out, recipe = io.StringIO(), Recipe.parse(VALUES, where="test")
    rules = recipe.gate.model_copy(update={"min_queries": 94, "looks": 1}).model_dump(mode="json")
    found = {"outcomes": [asdict(one) for one in outcomes], "queries": 94, "rules": rules}
    return testing.draw(Screen(out), found, recipe), out.getvalue()


def test_a_gate_that_is_right_in_every_case():
    right, told = drawn(RIGHT)
    assert right
    assert "  the tuned model  PROMOTE            PROMOTE                      4s\n" in told
    assert "On the 94 dev queries: no look was charged, nothing sealed was opened." in told
    assert "min_queries 600 -> 94" in told
    assert "1 of 1 right, 0 not tested." in told


def test_one_that_is_wrong_is_marked_with_its_reason():
    right, told = drawn(RIGHT, WRONG)
    assert not right
    assert "trained on the test  HOLD_CONTAMINATED  PROMOTE                  1m 01s <- WRONG\n" in told
    assert "better by +0.2\n" in told
    assert "1 of 2 right" in told


def test_what_was_not_tested_is_not_told_as_passed():
    right, told = drawn(RIGHT, LACKING)
    assert right and "WRONG" not in told
    assert "not tested" in told and "the recipe has no guard" in told
    assert "1 of 1 right, 1 not tested." in told


@pytest.mark.parametrize(("outcomes", "code"), [([RIGHT, LACKING], 0), ([RIGHT, WRONG], 1)])
def test_the_exit_code_says_whether_the_gate_was_right(tmp_path, monkeypatch, capsys, outcomes, code):
    (tmp_path / "recipe.json").write_text(json.dumps(VALUES))
    rules = Recipe.parse(VALUES, where="test").gate.model_dump(mode="json")
    found = {"outcomes": [asdict(one) for one in outcomes], "queries": 94, "rules": rules}
    monkeypatch.setattr(testing, "selftest", lambda *_: found)
    monkeypatch.setattr(sys, "argv", ["touchstone", "gate", "selftest", str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert (ended.value.code or 0) == code
    assert f"{2 - code - (code == 0)} of" in capsys.readouterr().out


def test_a_folder_that_is_no_runs(tmp_path):
    with pytest.raises(UserError) as caught:
        testing.recipe_of(tmp_path)
    assert caught.value.code == "NO_RUN"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's folder, and the artifacts of it and of an earlier run, as kfp.local leaves them."""
    monkeypatch.setattr(local, "WORK", tmp_path / ".touchstone")
    for number, name in enumerate(("2026-11-01", "2026-11-02")):
        steps = local.WORK / "work" / "test" / "artifacts" / f"touchstone-test-{name}"
        _write(steps / "gather/documents", "documents", {"number": number})
        documents = {"documents": Artifact.open(steps / "gather/documents", "documents").digest}
        leakage.write(Leakage(sealed_documents=9 + number, near=0), steps / "mine/leakage", documents)
        judged.write(steps / "mine/judged", "judged", [], {}, documents)
        _write(steps / "mine/pairs", "pairs", {}, documents)
        digest = Artifact.open(steps / "mine/pairs", "pairs").digest
        _write(steps / "pull/base", "model", {"fingerprint": "base"})
        _write(steps / "train/candidate", "model", {"fingerprint": f"tuned {number}"}, {"pairs": digest})
    folder = tmp_path / "runs/two"
    contenders = {"base": {"fingerprint": "base"}, "candidate": {"fingerprint": "tuned 1"}}
    _write(folder / "scores", "scores", {"contenders": contenders})
    (folder / "leakage").mkdir()
    (folder / "leakage/manifest.json").write_bytes((steps / "mine/leakage/manifest.json").read_bytes())
    (folder / "case.json").write_text("{}")
    return folder


def _write(path: Path, kind: str, facts: dict[str, Any], inputs: dict[str, str] | None = None) -> None:
    with ArtifactWriter(path, kind, inputs or {}) as out:
        out.facts |= facts


def test_a_runs_artifacts_are_found_among_those_of_others(run):
    found = {name: "/".join(path.parts[-3:]) for name, path in artifacts.of_run(run, "test").items()}
    first, second = "touchstone-test-2026-11-01", "touchstone-test-2026-11-02"
    assert found == {
        "base": f"{first}/pull/base",
        "candidate": f"{second}/train/candidate",
        "documents": f"{second}/gather/documents",
        "pairs": f"{second}/mine/pairs",
        "judged": f"{second}/mine/judged",
        "passages": f"{second}/mine/passages",
        "leakage": f"{second}/mine/leakage",
    }


def test_a_run_whose_artifacts_are_gone_says_so(run, tmp_path):
    (tmp_path / ".touchstone").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError) as caught:
        artifacts.of_run(run, "test")
    assert caught.value.code == "ARTIFACT_GONE"
    assert "--force" in str(caught.value)


def test_a_run_without_a_verdict_has_nothing_to_rehearse(run):
    (run / "case.json").unlink()
    with pytest.raises(UserError) as caught:
        artifacts.of_run(run, "test")
    assert caught.value.code == "NO_VERDICT"

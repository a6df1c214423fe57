"""Unsealing, judging and replaying, on real artifacts and a real state."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.evaluation import files as score_files
from components.evaluation.scores import Contender, Scores
from components.gate.config import GateConfig
from components.gate.files import Evidence, Unsealed, read_verdict, replay, unseal
from components.gate.record import judge
from components.gate.verdict import Look, Verdict
from components.pairs import judged, leakage, sealed
from components.store.artifact import Artifact
from components.store.errors import TouchstoneError
from components.store.models import Model
from components.store.s3 import Folder
from components.store.state import State
from tests.gate.cases import CHAMPION_REFERENCE, CLEAN, scores, small_model
from tests.store.pointer import move, promotion

QUICK = GateConfig(looks=5)
QUERIES = [judged.Query("q1", "how do I put an object", (), {"d1": 1}, "c1", "s3://tests/docs")]


class Line:
    """A run up to the scores: its candidate, the sealed test in the state, and the artifacts of every step."""

    def __init__(self, state: str, folder: Path) -> None:
        self.state, self.folder = state, folder
        self.candidate: Model = small_model(folder, "candidate")
        self.sealed = sealed.keep(state, QUERIES, folder / "sealed")
        judged.write(folder / "judged", "judged", [], {"sealed": self.sealed}, {})
        leakage.write(CLEAN, folder / "leakage", {})

    def unseal(self, champion: str = "") -> Look:
        out = Unsealed(self.folder / "permit", self.folder / "look")
        return unseal(self.state, "run", self.candidate.path, champion, self.folder / "judged", QUICK, out)

    def score(self, found: Scores, **inputs: str) -> Evidence:
        """Evidence of these scores of the line's candidate on the permit's test."""
        permit = Artifact.open(self.folder / "permit", "permit").digest
        known = {"snapshot": "5" * 64, "permit": permit, "passages": "7" * 64}
        score_files.write(replace(found, inputs=known | inputs), self.folder / "scores")
        return Evidence(*(self.folder / name for name in ("scores", "leakage", "look")))

    def judge(self, found: Scores) -> Verdict:
        return judge(self.state, "run", QUICK, self.score(found), self.folder / "verdict")

    def scores(self, *gains: float, **known: Any) -> Scores:
        return scores(*gains, fingerprint=self.candidate.fingerprint, **known)

    def record(self, to: Path) -> Path:
        """The run's record, fetched as `touchstone gate replay` does."""
        folder = State(self.state).run("run")
        for entry in folder.list():
            folder.download(entry.key, to / entry.key)
        return to


@pytest.fixture
def line(place: str, tmp_path: Path) -> Line:
    return Line(place, tmp_path)


def test_unsealing_charges_the_look_and_hands_out_the_queries(line: Line) -> None:
    found = line.unseal(CHAMPION_REFERENCE)
    permit = Artifact.open(line.folder / "permit", "permit")
    assert judged.read(permit) == QUERIES
    assert permit.facts == {}, "the look goes another way than the queries"
    assert Artifact.open(line.folder / "look", "look").facts == {
        "look": found.model_dump(),
        "sealed": line.sealed,
        "candidate": line.candidate.fingerprint,
        "champion": CHAMPION_REFERENCE,
    }
    [entry] = State(line.state).get("ledger.json")
    assert entry["candidate"] == line.candidate.fingerprint
    assert (entry["champion"], entry["sealed"], entry["run"]) == (CHAMPION_REFERENCE, line.sealed, "run")
    assert found.year == datetime.now(UTC).year
    assert line.unseal(CHAMPION_REFERENCE) == found


def test_a_look_is_charged_before_anything_is_revealed(line: Line) -> None:
    Folder(line.state).write(f"sealed/{line.sealed}/queries.parquet", b"changed")
    with pytest.raises(TouchstoneError):
        line.unseal()
    assert len(State(line.state).get("ledger.json")) == 1
    assert not (line.folder / "permit").exists()


def test_without_a_look_nothing_is_revealed(line: Line) -> None:
    State(line.state).put("ledger.json", ["broken"])
    with pytest.raises(TouchstoneError, match="ledger"):
        line.unseal()
    assert not (line.folder / "permit").exists()


def test_the_verdict_lies_on_the_run_s_record_and_replays_to_the_same_bytes(line: Line) -> None:
    look = line.unseal(CHAMPION_REFERENCE)
    verdict = line.judge(line.scores(0.05, 0.03))
    assert (verdict.decision, verdict.look) == ("PROMOTE", look)
    assert read_verdict(line.folder / "verdict")[0].as_json() == verdict.as_json()
    fetched = line.record(line.folder / "fetched")
    assert replay(fetched) == verdict
    assert (fetched / "verdict.json").read_bytes() == (line.folder / "verdict/verdict.json").read_bytes()
    assert line.judge(line.scores(0.05, 0.03)) == verdict, "a retry"


def test_a_hold_is_a_verdict_like_any_other(line: Line) -> None:
    line.unseal()
    assert line.judge(line.scores(0.0)).decision == "HOLD_NOT_BETTER"
    assert replay(line.record(line.folder / "fetched")).decision == "HOLD_NOT_BETTER"


def test_scores_that_cannot_be_judged_fail_the_step_after_the_verdict_is_on_record(line: Line) -> None:
    line.unseal()
    found = line.scores(0.05)
    found.values["candidate"]["mrr@10"][3] = np.nan
    with pytest.raises(TouchstoneError, match="cannot be judged") as error:
        line.judge(found)
    assert error.value.code == "GATE_ERROR"
    assert read_verdict(line.folder / "verdict")[0].decision == "ERROR"
    assert replay(line.record(line.folder / "fetched")).decision == "ERROR"


OTHERS = {
    "another candidate": (0.05, 0.03, {"fingerprint": "of another"}),
    "the champion dropped": (0.05, None, {}),
}


@pytest.mark.parametrize("case", OTHERS)
def test_a_look_charged_for_something_else_judges_nothing(line: Line, case: str) -> None:
    line.unseal(CHAMPION_REFERENCE)
    base, champion, known = OTHERS[case]
    with pytest.raises(TouchstoneError) as found:
        line.judge(scores(base, champion, **{"fingerprint": line.candidate.fingerprint} | known))
    assert found.value.code == "WRONG_LOOK"
    assert State(line.state).run("run").find("verdict.json") is None


def test_a_look_charged_for_another_champion_or_test_judges_nothing(line: Line) -> None:
    line.unseal(CHAMPION_REFERENCE)
    found = line.scores(0.05, 0.03)
    other = replace(found, contenders=found.contenders | {"champion": Contender("s3://tests/models@other", "x")})
    for evidence in ((other, {}), (found, {"permit": "0" * 64})):
        with pytest.raises(TouchstoneError) as error:
            judge(line.state, "run", QUICK, line.score(evidence[0], **evidence[1]), line.folder / "verdict")
        assert error.value.code == "WRONG_LOOK"


def test_a_champion_that_could_not_be_read_holds_although_it_has_no_scores(line: Line) -> None:
    line.unseal(CHAMPION_REFERENCE)
    assert line.judge(line.scores(0.05, problem="a file is missing")).decision == "HOLD_CHAMPION_UNREADABLE"


def edited(path: Path) -> None:
    verdict = json.loads(path.read_bytes())
    path.write_text(json.dumps(verdict | {"gain": 0.5}, sort_keys=True, separators=(",", ":")))


def other_scores(folder: Path) -> None:
    score_files.write(scores(0.06), folder / "scores")


def stricter(folder: Path) -> None:
    case = json.loads((folder / "case.json").read_bytes())
    (folder / "case.json").write_text(json.dumps(case | {"config": case["config"] | {"min_gain": 0.2}}))


TAMPERED = {
    "the verdict edited": (lambda f: edited(f / "verdict.json"), "REPLAY_DIFFERS"),
    "other scores, well formed": (other_scores, "REPLAY_DIFFERS"),
    "another rule": (stricter, "REPLAY_DIFFERS"),
    "a score file edited": (lambda f: (f / "scores/queries.parquet").write_bytes(b"x"), "BAD_ARTIFACT"),
    "the leakage gone": (lambda f: shutil.rmtree(f / "leakage"), "BAD_ARTIFACT"),
    "the verdict gone": (lambda f: (f / "verdict.json").unlink(), "NO_VERDICT"),
}


@pytest.fixture(scope="module")
def judged_run(s3: object, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of a run that was promoted."""
    line = Line("s3://tests/judged-run", tmp_path_factory.mktemp("judged"))
    line.unseal()
    line.judge(line.scores(0.05))
    return line.record(line.folder / "fetched")


@pytest.mark.parametrize("case", TAMPERED)
def test_a_record_that_was_changed_does_not_replay(judged_run: Path, tmp_path: Path, case: str) -> None:
    change, code = TAMPERED[case]
    folder = shutil.copytree(judged_run, tmp_path / "run")
    change(folder)
    with pytest.raises(TouchstoneError) as found:
        replay(folder)
    assert found.value.code == code


def cut_off(line: Line) -> None:
    """The ledger loses its last record."""
    State(line.state).update("ledger.json", lambda entries: entries[:-1])


def test_a_ledger_that_lost_a_look_opens_nothing_and_charges_nothing(line: Line) -> None:
    line.unseal()
    shutil.rmtree(line.folder / "permit")
    cut_off(line)
    with pytest.raises(TouchstoneError, match="record 1 of the ledger is missing; run run names it") as found:
        line.unseal("s3://tests/models@another")
    assert found.value.code == "LEDGER_BROKEN"
    assert State(line.state).get("ledger.json") == []
    assert not (line.folder / "permit").exists()


def test_a_champion_that_a_lost_ledger_promoted_is_replaced_by_nothing(line: Line) -> None:
    told = {"ledger": {"head": "a" * 64, "length": 17}}
    hub = f"{line.state}/hub"
    assert move(hub, promotion(1, "c" * 40, verdict=told))
    with pytest.raises(TouchstoneError, match=r"record 1 of the ledger is missing; revision cccccccc \(v1\) names it"):
        line.unseal(f"{hub}@{'c' * 40}")
    assert State(line.state).get("ledger.json") is None
    assert not (line.folder / "permit").exists()


@pytest.mark.parametrize("mark", [True, False], ids=["by the mark too", "by the look alone"])
def test_a_look_that_is_not_in_the_ledger_any_more_is_no_verdict(line: Line, mark: bool) -> None:
    line.unseal()
    cut_off(line)
    if not mark:
        State(line.state).folder.delete("ledger-last.json")
    with pytest.raises(TouchstoneError, match="record 1 of .* missing; .*the verdict of run run name") as found:
        line.judge(line.scores(0.05))
    assert found.value.code == "LEDGER_BROKEN"
    assert State(line.state).run("run").find("verdict.json") is None
    assert not (line.folder / "verdict").exists()


def test_unsealing_brings_a_generation_into_the_ledger_that_a_crash_kept_out(line: Line) -> None:
    opened = {"was": "0" * 64, "sealed": line.sealed, "run": "seal", "day": "2026-05-01"}
    State(line.state).put("split.json", {"segments": [], "retired": [], "generations": [opened]})
    assert line.unseal().generation == 2
    assert [entry.get("was") for entry in State(line.state).get("ledger.json")] == ["0" * 64, None]

"""What a run's record says for everything that the steps may have left in the state."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from components.report.finish import finish
from components.store.digests import canonical
from components.store.errors import TouchstoneError
from components.store.state import State
from tests.store.pointer import move, promotion

INPUTS = {"snapshot": "5" * 64, "base": "models/base@1", "champion": "s3://tests/hub@old", "recipe": "7" * 64}
RETRAIN, SKIPPED = {"task": "RETRAIN", "inputs": INPUTS}, {"task": "SKIPPED_UNCHANGED", "inputs": INPUTS}
PROMOTE, HOLD, ERROR = ({"decision": name} for name in ("PROMOTE", "HOLD_NOT_BETTER", "ERROR"))
DIED = {"step": "train", "code": "LOSS_NOT_FINITE", "what": "the loss is nan", "found": "", "expected": "", "fix": ""}
SUSPICIOUS, WAITING = {"decision": "HOLD_SUSPICIOUS"}, {"revision": "new", "expires": "2026-12-07"}
WAITS = (True, "AWAITING_APPROVAL", "s3://tests/hub@old")
REFUSED = DIED | {"step": "decide", "code": "GATE_ERROR", "what": "the scores cannot be judged"}


def moved(outcome: str) -> dict[str, Any]:
    return {"outcome": outcome, "target": "s3://tests/hub", "revision": "new", "version": "v2026.05.01-1"}


# What is in the state, whether Kubeflow says that the run succeeded, the outcome, the champion the line remembers.
CASES: dict[str, tuple[dict[str, Any], bool, str, str]] = {
    "published": (
        {"check": RETRAIN, "verdict": PROMOTE, "publication": moved("PROMOTED")},
        True,
        "PROMOTED",
        "s3://tests/hub@new",
    ),
    "published, and a later step failed": (
        {"check": RETRAIN, "verdict": PROMOTE, "publication": moved("PROMOTED"), "error": DIED},
        False,
        "PROMOTED",
        "s3://tests/hub@new",
    ),
    "published before": (
        {"check": RETRAIN, "verdict": PROMOTE, "publication": moved("ALREADY_PROMOTED")},
        True,
        "ALREADY_PROMOTED",
        "s3://tests/hub@new",
    ),
    "lost the race": (
        {"check": RETRAIN, "verdict": PROMOTE, "publication": moved("LOST_RACE")},
        True,
        "LOST_RACE",
        "",
    ),
    "held": ({"check": RETRAIN, "verdict": HOLD}, True, "HELD", "s3://tests/hub@old"),
    "held after a step was retried": (
        {"check": RETRAIN, "verdict": HOLD, "error": DIED},
        True,
        "HELD",
        "s3://tests/hub@old",
    ),
    "held, and the report failed": ({"check": RETRAIN, "verdict": HOLD, "error": DIED}, False, "FAILED", ""),
    "skipped": ({"check": SKIPPED}, True, "SKIPPED_UNCHANGED", ""),
    "skipping failed": ({"check": SKIPPED, "error": DIED}, False, "FAILED", ""),
    "a step failed": ({"check": RETRAIN, "error": DIED}, False, "FAILED", ""),
    "a step died without a word": ({"check": RETRAIN}, False, "FAILED", ""),
    "the scores were none": ({"check": RETRAIN, "verdict": ERROR, "error": REFUSED}, False, "FAILED", ""),
    "an error that nobody saw": ({"check": RETRAIN, "verdict": ERROR}, True, "FAILED", ""),
    "to be promoted, and nothing was published": ({"check": RETRAIN, "verdict": PROMOTE}, True, "FAILED", ""),
    "nothing was learned": (
        {"check": RETRAIN, "held": HOLD | {"text": "it is so", "dev": [], "detectable": None}},
        True,
        "HELD",
        "s3://tests/hub@old",
    ),
    "waiting for an approval": ({"check": RETRAIN, "verdict": PROMOTE, "awaiting": WAITING}, *WAITS),
    "waiting for a waiver": ({"check": RETRAIN, "verdict": SUSPICIOUS, "awaiting": WAITING}, *WAITS),
    "waiting, and a later step failed": (
        {"check": RETRAIN, "verdict": PROMOTE, "awaiting": WAITING, "error": DIED},
        False,
        *WAITS[1:],
    ),
    "suspicious, and nobody may approve": (
        {"check": RETRAIN, "verdict": SUSPICIOUS},
        True,
        "HELD",
        "s3://tests/hub@old",
    ),
    "approved": (
        {"check": RETRAIN, "verdict": PROMOTE, "awaiting": WAITING, "publication": moved("PROMOTED")},
        True,
        "PROMOTED",
        "s3://tests/hub@new",
    ),
    "approved too late": (
        {"check": RETRAIN, "verdict": PROMOTE, "awaiting": WAITING, "publication": moved("LOST_RACE")},
        True,
        "LOST_RACE",
        "",
    ),
    "no verdict": ({"check": RETRAIN}, True, "FAILED", ""),
    "nothing known": ({}, True, "FAILED", ""),
    "died at once": ({}, False, "FAILED", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_what_became_of_a_run(place: str, case: str) -> None:
    left, succeeded, outcome, champion = CASES[case]
    folder = State(place).run("run")
    for name, value in left.items():
        folder.write(f"{name}.json", canonical(value))
    if outcome == "FAILED" and succeeded:
        with pytest.raises(TouchstoneError) as raised:
            finish(place, "run", f"{place}/hub", succeeded=True)
        assert raised.value.code == "UNKNOWN_OUTCOME", "what nobody knows must not end green"
    else:
        assert finish(place, "run", f"{place}/hub", succeeded=succeeded) == json.loads(folder.read("record.json"))
    known = json.loads(folder.read("record.json"))
    assert datetime.now(UTC) - datetime.fromisoformat(known.pop("ended")) < timedelta(minutes=5)
    assert known == {
        "run": "run",
        "outcome": outcome,
        "decision": left.get("verdict", left.get("held", {})).get("decision"),
        "held": left.get("held"),
        "error": left.get("error") if outcome == "FAILED" else None,
        "inputs": left.get("check", {}).get("inputs", {}),
        "awaiting": left.get("awaiting"),
        "publication": left.get("publication"),
    }
    assert b"<html" in folder.read("report.html")
    until = {"until": WAITING["expires"]} if outcome == "AWAITING_APPROVAL" else {}
    assert State(place).get("line.json") == (INPUTS | {"champion": champion} | until if champion else None)


def test_a_page_that_the_report_step_drew_is_kept(place: str) -> None:
    folder = State(place).run("run")
    folder.write("report.html", b"drawn")
    folder.write("verdict.json", canonical(HOLD))
    finish(place, "run", f"{place}/hub", succeeded=False)
    assert folder.read("report.html") == b"drawn"


def test_a_run_without_verdict_leaves_what_the_line_remembers(place: str) -> None:
    State(place).put("line.json", INPUTS)
    finish(place, "run", f"{place}/hub", succeeded=False)
    assert State(place).get("line.json") == INPUTS


def test_a_record_that_is_no_json_is_nothing_known(place: str) -> None:
    folder = State(place).run("run")
    folder.write("verdict.json", b'{"decision": "PROM')
    with pytest.raises(TouchstoneError, match="nobody knows"):
        finish(place, "run", f"{place}/hub", succeeded=True)
    assert json.loads(folder.read("record.json"))["outcome"] == "FAILED"


def test_a_pointer_that_moved_is_a_promotion_although_publishing_died_after_it(place: str) -> None:
    folder = State(place).run("run")
    folder.write("check.json", canonical(RETRAIN))
    folder.write("verdict.json", canonical(PROMOTE))
    assert move(f"{place}/hub", promotion(1, "new"))
    record = finish(place, "run", f"{place}/hub", succeeded=False)
    assert (record["outcome"], record["publication"]["revision"]) == ("PROMOTED", "new")

"""How a line is, read from what its runs left in a real store."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from components.gate.config import GateConfig
from components.gate.ledger import charge
from components.report.finish import finish
from components.store.digests import canonical
from components.store.errors import TouchstoneError
from components.store.state import State
from pipelines.recipe import Recipe, read
from pipelines.screen import Screen
from pipelines.status import as_json, draw, held_in_a_row, status
from tests.store.pointer import move, promotion

NOW = datetime.now(UTC)


@pytest.fixture
def recipe(place: str) -> Recipe:
    known = {"state": f"{place}/state", "target": f"{place}/hub", "local_s3": None}
    return read(Path("recipes/demo.yaml")).model_copy(update=known)


def ended(recipe: Recipe, run: str, outcome: str, days: float, decision: str | None = None) -> None:
    """A run that ended so many days ago."""
    record = {"run": run, "outcome": outcome, "decision": decision}
    record |= {"ended": (NOW - timedelta(days=days)).isoformat(timespec="seconds")}
    State(recipe.state).run(run).write("record.json", canonical(record))


def told(recipe: Recipe) -> dict[str, str]:
    """The lines on the screen."""
    out = io.StringIO()
    draw(Screen(out), status(recipe), NOW)
    return {line[2:14].strip(): line[15:] for line in out.getvalue().splitlines()}


def test_a_line_that_never_ran(recipe: Recipe) -> None:
    assert told(recipe) == {
        "last run": "never",
        "last green": "never",
        "promoted": "never",
        "holds": "none since then",
        "looks left": "52 of 52 this year",
        "stored": "state 0.00 GB, models 0.00 GB",
    }


def test_a_line_that_held_and_then_failed(recipe: Recipe) -> None:
    for run, outcome, days in (("a", "HELD", 30), ("b", "PROMOTED", 20), ("c", "HELD", 9), ("e", "FAILED", 0.1)):
        ended(recipe, run, outcome, days, "HOLD_GUARD" if outcome == "HELD" else None)
    ended(recipe, "d", "SKIPPED_UNCHANGED", 2)
    assert move(recipe.target, promotion(1, "new"))
    looked = {"candidate": "c", "champion": "", "sealed": "s", "day": f"{NOW:%Y-%m-%d}", "config": GateConfig()}
    charge(State(recipe.state), run="c", **looked)
    found = told(recipe)
    assert found["last run"] == "2 hours ago, FAILED, run e"
    assert found["last green"] == "2 days ago, SKIPPED_UNCHANGED, run d"
    assert found["holds"] == "1 in a row"
    assert found["looks left"] == "51 of 52 this year"
    assert found["promoted"].endswith(promotion(1, "new").version)
    known = json.loads(as_json(status(recipe)))
    assert (known["holds"], known["looks_left"], known["last_run"]["run"]) == (1, 51, "e")
    kept = {entry.key: entry.size for entry in State(recipe.state).folder.list()}
    assert {"ledger.json", "runs/e/record.json"} < kept.keys()
    assert known["stored"]["state"] == sum(kept.values())


def test_what_finish_writes_is_what_status_reads(recipe: Recipe) -> None:
    folder = State(recipe.state).run("weekly")
    folder.write("verdict.json", canonical({"decision": "HOLD_NOT_BETTER"}))
    finish(recipe.state, "weekly", recipe.target, succeeded=True)
    State(recipe.state).run("older").write("record.json", canonical({"run": "older", "outcome": "HELD"}))
    found = status(recipe)
    assert [run["run"] for run in found.runs] == ["weekly"], "records from before told no time"
    assert told(recipe)["last green"] == "just now, HELD (HOLD_NOT_BETTER), run weekly"


def test_a_broken_ledger_is_told_of(recipe: Recipe) -> None:
    State(recipe.state).put("ledger.json", [{"key": "made up"}])
    with pytest.raises(TouchstoneError) as error:
        status(recipe)
    assert error.value.code == "LEDGER_BROKEN"


@pytest.mark.parametrize(
    ("outcomes", "holds"),
    [
        ([], 0),
        (["HELD", "FAILED", "HELD", "LOST_RACE", "PROMOTED", "HELD"], 2),
        (["ALREADY_PROMOTED", "HELD"], 0),
        (["HELD", "SKIPPED_UNCHANGED", "HELD"], 2),
    ],
)
def test_holds_in_a_row_are_of_runs_that_judged(outcomes: list[str], holds: int) -> None:
    runs: list[dict[str, Any]] = [{"outcome": outcome} for outcome in outcomes]
    assert held_in_a_row(runs) == holds

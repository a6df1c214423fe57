"""`touchstone status`: how a line is, read from its state and its model store; no cluster is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from components.gate import ledger
from components.report.finish import GREEN
from components.store.addresses import on_hub
from components.store.s3 import Folder
from components.store.state import State
from components.store.stores import open_models
from pipelines.recipe import Recipe
from pipelines.screen import Screen

Record = dict[str, Any]
MOVED = {"PROMOTED", "ALREADY_PROMOTED"}


@dataclass(frozen=True)
class Status:
    """How a line is.

    Attributes:
        runs: Records of the runs that ended, the newest first; of those from before records told when, none.
        promoted: When the last promotion was, its version.
        holds: Runs in a row that held, since the last that promoted.
        looks: Looks left this year, of how many.
        stored: Bytes of the state, and of the model store where that is on S3 too.
    """

    runs: list[Record]
    promoted: tuple[datetime, str] | None
    holds: int
    looks: tuple[int, int]
    stored: dict[str, int]

    @property
    def green(self) -> Record | None:
        """The last run that did its work."""
        return next((run for run in self.runs if run["outcome"] in GREEN), None)


def status(recipe: Recipe) -> Status:
    """Read it; one listing, and one record for each run.

    Raises:
        TouchstoneError: LEDGER_BROKEN, what the stores raise.
    """
    state = State(recipe.state)
    entries = list(state.folder.list())
    known = [entry.key for entry in entries if entry.key.startswith("runs/") and entry.key.endswith("/record.json")]
    runs = sorted((run for run in map(state.get, known) if run.get("ended")), key=lambda run: str(run["ended"]))[::-1]
    moves = (one for one in open_models(recipe.target).history() if not one.restores)
    last = next(moves, None)
    left = ledger.left(state, datetime.now(UTC).date().isoformat(), recipe.gate)
    stored = {"state": sum(entry.size for entry in entries)}
    if not on_hub(recipe.target):
        stored["models"] = sum(entry.size for entry in Folder(recipe.target).list())
    promoted = (datetime.fromisoformat(last.at), last.version) if last else None
    return Status(runs, promoted, held_in_a_row(runs), (left, recipe.gate.looks), stored)


def held_in_a_row(runs: list[Record]) -> int:
    """How many runs held since the last that promoted; those that judged nothing do not count.

    Args:
        runs: The newest first.
    """
    judged = [run["outcome"] for run in runs if run["outcome"] in MOVED | {"HELD"}]
    return next((place for place, outcome in enumerate(judged) if outcome in MOVED), len(judged))


def draw(screen: Screen, found: Status, now: datetime) -> None:
    """One line each."""
    screen.line("last run", _run(found.runs[0] if found.runs else None, now))
    screen.line("last green", _run(found.green, now))
    promoted = f"{_ago(found.promoted[0], now)}, {found.promoted[1]}" if found.promoted else "never"
    screen.line("promoted", promoted)
    screen.line("holds", f"{found.holds} in a row" if found.holds else "none since then")
    screen.line("looks left", f"{found.looks[0]} of {found.looks[1]} this year")
    screen.line("stored", ", ".join(f"{name} {size / 1e9:.2f} GB" for name, size in found.stored.items()))


def as_json(found: Status) -> str:
    """The same for a monitor."""
    green, promoted = found.green, found.promoted
    known = {
        "last_run": found.runs[0] if found.runs else None,
        "last_green": green["ended"] if green else None,
        "last_promotion": promoted[0].isoformat() if promoted else None,
        "version": promoted[1] if promoted else None,
        "holds": found.holds,
        "looks_left": found.looks[0],
        "stored": found.stored,
    }
    return json.dumps(known, indent=1)


def _run(run: Record | None, now: datetime) -> str:
    if run is None:
        return "never"
    decided = f" ({run['decision']})" if run["decision"] else ""
    return f"{_ago(datetime.fromisoformat(run['ended']), now)}, {run['outcome']}{decided}, run {run['run']}"


def _ago(then: datetime, now: datetime) -> str:
    """`3 days ago`."""
    past = max(now - then, timedelta())
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if past >= size:
            count = past // size
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "just now"

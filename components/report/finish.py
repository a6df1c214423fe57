"""The run's record, on every end: what came out, read from what the steps left in the state."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from components.report.page import short_page
from components.store.digests import canonical
from components.store.errors import TouchstoneError
from components.store.line import remember
from components.store.s3 import Folder
from components.store.state import State
from components.store.stores import open_models

GREEN = {"PROMOTED", "ALREADY_PROMOTED", "HELD", "AWAITING_APPROVAL", "LOST_RACE", "SKIPPED_UNCHANGED"}
"""Outcomes of a run that did its work; everything else is a failure."""
CONCLUDED = {"PROMOTED", "ALREADY_PROMOTED", "HELD", "AWAITING_APPROVAL"}
"""After these the same inputs need no second run; an unreadable champion does, once it is repaired, and an approval
that nobody gave in time."""
KEPT = ("check", "verdict", "held", "awaiting", "publication", "error")
"""What the steps leave on a run's record, each if it came so far."""


def finish(state: str, run: str, target: str, *, succeeded: bool) -> dict[str, Any]:
    """Write `record.json`, a page if there is none yet, and what the line remembers.

    Args:
        state: The line's state.
        run: The run that ended.
        target: The model store: a promotion of this run that is in its history happened, whatever else did not.
        succeeded: Whether every step that ran ended well.

    Returns:
        The record: run, outcome, decision, held (why, where no look was spent), error, inputs, awaiting (what was
        staged for an approval), publication, ended (ISO 8601, UTC).

    Raises:
        TouchstoneError: UNKNOWN_OUTCOME, after the record is written, so that such a run ends red.
    """
    folder = State(state).run(run)
    known = {name: _read(folder, f"{name}.json") for name in KEPT}
    known["publication"] = known["publication"] or _found(target, run, known["verdict"])
    outcome = _outcome(known, succeeded)
    record = {
        "run": run,
        "outcome": outcome,
        "decision": (known["verdict"] or known["held"]).get("decision"),
        "held": known["held"] or None,
        "error": known["error"] or None if outcome == "FAILED" else None,
        "inputs": known["check"].get("inputs", {}),
        "awaiting": known["awaiting"] or None,
        "publication": known["publication"] or None,
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    folder.write("record.json", canonical(record))
    if not known["verdict"] or not folder.exists("report.html"):
        folder.write("report.html", short_page(record).encode())
    if outcome in CONCLUDED and record["decision"] != "HOLD_CHAMPION_UNREADABLE":
        until = known["awaiting"]["expires"] if outcome == "AWAITING_APPROVAL" else ""
        remember(state, record["inputs"], _champion(record), until)
    if outcome == "FAILED" and succeeded:
        raise TouchstoneError("UNKNOWN_OUTCOME", "every step ended well, and yet nobody knows what came out")
    return record


def _outcome(known: dict[str, dict[str, Any]], succeeded: bool) -> str:
    """The pointer's move and what was staged are facts even if a later step failed; anything unknown is a failure."""
    if known["publication"]:
        return str(known["publication"]["outcome"])
    if known["awaiting"]:
        return "AWAITING_APPROVAL"
    if not succeeded:
        return "FAILED"
    if known["check"].get("task") == "SKIPPED_UNCHANGED":
        return "SKIPPED_UNCHANGED"
    held = (known["verdict"] or known["held"]).get("decision", "PROMOTE") not in ("PROMOTE", "ERROR")
    return "HELD" if held else "FAILED"


def _champion(record: dict[str, Any]) -> str:
    """What production points at after the run, as this run knows it."""
    published = record["publication"]
    return f"{published['target']}@{published['revision']}" if published else str(record["inputs"].get("champion", ""))


def _found(target: str, run: str, verdict: dict[str, Any]) -> dict[str, Any]:
    """The promotion of this run in the store's history, if publishing died after the pointer moved."""
    if verdict.get("decision") != "PROMOTE":
        return {}
    moved = next((known for known in open_models(target).history() if known.run == run), None)
    return {"outcome": "PROMOTED", "target": target, **moved.as_json()} if moved else {}


def _read(folder: Folder, name: str) -> dict[str, Any]:
    found = folder.find(name)
    if found is None:
        return {}
    try:
        value = json.loads(found[0])
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {}

"""What a line remembers of its last finished run, so that an unchanged corpus is not trained on again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from components.store.digests import canonical
from components.store.errors import UserError
from components.store.state import State

LINE = "line.json"
Task = Literal["RETRAIN", "SKIPPED_UNCHANGED"]


def check(state: str, run: str, *, snapshot: str, base: str, champion: str, recipe: str, force: bool) -> Task:
    """Compare this run's inputs with the last finished run's, and put both on the run's record.

    Args:
        state: The line's state.
        run: This run.
        snapshot: The listing's digest.
        base: The base's pinned reference.
        champion: The champion's pinned reference, "" for none.
        recipe: The recipe's digest.
        force: Train even if nothing changed.

    Raises:
        UserError: NO_MODEL when the base is an address where nothing was ever published.
    """
    if not base:
        fix = "Publish the base there, or name a folder or another address as base_model."
        raise UserError("NO_MODEL", "the base model's address holds no model", fix=fix)
    inputs = {"snapshot": snapshot, "base": base, "champion": champion, "recipe": recipe}
    known = State(state).get(LINE) or {}
    over = datetime.now(UTC).date().isoformat() > known.pop("until", "9999")
    unchanged = known == inputs and not over and not force
    task: Task = "SKIPPED_UNCHANGED" if unchanged else "RETRAIN"
    State(state).run(run).write("check.json", canonical({"task": task, "inputs": inputs}))
    return task


def forget(state: str) -> None:
    """Let the next run train whatever its inputs are; a line that never ran has nothing to forget."""
    if State(state).get(LINE) is not None:
        State(state).put(LINE, {})


def remember(state: str, inputs: dict[str, str], champion: str, until: str = "") -> None:
    """Note the inputs of a run that reached a verdict, with the champion as it stands after it.

    Args:
        state: The line's state.
        inputs: As `check` put them on the run's record.
        champion: The champion's pinned reference.
        until: The last day on which nothing needs to be done about them, YYYY-MM-DD; "" where no day is.
    """
    State(state).put(LINE, inputs | {"champion": champion} | ({"until": until} if until else {}))

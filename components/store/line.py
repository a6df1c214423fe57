"""What a line remembers of its last finished run, so that an unchanged corpus is not trained on again."""

from __future__ import annotations

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
    unchanged = State(state).get(LINE) == inputs and not force
    task: Task = "SKIPPED_UNCHANGED" if unchanged else "RETRAIN"
    State(state).run(run).write("check.json", canonical({"task": task, "inputs": inputs}))
    return task


def remember(state: str, inputs: dict[str, str], champion: str) -> None:
    """Note the inputs of a run that reached a verdict, with the champion as it stands after it."""
    State(state).put(LINE, inputs | {"champion": champion})

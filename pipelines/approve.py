"""`touchstone approve`: one person's signature, then the pipeline that finishes the promotion."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import Any

from components.gate.approval import Approval, keep, load_key, sign, verify
from components.hub.approved import review, unmoved
from components.store.errors import TouchstoneError, UserError
from components.store.signing import ready
from components.store.state import State
from pipelines import local
from pipelines.recipe import Recipe
from pipelines.screen import Screen

PASSPHRASE = "TOUCHSTONE_APPROVAL_PASSPHRASE"  # noqa: S105 - the variable's name
"""The environment variable that answers where nobody can be asked."""


def approve(recipe: Recipe, screen: Screen, run: str, reason: str, key: Path, servers: list[int]) -> dict[str, Any]:
    """Approve a run that waits and promote its candidate.

    Args:
        recipe: The line.
        screen: Where progress is drawn.
        run: The run's id, or its folder.
        reason: Why, in a line: it stands in the promotion and in the model's card.
        key: The file of the approver's private key.
        servers: Pids whose memory counts as the run's.

    Returns:
        The run's record, as it is now.

    Raises:
        UserError: whatever stands against it.
    """
    name = Path(run).resolve().name if Path(run).is_dir() else run
    approval = signed(recipe, name, reason, key)
    screen.line("approval", f"{approval.sentence}\n{approval.reason}")
    record = local.promote(recipe, screen, run=name, servers=servers)
    if record["outcome"] not in ("PROMOTED", "ALREADY_PROMOTED"):
        unmoved(review(recipe.state, name, recipe.target))
        raise TouchstoneError("RUN_DIED", f"run {name} ended as {record['outcome']}")
    return record


def signed(recipe: Recipe, run: str, reason: str, key: Path) -> Approval:
    """Check all that can be checked here, sign, and put the approval into the state; one that is there already stays.

    Raises:
        UserError: what `components.hub.approved.review`, `load_key`, `sign` and `verify` raise.
    """
    ready(recipe.signing)
    waiting = review(recipe.state, run, recipe.target)
    unmoved(waiting)
    made = sign(waiting.staged, reason, _key(key), recipe.approval)
    kept = keep(State(recipe.state), made)
    verify(kept, waiting.staged, recipe.approval)
    return kept


def _key(path: Path) -> Any:
    """The key in the file; for its passphrase the environment is asked, then the person."""
    phrase = os.environ.pop(PASSPHRASE, None)  # no step is to inherit it
    try:
        return load_key(path)
    except UserError as error:
        if error.code != "KEY_LOCKED":
            raise
    return load_key(path, (phrase or getpass.getpass(f"Passphrase of {path}: ")).encode())

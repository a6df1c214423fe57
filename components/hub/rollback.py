"""Going back: an earlier revision becomes production again, as a move forward that the history keeps.

A promotion that is under way meanwhile loses its race, and a promotion's retry finds itself in the history: neither
undoes a rollback.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from components.hub.moving import move
from components.hub.verify import same
from components.store.digests import digest
from components.store.errors import UserError
from components.store.models import ModelStore, Promotion
from components.store.signing import verify
from components.store.signing_config import OFF, SigningConfig

NAMES = "See `touchstone history`: its versions, or the first eight digits of a revision."


def choose(store: ModelStore, name: str | None) -> Promotion:
    """The promotion that `name` means: a version, a revision's first digits (eight at least), None for production's.

    Raises:
        UserError: NOTHING_PROMOTED, NO_SUCH_REVISION.
    """
    known = list(store.history())
    if not known:
        raise UserError("NOTHING_PROMOTED", f"nothing was ever promoted to {store.address}")
    if name is None:
        return known[0]
    found = [one for one in known if one.version == name or (len(name) >= 8 and one.revision.startswith(name))]
    if not found:
        raise UserError("NO_SUCH_REVISION", f"{store.address} never had {name} in production", fix=NAMES)
    return found[-1]


def rollback(store: ModelStore, name: str, reason: str, signing: SigningConfig = OFF) -> Promotion:
    """Have production point at an earlier revision again; its files are fetched and checked first.

    Args:
        store: The line's model store.
        name: A version or revision of its history.
        reason: Why, in a line; it stands in the history.
        signing: Whose signature it must have.

    Returns:
        The new head, which says what it restores.

    Raises:
        UserError: NOTHING_PROMOTED, NO_SUCH_REVISION; ALREADY_PRODUCTION; LOST_RACE when it moved meanwhile;
            what `components.store.signing.verify` raises.
        TouchstoneError: MODEL_UNREADABLE when the revision is not what was promoted.
    """
    wanted, head = choose(store, name), store.head()
    if head is None or wanted.version in (head.version, head.restores) or wanted.revision == head.revision:
        what = f"{wanted.version} is in production already"
        raise UserError("ALREADY_PRODUCTION", what, fix="Nothing to do; `touchstone history` lists the others.")
    identity, why = digest(["rollback", head.id, wanted.id]), " ".join(reason.split())[:300]
    restores = wanted.restores or wanted.version
    planned = replace(wanted, id=identity, run="", approval=None, restores=restores, reason=why)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "model"
        folder.mkdir()
        store.fetch(wanted.revision, folder)
        same(wanted, folder)  # nothing becomes production that could not be loaded from there
        verify(folder, wanted.revision, signing)
        done = move(
            store, planned, lambda now: now is not None and now.id == head.id, lambda one: store.promote(one, folder)
        )
    if done.outcome == "LOST_RACE":
        found = f"{done.promotion.version} now"
        raise UserError("LOST_RACE", "production moved meanwhile", found=found, fix="Look at it, then roll back again.")
    return done.promotion

"""Models enter here: a reference is pinned, then fetched, scanned, hashed and kept as an artifact."""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.store import signing
from components.store.addresses import is_store, on_hub, split_reference
from components.store.errors import TouchstoneError, UserError
from components.store.licence import ANY, Terms
from components.store.models import FolderModels, write_absence, write_model
from components.store.signing_config import OFF, SigningConfig
from components.store.stores import open_models

PERMANENT = {
    *("MODEL_UNREADABLE", "MODEL_CHANGED", "UNSAFE_MODEL", "NOT_A_MODEL"),
    *("SIGNATURE_MISSING", "SIGNATURE_BROKEN", "UNLISTED_KEY"),
}
"""Trying again does not help with these: the model is there and must not be loaded."""


def pin(reference: str, *, floating: bool = True, base: bool = False) -> str:
    """The reference with its revision: as it stands if it has one, else what production points at now.

    Args:
        reference: `s3://bucket/prefix`, `hf://owner/name`, either with `@revision`, or a folder's path.
        floating: Whether a remote one without a revision is taken.
        base: Whether a model on the Hub that nobody promoted there is one: what main holds.

    Returns:
        `address@revision`, or "" when nothing was ever promoted there.

    Raises:
        UserError: FLOATING_MODEL, or what reading the model store raises.
    """
    address, revision = split_reference(reference)
    if revision:
        return reference
    if not is_store(address):
        return f"{address}@{FolderModels(address).revision()}"
    found = _revision(address, base=base)
    pinned = f"{address}@{found}" if found else ""
    if not floating:
        fix = f"Pin it (it means {pinned or 'nothing'} now), or set allow_floating: true in the recipe."
        raise UserError("FLOATING_MODEL", f"{reference} names no revision", expected="address@revision", fix=fix)
    return pinned


def pull(reference: str, out: Path, *, optional: bool, signed: SigningConfig = OFF, terms: Terms = ANY) -> None:
    """Fetch the pinned model into a model artifact at `out`.

    Args:
        reference: What `pin` returned; "" writes the artifact that says there is none.
        out: Where the artifact goes.
        optional: For a champion: one that cannot be read becomes an artifact that says so, and the gate holds.
            Otherwise that is an error.
        signed: Whose signature it must have.
        terms: What the recipe says about the licence of a base.

    Raises:
        UserError: LICENCE_REFUSED, and what reading the model store, signatures and intake raise.
    """
    if not reference:
        write_absence(out, reference="", problem="")
        return
    try:
        _pull(reference, out, signed, terms)
    except TouchstoneError as error:
        if not optional or error.code not in PERMANENT:
            raise
        write_absence(out, reference=reference, problem=f"{error.what}: {error.found}")


def _revision(address: str, *, base: bool) -> str:
    """What a store's production points at, or main of a repository that others keep; "" for nothing."""
    head = open_models(address).head()
    if head or not (base and on_hub(address)):
        return head.revision if head else ""
    from components.store.hf_models import HubModels

    return HubModels(address).latest()


def _pull(reference: str, out: Path, signed: SigningConfig, terms: Terms) -> None:
    address, revision = split_reference(reference)
    if not revision:
        raise UserError("FLOATING_MODEL", f"{reference} names no revision", expected="address@revision")
    store = open_models(address) if is_store(address) else FolderModels(address)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as work:
        store.fetch(revision, Path(work))
        signing.verify(Path(work), revision, signed)
        write_model(out, Path(work), reference=reference, terms=terms)

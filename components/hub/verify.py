"""Is a promoted revision still what was promoted, and does it still work? Checked anew, one thing after another.

The checks stand in a list: each is handed what the earlier ones found in order, so one that opens files comes after
those that make sure they are safe to open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from components.evaluation import parity
from components.hub.parity import check
from components.store.errors import TouchstoneError, UserError
from components.store.intake import fingerprint, inspect
from components.store.models import ModelStore, Promotion
from components.store.pull import PERMANENT
from components.store.signing import verify as verify_signature
from components.store.signing_config import OFF, SigningConfig

FINDINGS = PERMANENT | {"NO_PARITY"}
"""What is elsewhere the mistake of whoever names such a model, and here what was looked for."""


@dataclass(frozen=True)
class Subject:
    """What is checked: a promotion of a store, and the folder that its files are fetched into."""

    store: ModelStore
    promotion: Promotion
    folder: Path
    signing: SigningConfig = OFF


def verify(
    store: ModelStore, promotion: Promotion, folder: Path, signing: SigningConfig = OFF
) -> Iterator[tuple[str, str]]:
    """Make every check, and tell what it found as label and text.

    Args:
        store: The line's model store.
        promotion: One of its history (`rollback.choose`).
        folder: An empty folder, for the files.
        signing: Whose signature it must have.

    Raises:
        TouchstoneError: the first finding: one of `FINDINGS`, or NOT_SERVED_AS_TESTED.
        UserError: what keeps the store from being read.
    """
    subject = Subject(store, promotion, folder, signing)
    for label, look in CHECKS.items():
        try:
            told = look(subject)
        except UserError as error:
            if error.code not in FINDINGS:
                raise
            raise TouchstoneError.from_record(error.record() | {"kind": ""}) from None
        yield label, told


def same(promotion: Promotion, folder: Path) -> str:
    """The fingerprint of the files, which must be the one that was promoted.

    Raises:
        UserError: UNSAFE_MODEL, NOT_A_MODEL.
        TouchstoneError: MODEL_UNREADABLE.
    """
    found = fingerprint(inspect(folder))
    if found != promotion.fingerprint:
        what = f"revision {promotion.revision[:8]} is not the model that was promoted as {promotion.version}"
        raise TouchstoneError("MODEL_UNREADABLE", what, found=found[:8], expected=promotion.fingerprint[:8])
    return found


def _fetched(subject: Subject) -> str:
    revision = subject.promotion.revision
    subject.store.fetch(revision, subject.folder)
    files = [path for path in subject.folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    return f"{len(files)} of revision {revision[:8]}, {size:,.1f} MB: each has the digest it was stored with"


def _safe(subject: Subject) -> str:
    inspect(subject.folder)
    return "weights, JSON and text alone; nothing that a library would run or fetch"


def _same(subject: Subject) -> str:
    promotion = subject.promotion
    return f"{same(promotion, subject.folder)[:8]}, as promoted on {promotion.at[:10]} as {promotion.version}"


def _signed(subject: Subject) -> str:
    name = verify_signature(subject.folder, subject.promotion.revision, subject.signing)
    return f"by the key {name}, every file that counts" if name else "not asked for this revision"


def _works(subject: Subject) -> str:
    difference, known = check(subject.folder), parity.load(subject.folder / parity.FILE)
    texts = len(known.queries) + len(known.documents)
    told = f"largest difference {difference:.2g} of {texts} texts, tolerance {known.tolerance:g}"
    return f"loads with sentence-transformers alone, in a process of its own\n{told}"


CHECKS: dict[str, Callable[[Subject], str]] = {
    "files": _fetched,
    "intake": _safe,
    "fingerprint": _same,
    "signature": _signed,
    "parity": _works,
}
"""Label -> the check: it returns what it found, or raises; in this order."""

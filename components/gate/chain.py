"""The ledger as a chain: each record holds the hash of the one before, so that none can be changed or taken out alone.

A chain that was cut off, or made anew with other hashes, is whole all the same. So those who were told of a record say
how long the ledger was then and what its head was: every verdict and every promotion does, and a mark beside it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from components.store.addresses import is_store, split_reference
from components.store.digests import digest
from components.store.errors import TouchstoneError
from components.store.stores import open_models

START = "0" * 64
RESTORE = "Restore the ledger from a backup. No look is charged and nothing is promoted until then."
Entries = list[dict[str, Any]]


@dataclass(frozen=True)
class Mark:
    """A record of the ledger that something else names.

    Attributes:
        length: Its position, from 1: so long the ledger was.
        head: Its hash.
        by: Who names it.
    """

    length: int
    head: str
    by: str


def promotions(champion: str) -> list[Mark]:
    """What the promotions in the champion's model store name.

    Args:
        champion: The champion's pinned reference, "" for none.

    Raises:
        TouchstoneError: MODEL_UNREADABLE when one of them is no promotion.
    """
    address = split_reference(champion)[0]
    known = open_models(address).history() if is_store(address) else []
    told = [(f"revision {one.revision[:8]} ({one.version})", one.verdict.get("ledger")) for one in known]
    return [Mark(ledger["length"], ledger["head"], by) for by, ledger in told if ledger]


def appended(known: Entries, entry: dict[str, Any]) -> Entries:
    """The records and one more, chained to the last."""
    chained = entry | {"before": known[-1]["hash"] if known else START}
    return [*known, chained | {"hash": digest(chained)}]


def held(entries: Any, marks: Iterable[Mark]) -> Entries:
    """The records of a ledger (None is one that nobody wrote to), if it holds what the marks name.

    Raises:
        TouchstoneError: LEDGER_BROKEN naming the first record that is not what it was, and who says so.
    """
    known, ordered = verify([] if entries is None else entries), sorted(marks, key=lambda mark: (mark.length, mark.by))
    for mark in ordered:
        if mark.length > len(known):
            by = [one.by for one in ordered if one.length > len(known)]
            raise broken(f"record {len(known) + 1} of the ledger is missing", *by)
        if known[mark.length - 1]["hash"] != mark.head:
            raise broken(f"record {mark.length} of the ledger, or one before it, was changed", mark.by)
    return known


def verify(entries: Entries) -> Entries:
    """The records, if the chain is whole.

    Raises:
        TouchstoneError: LEDGER_BROKEN naming the first record that does not fit.
    """
    before = START
    for position, entry in enumerate(entries if isinstance(entries, list) else [entries], start=1):
        content = {name: value for name, value in entry.items() if name != "hash"} if isinstance(entry, dict) else {}
        if content.get("before") != before or digest(content) != entry.get("hash"):
            raise broken(f"record {position} of the ledger was changed")
        before = entry["hash"]
    return entries


def broken(what: str, *by: str) -> TouchstoneError:
    """The error; `by` are those who name the record."""
    names = list(dict.fromkeys(by))
    told = f"; {' and '.join(names)} {'names' if len(names) == 1 else 'name'} it" if names else ""
    return TouchstoneError("LEDGER_BROKEN", what + told, fix=RESTORE)

"""The ledger: every look at a sealed test, charged before anything is revealed, chained by hashes.

A look is keyed by (candidate, champion, sealed test): the same key is a retry and costs nothing. Charging is one
compare-and-swap on the state, so two runs cannot both take the last look.
"""

from __future__ import annotations

from typing import Any

from components.gate.verdict import Look
from components.store.digests import digest
from components.store.errors import TouchstoneError
from components.store.state import State

LEDGER = "ledger.json"
START = "0" * 64


def charge(state: State, *, candidate: str, champion: str, sealed: str, run: str, day: str, looks: int) -> Look:
    """Charge one look to the year of `day`.

    Args:
        state: The line's state.
        candidate: The candidate's fingerprint.
        champion: The champion's pinned reference, "" for none.
        sealed: The sealed test's digest.
        run: The run that looks.
        day: Today, as YYYY-MM-DD.
        looks: How many looks a year has.

    Raises:
        TouchstoneError: LEDGER_BROKEN, LOOKS_EXHAUSTED.
    """
    key = digest([candidate, champion, sealed])

    def change(entries: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
        known = verify(entries or [])
        if any(entry["key"] == key for entry in known):
            return known
        used = sum(entry["day"][:4] == day[:4] for entry in known)
        if used >= looks:
            raise _exhausted(used, day[:4])
        before = known[-1]["hash"] if known else START
        entry = {"key": key, "candidate": candidate, "champion": champion, "sealed": sealed, "run": run, "day": day}
        entry |= {"number": used + 1, "before": before}
        return [*known, entry | {"hash": digest(entry)}]

    entries = state.update(LEDGER, change)
    position = next(i for i, entry in enumerate(entries) if entry["key"] == key)
    entry = entries[position]
    left, year = looks - entry["number"], int(entry["day"][:4])
    return Look(number=entry["number"], left=left, year=year, ledger_head=entry["hash"], ledger_length=position + 1)


def verify(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries, if the chain is whole.

    Raises:
        TouchstoneError: LEDGER_BROKEN naming the first record that does not fit.
    """
    before = START
    for position, entry in enumerate(entries, start=1):
        content = {name: value for name, value in entry.items() if name != "hash"}
        if entry.get("before") != before or digest(content) != entry.get("hash"):
            fix = "Restore the ledger from a backup. No look is charged and nothing is promoted until then."
            raise TouchstoneError("LEDGER_BROKEN", f"record {position} of the ledger was changed", fix=fix)
        before = entry["hash"]
    return entries


def _exhausted(used: int, year: str) -> TouchstoneError:
    return TouchstoneError(
        "LOOKS_EXHAUSTED",
        f"all looks of {year} are used",
        found=f"{used} charged",
        fix="Wait for the new year or seal new judged queries; a further look would break the promised error rate.",
    )

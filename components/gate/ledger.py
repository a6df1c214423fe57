"""The ledger: every look at a sealed test, charged before anything is revealed, chained by hashes.

A look is keyed by (candidate, champion, sealed test, rules): the same key is a retry and costs nothing, and asking the
same test again with softer rules is another look. Charging is one compare-and-swap on the state, so two runs cannot
both take the last look. Queries that were retired for every model stand there too.
"""

from __future__ import annotations

import math
from typing import Any

from components.gate.config import GateConfig
from components.gate.verdict import Look
from components.store.digests import digest
from components.store.errors import TouchstoneError
from components.store.state import State

LEDGER = "ledger.json"
START = "0" * 64


def charge(state: State, *, candidate: str, champion: str, sealed: str, run: str, day: str, config: GateConfig) -> Look:
    """Charge one look to the year of `day`.

    Args:
        state: The line's state.
        candidate: The candidate's fingerprint.
        champion: The champion's pinned reference, "" for none.
        sealed: The sealed test's digest.
        run: The run that looks.
        day: Today, as YYYY-MM-DD.
        config: Error budget of a year and how many looks share it. Each entry keeps the level it was charged at, so
            that a recipe changed in the middle of a year cannot spend more than the budget.

    Raises:
        TouchstoneError: LEDGER_BROKEN, LOOKS_EXHAUSTED.
    """
    rules = config.model_dump(mode="json", exclude={"error_budget", "looks"})
    key = digest([candidate, champion, sealed, rules])

    def change(entries: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
        known = verify([] if entries is None else entries)
        if any(entry["key"] == key for entry in known):
            return known
        spent = _spent(known, day[:4])
        if not _left(spent, config) >= 1:
            raise _exhausted(len(spent), day[:4])
        entry: dict[str, Any] = {
            "key": key,
            "candidate": candidate,
            "champion": champion,
            "sealed": sealed,
            "run": run,
            "day": day,
        }
        return _appended(known, entry | {"number": len(spent) + 1, "alpha": config.alpha})

    entries = state.update(LEDGER, change)
    length = next(i for i, entry in enumerate(entries, start=1) if entry["key"] == key)
    return _look(entries[:length], config)


def retire(state: State, *, queries: list[str], run: str, day: str) -> None:
    """Record the sealed queries that were retired for every model, since their documents train now.

    Args:
        state: The line's state.
        queries: Hashes of the ids of all that ever were; those on record already are not written again.
        run: The run that saw it.
        day: Today, as YYYY-MM-DD.
    """

    def change(entries: list[dict[str, Any]] | None) -> list[dict[str, Any]]:
        known = verify([] if entries is None else entries)
        news = sorted(set(queries) - {name for entry in known for name in entry.get("retired", [])})
        entry = {"key": digest(["retired", news]), "retired": news, "run": run, "day": day}
        return _appended(known, entry) if news else known

    if queries:
        state.update(LEDGER, change)


def _appended(known: list[dict[str, Any]], entry: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries and one more, chained to the last."""
    chained = entry | {"before": known[-1]["hash"] if known else START}
    return [*known, chained | {"hash": digest(chained)}]


def _spent(entries: list[dict[str, Any]], year: str) -> list[float]:
    """The levels of the looks of a year."""
    return [entry["alpha"] for entry in entries if "alpha" in entry and entry["day"][:4] == year]


def _look(entries: list[dict[str, Any]], config: GateConfig) -> Look:
    """The last of the entries as a look; what is left is counted as it was then."""
    entry, year = entries[-1], entries[-1]["day"][:4]
    left = _left(_spent(entries, year), config)
    known = {name: entry[name] for name in ("number", "alpha")}
    return Look(**known, left=left, year=int(year), ledger_head=entry["hash"], ledger_length=len(entries))


def _left(spent: list[float], config: GateConfig) -> int:
    """How many more looks at the present level fit into the year's budget."""
    return max(0, math.floor((config.error_budget - math.fsum(spent)) / config.alpha + 1e-6))


def verify(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries, if the chain is whole.

    Raises:
        TouchstoneError: LEDGER_BROKEN naming the first record that does not fit.
    """
    before = START
    for position, entry in enumerate(entries if isinstance(entries, list) else [entries], start=1):
        content = {name: value for name, value in entry.items() if name != "hash"} if isinstance(entry, dict) else {}
        if content.get("before") != before or digest(content) != entry.get("hash"):
            fix = "Restore the ledger from a backup. No look is charged and nothing is promoted until then."
            raise TouchstoneError("LEDGER_BROKEN", f"record {position} of the ledger was changed", fix=fix)
        before = entry["hash"]
    return entries


def _exhausted(used: int, year: str) -> TouchstoneError:
    return TouchstoneError(
        "LOOKS_EXHAUSTED",
        f"all looks of {year} are used",
        found=f"{used} charged",
        fix="Wait for the new year; a further look, also at another sealed test, would break the promised error rate.",
    )

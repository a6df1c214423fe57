"""The ledger: every look at a sealed test, charged before anything is revealed, chained by hashes (`chain.py`).

A look is keyed by (candidate, champion, sealed test, rules): the same key is a retry and costs nothing, and asking the
same test again with softer rules is another look. Charging is one compare-and-swap on the state, so two runs cannot
both take the last look. Queries that were retired for every model stand there too, and the generations that were
opened: every sealed test is one, in the order in which the ledger first hears of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from components.gate.chain import Entries, Mark, appended, broken, held, promotions
from components.gate.config import GateConfig
from components.gate.verdict import Look
from components.store.digests import digest
from components.store.errors import TouchstoneError
from components.store.state import State

LEDGER = "ledger.json"
LAST = "ledger-last.json"
"""The mark of the last record that was written, in a document of its own."""


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

    def change(known: Entries) -> Entries:
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
        return appended(known, entry | {"number": len(spent) + 1, "alpha": config.alpha})

    entries = _update(state, change)
    length = next(i for i, entry in enumerate(entries, start=1) if entry["key"] == key)
    return _look(entries[:length], config)


def afford(state: State, *, champion: str, day: str, config: GateConfig) -> int:
    """How many looks are left, asked before anything is trained.

    None may be left where a run that looked at the same champion did not end well: with the same candidate, running it
    again is a retry, and costs nothing.

    Raises:
        TouchstoneError: LEDGER_BROKEN, LOOKS_EXHAUSTED.
    """
    known = check(state, promotions(champion))
    looks = [entry for entry in known if "alpha" in entry and entry["day"][:4] == day[:4]]
    left = _left(_spent(known, day[:4]), config)
    if not left >= 1 and not any(one["champion"] == champion and _unfinished(state, one["run"]) for one in looks):
        raise _exhausted(len(looks), day[:4])
    return left


def left(state: State, day: str, config: GateConfig) -> int:
    """How many looks are left in the year of `day`; nobody is refused, nothing is charged.

    Raises:
        TouchstoneError: LEDGER_BROKEN.
    """
    return _left(_spent(check(state, []), day[:4]), config)


def retire(state: State, *, queries: list[str], run: str, day: str) -> None:
    """Record the sealed queries that were retired for every model, since their documents train now.

    Args:
        state: The line's state.
        queries: Hashes of the ids of all that ever were; those on record already are not written again.
        run: The run that saw it.
        day: Today, as YYYY-MM-DD.

    Raises:
        TouchstoneError: LEDGER_BROKEN.
    """

    def change(known: Entries) -> Entries:
        news = sorted(set(queries) - {name for entry in known for name in entry.get("retired", [])})
        entry = {"key": digest(["retired", news]), "retired": news, "run": run, "day": day}
        return appended(known, entry) if news else known

    if queries:
        _update(state, change)


def turn(state: State, generations: list[dict[str, Any]]) -> None:
    """Record the generations that were opened; those on record already are not written again.

    Args:
        state: The line's state.
        generations: In their order: `was` and `sealed`, the digests of the old and the new sealed test, `run`, `day`,
            and whatever else is known of each.

    Raises:
        TouchstoneError: LEDGER_BROKEN.
    """

    def change(known: Entries) -> Entries:
        for one in generations:
            key = digest(["generation", one["was"], one["sealed"]])
            if not any(entry["key"] == key for entry in known):
                number = len(dict.fromkeys([*sealed_tests(known), one["was"], one["sealed"]]))
                known = appended(known, one | {"key": key, "generation": number})
        return known

    if generations:
        _update(state, change)


def waive(state: State, *, run: str, verdict: str, approver: str, day: str) -> None:
    """Record that a person set a hold aside; for the same verdict once.

    Args:
        state: The line's state.
        run: The run that was held.
        verdict: The verdict's digest.
        approver: Whose signature the approval has.
        day: The day it was given, as YYYY-MM-DD.
    """
    key = digest(["waived", verdict])

    def change(known: Entries) -> Entries:
        entry = {"key": key, "waived": verdict, "approver": approver, "run": run, "day": day}
        return known if any(one["key"] == key for one in known) else appended(known, entry)

    _update(state, change)


def unused(entries: Entries) -> dict[str, Any] | None:
    """The record of the last generation that was opened, if no look was spent on it yet."""
    opened = [position for position, entry in enumerate(entries) if "generation" in entry]
    if not opened:
        return None
    earlier = set(sealed_tests(entries[: opened[-1]])) | {entries[opened[-1]]["was"]}
    looks = [entry for entry in entries if "alpha" in entry]
    return None if any(entry["sealed"] not in earlier for entry in looks) else entries[opened[-1]]


def sealed_tests(entries: Entries) -> list[str]:
    """Digests of the sealed tests, the oldest generation first."""
    named = (entry.get(name) for entry in entries for name in ("was", "sealed"))
    return list(dict.fromkeys(one for one in named if one))


def check(state: State, marks: Iterable[Mark]) -> Entries:
    """The ledger's records, if it holds those that the marks name, and the last that was written.

    Raises:
        TouchstoneError: LEDGER_BROKEN naming the record.
    """
    last = _last(state)
    return held(state.get(LEDGER), [*marks, *last])


def _update(state: State, change: Callable[[Entries], Entries]) -> Entries:
    """Change the ledger, if it is whole, and then the mark of its last record.

    The mark is read before the ledger, which only grows: it never names more than what is there.
    """
    last = _last(state)
    entries: Entries = state.update(LEDGER, lambda found: change(held(found, last)))
    if entries:
        mark = asdict(Mark(len(entries), entries[-1]["hash"], f"run {entries[-1]['run']}"))
        state.update(LAST, lambda known: mark if not known or known["length"] < mark["length"] else known)
    return entries


def _last(state: State) -> list[Mark]:
    """The mark of the last record, if one was ever written."""
    known = state.get(LAST)
    try:
        return [Mark(**known)] if known is not None else []
    except TypeError:
        raise broken(f"{LAST} was changed") from None


def _spent(entries: Entries, year: str) -> list[float]:
    """The levels of the looks of a year."""
    return [entry["alpha"] for entry in entries if "alpha" in entry and entry["day"][:4] == year]


def _look(entries: Entries, config: GateConfig) -> Look:
    """The last of the entries as a look; what is left is counted as it was then."""
    entry, year = entries[-1], entries[-1]["day"][:4]
    known = {name: entry[name] for name in ("number", "alpha")}
    known["generation"] = sealed_tests(entries).index(entry["sealed"]) + 1
    left = _left(_spent(entries, year), config)
    return Look(**known, left=left, year=int(year), ledger_head=entry["hash"], ledger_length=len(entries))


def _left(spent: list[float], config: GateConfig) -> int:
    """How many more looks at the present level fit into the year's budget."""
    return max(0, math.floor((config.error_budget - math.fsum(spent)) / config.alpha + 1e-6))


def _unfinished(state: State, run: str) -> bool:
    """Whether the run failed, or has not ended."""
    record = state.get(f"runs/{run}/record.json")
    return not record or record.get("outcome") == "FAILED"


def _exhausted(used: int, year: str) -> TouchstoneError:
    return TouchstoneError(
        "LOOKS_EXHAUSTED",
        f"all looks of {year} are used",
        found=f"{used} charged",
        fix="Wait for the new year; a further look, also at another sealed test, would break the promised error rate.",
    )

"""Many promoters at once, every operation on record, and what a compare-and-swap's record must look like.

A record of operations with their beginning and end is right if some order of them, in which none comes before one that
had ended when it began, is what a single register would have shown (Herlihy and Wing, "Linearizability", 1990). Every
promotion names its predecessor, so the order of the promotions is known, and the check is one pass over the record.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.hub.moving import Published, move
from components.store.intake import fingerprint, inspect
from components.store.models import ModelStore, Promotion

RACERS = 8


@dataclass(frozen=True)
class Operation:
    """One use of the store.

    Attributes:
        kind: `read` (head), `moved` or `lost` (a compare-and-swap), `open` (one that ended without an answer).
        identity: What was read ("" for nothing), or what was to be.
        previous: What the compare-and-swap expected.
        begin: On one clock, as `end`.
    """

    kind: str
    identity: str
    previous: str
    begin: float
    end: float


@dataclass
class Recorder:
    """A store whose heads and moves are put on record."""

    store: ModelStore
    operations: list[Operation] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        """What is not on record goes to the store."""
        return getattr(self.store, name)

    def head(self) -> Promotion | None:
        """A read."""
        begin = time.monotonic()
        found = self.store.head()
        self.operations.append(Operation("read", found.id if found else "", "", begin, time.monotonic()))
        return found

    def promote(self, promotion: Promotion, folder: Path) -> Promotion | None:
        """A compare-and-swap."""
        begin, kind = time.monotonic(), "open"
        try:
            found = self.store.promote(promotion, folder)
            kind = "moved" if found else "lost"
        finally:
            self.operations.append(Operation(kind, promotion.id, promotion.previous, begin, time.monotonic()))
        return found


def planned(name: str, weights: str) -> Promotion:
    """The promotion that a racer wants."""
    return Promotion(name, "", weights, "", "", name, "", "", {"decision": "PROMOTE"})


def race(open_store: Callable[[], ModelStore], folder: Path, rounds: int) -> tuple[list[Operation], list[str]]:
    """Every round eight promote from the same head; what was done, and rounds that had not exactly one winner."""
    stores, wrong = [Recorder(open_store()) for _ in range(RACERS)], []
    weights = fingerprint(inspect(folder))
    with ThreadPoolExecutor(RACERS) as pool:
        for number in range(rounds):
            head, start = stores[0].head(), threading.Barrier(RACERS)
            known = head.id if head else ""

            def run(
                racer: int, number: int = number, known: str = known, start: threading.Barrier = start
            ) -> Published:
                def stands(now: Promotion | None) -> bool:
                    return (now.id if now else "") == known

                start.wait()
                store = stores[racer]
                return move(
                    store, planned(f"{number}-{racer}", weights), stands, lambda one: store.promote(one, folder)
                )

            ended = sorted(found.outcome for found in pool.map(run, range(RACERS)))
            if ended != ["LOST_RACE"] * (RACERS - 1) + ["PROMOTED"]:
                wrong.append(f"round {number} ended with {', '.join(ended)}")
    return list(itertools.chain.from_iterable(store.operations for store in stores)), wrong


def check(operations: Iterable[Operation], history: list[str]) -> list[str]:
    """What contradicts a register that moves by compare-and-swap.

    Args:
        operations: The record, in any order.
        history: Identities of the promotions, oldest first.
    """
    known, place = list(operations), {identity: number for number, identity in enumerate(["", *history])}
    wrong = [] if len(place) == len(history) + 1 else ["a promotion is in the history twice"]
    wrong += [problem for one in known for problem in _alone(one, place, history)]
    return wrong + _in_time(known, place)


def _alone(one: Operation, place: dict[str, int], history: list[str]) -> list[str]:
    """What is wrong with an operation whatever else happened."""
    at = place.get(one.identity)
    if one.kind == "lost":
        return [f"{one.identity} lost and is in the history"] if at is not None else []
    if at is None:
        return [] if one.kind == "open" else [f"{one.identity} {one.kind} and is not in the history"]
    if one.kind != "read" and ["", *history][at - 1] != one.previous:
        return [f"{one.identity} expected {one.previous or 'nothing'} and came after something else"]
    return []


def _in_time(known: list[Operation], place: dict[str, int]) -> list[str]:
    """Nobody sees less than what somebody had seen or done before he began, nor what had not begun when he ended."""
    seen = [one for one in known if one.kind in ("read", "moved") and one.identity in place]
    begun = {one.identity: one.begin for one in known if one.kind != "read"}
    wrong = [f"{one.identity} was read before it began" for one in seen if one.end < begun.get(one.identity, 0.0)]
    ended, latest, position = sorted(seen, key=lambda one: one.end), 0, 0
    for one in sorted(seen, key=lambda one: one.begin):
        while ended[position].end < one.begin:
            latest, position = max(latest, place[ended[position].identity]), position + 1
        if place[one.identity] < latest:
            wrong.append(f"{one.identity or 'nothing'} was seen after a later one")
    return wrong

"""How production is moved: no answer is believed but what the store then shows.

An answer can be lost, come twice, or say "no" because of our own first try. So each turn reads the head, looks for the
promotion's own id, and only then tries again; a move that came about is found, whoever moved on since.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from components.store.errors import TransientError
from components.store.models import ModelStore, Promotion

TRIES = 8
PAUSE = 0.1
"""Seconds before the second try, at most; each next pause is twice as long."""

AGAIN = "Run it again: what has happened is found and not done twice."

Outcome = Literal["PROMOTED", "ALREADY_PROMOTED", "LOST_RACE"]


@dataclass(frozen=True)
class Published:
    """What became of a promotion."""

    outcome: Outcome
    promotion: Promotion

    def record(self, target: str) -> dict[str, Any]:
        """The run's `publication.json`."""
        return {"outcome": self.outcome, "target": target, **self.promotion.as_json()}

    def told(self, target: str) -> str:
        """What stands on the screen."""
        return f"{target} revision {self.promotion.revision[:8]}, production -> {self.promotion.version}"


def move(
    store: ModelStore,
    planned: Promotion,
    stands: Callable[[Promotion | None], bool],
    attempt: Callable[[Promotion], Promotion | None],
) -> Published:
    """Make `planned` the head, unless it already was or production is not where it is to be moved from.

    Args:
        store: Where.
        planned: What is to be; its time, version and predecessor are set here.
        stands: Whether the head is the one to move from.
        attempt: The store's compare-and-swap; what it returns or raises is the store's to say.

    Raises:
        TransientError: PROMOTION_OPEN when the store's answers leave open what happened; running again is safe.
    """
    unanswered: TransientError | None = None
    for turn in range(TRIES):
        head, earlier = store.head(), store.find(planned.id)
        if earlier:
            store.repair()
            return Published("PROMOTED" if unanswered else "ALREADY_PROMOTED", earlier)
        if not stands(head):
            return Published("LOST_RACE", head or planned)
        try:
            if moved := attempt(_upon(planned, head)):
                store.repair()
                return Published("PROMOTED", moved)
        except TransientError as error:
            unanswered = error
        time.sleep(random.uniform(0.5, 1) * PAUSE * 2**turn)
    known = {"found": unanswered.what if unanswered else "others that hold it", "fix": AGAIN}
    raise TransientError("PROMOTION_OPEN", f"{store.address} does not tell whether production has moved", **known)


def _upon(promotion: Promotion, head: Promotion | None) -> Promotion:
    """The same as what comes after `head`, now."""
    now = datetime.now(UTC)
    at, version = now.isoformat(timespec="seconds"), _version(now, head)
    replaces, previous = (head.revision, head.id) if head else ("", "")
    return replace(promotion, at=at, version=version, replaces=replaces, previous=previous)


def _version(now: datetime, head: Promotion | None) -> str:
    """`v2026.11.23-1`: the day and a number within it."""
    day = now.strftime("v%Y.%m.%d")
    number = int(head.version.rpartition("-")[2]) + 1 if head and head.version.startswith(f"{day}-") else 1
    return f"{day}-{number}"

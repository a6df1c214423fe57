"""How many pairs each source made, how many it dropped and why, and whether they will do."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from statistics import median
from typing import Any

from components.pairs.pair import Dropped, Pair
from components.store.errors import UserError
from components.store.events import warn

SAID = 1000
"""Pairs of a source whose lengths are compared."""


class Tally:
    """How many of each source were made and dropped, and how long their texts are."""

    def __init__(self, minimum: int, sources: Mapping[str, Any] | None = None) -> None:
        """Start from nothing, or with the drops of an earlier step; fewer than `minimum` pairs will not do."""
        self._minimum = minimum
        self.made: Counter[str] = Counter()
        self._dropped: dict[str, Counter[str]] = defaultdict(Counter)
        self._words: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for miner, found in (sources or {}).items():
            self._dropped[miner].update(found["dropped"])

    def drop(self, one: Dropped) -> None:
        """Count what made no pair."""
        self._dropped[one.miner][one.reason] += 1

    def make(self, pair: Pair) -> None:
        """Count a pair."""
        self.made[pair.miner] += 1
        if len(self._words[pair.miner]) < SAID:
            self._words[pair.miner].append((len(pair.anchor.split()), len(pair.positive.split())))

    @property
    def facts(self) -> dict[str, Any]:
        """The number of pairs, the drops by reason, and both for each source."""
        reasons = sum(self._dropped.values(), Counter[str]())
        sources = {
            miner: {"made": self.made[miner], "dropped": dict(sorted(self._dropped[miner].items()))}
            for miner in sorted({*self.made, *self._dropped})
        }
        return {"pairs": self.made.total(), "dropped": dict(sorted(reasons.items())), "sources": sources}

    def check(self) -> None:
        """Enough pairs, and none the wrong way round.

        Raises:
            UserError: TOO_FEW_PAIRS, PAIRS_REVERSED.
        """
        for miner, words in sorted(self._words.items()):
            anchor, positive = (median(column) for column in zip(*words, strict=True))
            if anchor > positive:
                found = f"{anchor:g} words in the middle query, {positive:g} in the middle text"
                fix = "Exchange the two columns."
                raise UserError("PAIRS_REVERSED", f"the queries of {miner} look like documents", found=found, fix=fix)
        made = self.made.total() - self.made["general"]
        if made < self._minimum:
            found = f"{made} (dropped: {self.facts['dropped'] or 'none'})"
            fix = (
                "Add documents with headings, another source of pairs, or lower pairs.min_pairs and expect overfitting."
            )
            wanted = f"at least {self._minimum}"
            raise UserError("TOO_FEW_PAIRS", "too few training pairs", found=found, expected=wanted, fix=fix)
        if made < 2 * self._minimum:
            warn(f"{made} training pairs are few; a model trained on fewer than {2 * self._minimum} tends to overfit.")

"""How much searchers would notice: dev queries whose first ten documents change when the champion is replaced.

Fact `churn` of the artifact `examples`, absent where there is no champion: the fields of `Churn`.
"""

from __future__ import annotations

from dataclasses import dataclass

from components.retrieval.index import Ranking

DEPTH = 10


@dataclass(frozen=True)
class Churn:
    """What changes from one model to another.

    Attributes:
        queries: Dev queries looked at.
        changed: Share of them (0 to 1) that find other documents among the first ten.
        reordered: Share of them that find the same ten in another order.
        overlap: Mean share of the first ten documents that stay.
    """

    queries: int
    changed: float
    reordered: float
    overlap: float

    @classmethod
    def between(cls, old: Ranking, new: Ranking) -> Churn:
        """Compare the rankings of the same queries, one at least, over the same documents."""
        pairs = list(zip(_first(old), _first(new), strict=True))
        same = [len(set(a) & set(b)) / max(len(a), len(b)) for a, b in pairs]
        changed = sum(share < 1 for share in same)
        reordered = sum(a != b for a, b in pairs) - changed
        return cls(len(pairs), changed / len(pairs), reordered / len(pairs), sum(same) / len(pairs))


def _first(ranking: Ranking) -> list[list[int]]:
    return [[document for document in row if document >= 0] for row in ranking.documents[:, :DEPTH].tolist()]

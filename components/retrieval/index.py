"""Passages in the order of their documents, and exact search over them by the best passage of each document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.corpus.passages import Passage

Vectors = npt.NDArray[np.float32]
"""Unit vectors, one a row."""

DEPTH = 100
"""Documents kept for each query."""
QUERIES_AT_ONCE = 256
PASSAGES_AT_ONCE = 65_536


@dataclass(frozen=True)
class Ranking:
    """The best documents of each query.

    Attributes:
        documents: Positions in `Index.documents`, best first (queries x depth); -1 where there are fewer.
        scores: Their scores (queries x depth).
    """

    documents: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Index:
    """The retrieval corpus.

    Attributes:
        documents: Document ids, sorted; ties in scores go to the smaller id.
        starts: Where each document's passages begin in `texts`.
        texts: Passage texts, document by document.
    """

    documents: list[str]
    starts: npt.NDArray[np.int64]
    texts: list[str]

    @classmethod
    def of(cls, passages: Sequence[Passage]) -> Index:
        """Put the passages in order."""
        ordered = sorted(passages, key=lambda p: (p.document, p.start))
        changes = [i for i, p in enumerate(ordered) if i == 0 or p.document != ordered[i - 1].document]
        return cls([ordered[i].document for i in changes], np.array(changes), [p.text for p in ordered])

    def search(self, queries: Vectors, passages: Vectors, depth: int = DEPTH) -> Ranking:
        """Exact inner-product search, blocked so that memory does not grow with queries x passages."""
        parts = [
            self._search(queries[start : start + QUERIES_AT_ONCE], passages, depth)
            for start in range(0, len(queries), QUERIES_AT_ONCE)
        ]
        return Ranking(np.concatenate([p.documents for p in parts]), np.concatenate([p.scores for p in parts]))

    def _search(self, queries: Vectors, passages: Vectors, depth: int) -> Ranking:
        best = Ranking(np.empty((len(queries), 0), np.int64), np.empty((len(queries), 0), np.float32))
        for first, last in self._blocks():
            begin = int(self.starts[first])
            end = int(self.starts[last]) if last < len(self.starts) else len(self.texts)
            scores = queries @ passages[begin:end].T
            by_document = np.maximum.reduceat(scores, self.starts[first:last] - begin, axis=1)
            best = merge(best, first, by_document, depth)
        return best

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """Runs of whole documents with about `PASSAGES_AT_ONCE` passages."""
        first = 0
        while first < len(self.starts):
            last = int(np.searchsorted(self.starts, self.starts[first] + PASSAGES_AT_ONCE, side="left"))
            last = max(last, first + 1)
            yield first, last
            first = last


def merge(best: Ranking, first: int, scores: npt.NDArray[np.float32], depth: int) -> Ranking:
    """The best `depth` of what is kept and a block of scores whose columns are documents `first`, `first` + 1, ...

    Ties go to the smaller position: score and position are packed into one integer, so the order is total.
    """
    positions = np.broadcast_to(np.arange(first, first + scores.shape[1]), scores.shape)
    documents = np.concatenate([best.documents, positions], axis=1)
    values = np.concatenate([best.scores, scores.astype(np.float32)], axis=1)
    keys = _sortable(values) * (1 << 32) - documents
    depth = min(depth, keys.shape[1])
    top = np.argpartition(-keys, depth - 1, axis=1)[:, :depth]
    order = np.take_along_axis(top, np.argsort(-np.take_along_axis(keys, top, axis=1), axis=1), axis=1)
    return Ranking(np.take_along_axis(documents, order, axis=1), np.take_along_axis(values, order, axis=1))


def _sortable(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Integers below 2^31 in size that are ordered as the floats are (IEEE 754 bits, sign folded)."""
    bits = (values + np.float32(0)).view(np.int32).astype(np.int64)
    return np.where(bits >= 0, bits, -(bits & 0x7FFFFFFF))

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
PASSAGES_AT_ONCE = 16_384


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
        """Exact inner-product search, on the GPU if there is one.

        Blocked both ways, so that memory does not grow with queries x passages, and each passage is read once: its
        vectors may lie on the disk.

        Args:
            queries: One a row.
            passages: Of `texts`, one a row.
            depth: Documents kept for each query.
        """
        from components.retrieval.product import multiplier  # torch, which steps that only read rankings lack

        parts = [queries[start : start + QUERIES_AT_ONCE] for start in range(0, len(queries), QUERIES_AT_ONCE)]
        parts = parts or [queries]
        best = [nothing(len(part)) for part in parts]
        multiply = multiplier(parts)
        for first, last in self._blocks():
            begin = int(self.starts[first])
            end = int(self.starts[last]) if last < len(self.starts) else len(self.texts)
            starts = self.starts[first:last] - begin
            for number, scores in enumerate(multiply(passages[begin:end])):
                found = scores if len(starts) == end - begin else np.maximum.reduceat(scores, starts, axis=1)
                best[number] = _better(best[number], first, found, depth)
        return Ranking(np.concatenate([p.documents for p in best]), np.concatenate([p.scores for p in best]))

    def _blocks(self) -> Iterator[tuple[int, int]]:
        """Runs of whole documents with about `PASSAGES_AT_ONCE` passages."""
        first = 0
        while first < len(self.starts):
            last = int(np.searchsorted(self.starts, self.starts[first] + PASSAGES_AT_ONCE, side="left"))
            last = max(last, first + 1)
            yield first, last
            first = last


def nothing(queries: int) -> Ranking:
    """What so many queries have found before the first block."""
    return Ranking(np.empty((queries, 0), np.int64), np.empty((queries, 0), np.float32))


def _better(best: Ranking, first: int, scores: npt.NDArray[np.float32], depth: int) -> Ranking:
    """`merge`, but for documents that are better for no query than all that it keeps: of a late block nearly all."""
    if best.documents.shape[1] < depth:
        return merge(best, np.arange(first, first + scores.shape[1]), scores, depth)
    columns = np.flatnonzero((scores > best.scores[:, -1:]).any(axis=0))
    return merge(best, columns + first, scores[:, columns], depth) if len(columns) else best


def merge(best: Ranking, positions: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], depth: int) -> Ranking:
    """The best `depth` of what is kept and a block of scores whose columns are the documents at `positions`.

    Ties go to the smaller position: score and position are packed into one integer, so the order is total.
    """
    positions = np.broadcast_to(positions, scores.shape)
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

"""Which training passages are nearest to a query: exact, below a ceiling, with documents left out.

The search goes over blocks of passages, so memory does not grow with queries x passages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from components.retrieval.index import Index, Vectors

QUERIES_AT_ONCE = 256
FIRST_BLOCK = 512
"""Passages of the first block; each next is twice as long, so that few of its scores are among the best so far."""
LARGEST_BLOCK = 16_384

ROUNDING = 1e-6
"""Two products of the same vectors may differ by so much: a document must score more than that to be better."""

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class Pool:
    """The passages that negatives are taken from: those of training documents, and no others."""

    def __init__(self, index: Index, vectors: Vectors, groups: Mapping[str, str]) -> None:
        """Work out what belongs to what.

        Args:
            index: The passages in the order of their documents.
            vectors: A unit vector for each passage (n x dimension).
            groups: Document id -> group, for every document of the index.
        """
        self.index, self.vectors = index, vectors
        self.position = {document: i for i, document in enumerate(index.documents)}
        self.group = [groups[document] for document in index.documents]
        self._members: dict[str, list[int]] = {}
        for i, group in enumerate(self.group):
            self._members.setdefault(group, []).append(i)
        self._ends = np.append(index.starts[1:], len(index.texts))
        self.owners = np.repeat(np.arange(len(index.starts)), self._ends - index.starts)

    def span(self, document: int) -> tuple[int, int]:
        """Where the document's passages begin and end."""
        return int(self.index.starts[document]), int(self._ends[document])

    def members(self, groups: Iterable[str]) -> list[int]:
        """The documents of these groups."""
        return sorted(chain.from_iterable(self._members.get(group, ()) for group in groups))

    def texts(self, document: int) -> list[str]:
        """The document's passages."""
        begin, end = self.span(document)
        return self.index.texts[begin:end]


class Asked(NamedTuple):
    """What is wanted for one query.

    Attributes:
        ceiling: What is found scores less.
        document: The document that answers (its position in the index), -1 if it is none of them.
        forbidden: Documents of which nothing may be found.
    """

    ceiling: float
    document: int
    forbidden: Sequence[int]


class Near(NamedTuple):
    """What the search says of one query.

    Attributes:
        passages: The passages below the ceiling and not forbidden, best first; ties go to the smaller position.
        found: Whether fewer than `rank` documents are better than the one that answers.
    """

    passages: list[int]
    found: bool


def search(pool: Pool, queries: Vectors, asked: Sequence[Asked], depth: int, rank: int) -> Iterator[Near]:
    """The nearest `depth` passages for each query (n x dimension), and whether its document is among `rank`."""
    for start in range(0, len(asked), QUERIES_AT_ONCE):
        stop = start + QUERIES_AT_ONCE
        yield from _search(pool, queries[start:stop], asked[start:stop], depth, rank)


def _search(pool: Pool, queries: Vectors, asked: Sequence[Asked], depth: int, rank: int) -> Iterator[Near]:
    best = _Best(np.array([one.ceiling for one in asked], np.float32), depth)
    better = _Better(pool, _own(pool, queries, asked), rank)
    forbidden = [(row, *pool.span(document)) for row, one in enumerate(asked) for document in one.forbidden]
    for begin, end in _blocks(len(pool.vectors)):
        scores = queries @ pool.vectors[begin:end].T
        better.add(scores, begin)
        for row, first, last in forbidden:
            if first < end and last > begin:
                scores[row, max(first - begin, 0) : last - begin] = -np.inf
        best.add(scores, begin)
    for row, passages in enumerate(best.passages()):
        yield Near(passages, bool(better.counts[row] < rank))


def _own(pool: Pool, queries: Vectors, asked: Sequence[Asked]) -> Floats:
    """What the best passage of each query's document scores; nothing is better where there is none."""
    own = np.full(len(asked), np.inf, np.float32)
    for row, one in enumerate(asked):
        if one.document >= 0:
            begin, end = pool.span(one.document)
            own[row] = (pool.vectors[begin:end] @ queries[row]).max()
    return own


def _blocks(count: int) -> Iterator[tuple[int, int]]:
    begin, size = 0, FIRST_BLOCK
    while begin < count:
        yield begin, min(begin + size, count)
        begin, size = begin + size, min(2 * size, LARGEST_BLOCK)


class _Best:
    """The best passages of each query so far, query by query in flat arrays."""

    def __init__(self, ceilings: Floats, depth: int) -> None:
        self._ceilings, self._depth = ceilings[:, None], depth
        self._floor = np.full(ceilings.shape, -np.inf, np.float32)
        """What a passage must exceed to be among them: an equal one further down must not."""
        self._rows = np.empty(0, np.int64)
        self._positions = np.empty(0, np.int64)
        self._values = np.empty(0, np.float32)

    def add(self, scores: Floats, begin: int) -> None:
        """Take what belongs among the best of scores (queries x block) whose columns are passages from `begin` on."""
        cells = np.flatnonzero((scores > self._floor[:, None]) & (scores < self._ceilings))
        rows, columns = np.divmod(cells, scores.shape[1])
        rows = np.concatenate([self._rows, rows])
        positions = np.concatenate([self._positions, columns + begin])
        values = np.concatenate([self._values, scores.ravel()[cells]])
        order = np.lexsort((positions, -values, rows))
        firsts = self._firsts(rows[order])
        kept = order[np.arange(len(order)) - firsts[rows[order]] < self._depth]
        self._rows, self._positions, self._values = rows[kept], positions[kept], values[kept]
        firsts, counts = self._firsts(self._rows), np.bincount(self._rows, minlength=len(self._floor))
        full = np.flatnonzero(counts == self._depth)
        self._floor[full] = self._values[firsts[full] + self._depth - 1]

    def passages(self) -> Iterator[list[int]]:
        """The positions for each query, best first."""
        for part in np.split(self._positions, self._firsts(self._rows)[1:]):
            yield part.tolist()

    def _firsts(self, rows: Integers) -> Integers:
        return np.searchsorted(rows, np.arange(len(self._floor)))


class _Better:
    """How many documents have a better passage than the one that answers, counted until there are `rank`."""

    def __init__(self, pool: Pool, own: Floats, rank: int) -> None:
        self._owners, self._documents, self._rank = pool.owners, len(pool.index.starts), rank
        self._own = own + np.float32(ROUNDING)
        self.counts = np.zeros(len(own), np.int64)
        self._last = np.empty(0, np.int64)
        """Queries for which the last document of the block before is counted already, as `_add` numbers them."""

    def add(self, scores: Floats, begin: int) -> None:
        """Count in a block of scores (queries x block) whose columns are passages from `begin` on."""
        rows, columns = np.divmod(np.flatnonzero(scores > self._own[:, None]), scores.shape[1])
        numbers = np.unique(rows * self._documents + self._owners[begin + columns])
        self.counts += np.bincount(np.setdiff1d(numbers, self._last) // self._documents, minlength=len(self.counts))
        last = self._owners[begin + scores.shape[1] - 1]
        known = np.union1d(numbers, self._last)
        self._last = known[known % self._documents == last]
        self._own[self.counts >= self._rank] = np.inf

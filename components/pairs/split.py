"""The sticky split: whole groups go to one side, and a document keeps its side through every later run.

A group is connected by text: versions of one document, equal texts, near-duplicates, and documents that hold a passage
of one another (`coverage.py`), those that are gone included. Groups that answer the same judged query are connected
too, for choosing a side: by a keyed hash of the smallest name among them. Sides live in the state.

Where new or edited documents connect groups of different sides, training wins, since what was trained on stays so: the
others move there, on record, and the judged queries about them are retired.

A group is as old as the oldest document that ever was in it, so an edit, a new name or a quotation makes nothing new.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from components.corpus.duplicates import Signatures
from components.pairs.config import Side
from components.pairs.coverage import COVERED, Matches
from components.pairs.judged import Query
from components.pairs.known import NONE, Births, Known, Sides
from components.pairs.leakage import hidden
from components.pairs.ngrams import Integers
from components.store.state import State

SPLIT = "split.json"
PRECEDENCE: tuple[Side, ...] = ("train", "dev", "sealed", "reserve")
"""Where a group holds several sides, it goes to the first of these."""
CROWD, FEW = 0.05, 10
"""A new group that holds more of the documents, and more than a few, trains: in the test it would be one cluster."""


@dataclass(frozen=True)
class Split:
    """Where every document of the run lies.

    Attributes:
        sides: Document id -> side.
        groups: Document id -> the smallest id in its group.
        born: Document id -> the number of the segment, from 0, in which the oldest of its group came in.
        segments: How many segments there are after this run.
        moved: Versions of documents that changed sides in this run.
        retired: Names (hashes of ids) of the judged queries that were sealed once and are not any more.
        largest: The largest group's part of the documents.
        burnt: Names of those that were sealed in an earlier generation: they judge no more, whatever they ask about.
    """

    sides: Mapping[str, Side]
    groups: Mapping[str, str]
    born: Mapping[str, int]
    segments: int
    moved: int
    retired: tuple[str, ...]
    largest: float
    burnt: frozenset[str] = frozenset()


def assign(
    state: State, present: Known, matches: Matches, queries: Sequence[Query], shares: Mapping[Side, float]
) -> Split:
    """Give every document a side, and write down what is new in the state.

    Args:
        state: The line's state.
        present: The documents of the run (n), exact copies too.
        matches: Passages that two of them share, by position in `present`.
        queries: Judged queries; `relevant` holds ids of documents.
        shares: Side -> part of the groups.

    Raises:
        TouchstoneError: STATE_CORRUPT, STATE_BUSY.
    """
    found: list[Split] = []

    def change(document: dict[str, Any] | None) -> dict[str, Any]:
        known = document or {"segments": [], "retired": []}
        old = Known.read(state.folder, known["segments"])
        rows = _Rows.of(old, present)
        groups = rows.groups(matches)
        sides = _sided(rows, groups, queries, shares)
        born = _born(rows, groups, len(known["segments"]))
        changed = sides != rows.known.sides
        news = np.flatnonzero(changed | (born != rows.known.born))
        moved = int((rows.known.sides[changed] != NONE).sum())
        retired = sorted({*known["retired"], *_retired(queries, rows, sides)})
        segment = [replace(rows.known, sides=sides, born=born).append(state.folder, news)] if len(news) else []
        segments = [*known["segments"], *segment]
        of, ages = rows.grouped(groups), rows.aged(born)
        largest, burnt = rows.largest(groups), frozenset(known.get("burnt", []))
        found.append(Split(rows.named(sides), of, ages, len(segments), moved, tuple(retired), largest, burnt))
        return {**known, "segments": segments, "retired": retired}

    state.update(SPLIT, change)
    return found[-1]


@dataclass(frozen=True)
class _Rows:
    """Versions that the state knows, then those that are new; `place` says where each present document is."""

    known: Known
    place: Integers
    ids: list[str]

    @classmethod
    def of(cls, old: Known, present: Known) -> _Rows:
        joined = Known.join([old, present])
        _, first, number = np.unique(joined.versions, return_index=True, return_inverse=True)
        kept = np.sort(first)
        place = np.searchsorted(kept, first)[number][len(old) :]
        return cls(joined.take(kept), place, [bytes(one).hex() for one in present.ids])

    def groups(self, matches: Matches) -> Integers:
        """A number for each row's group."""
        with tempfile.TemporaryDirectory() as work:
            near = Signatures(len(self.known), Path(work))
            near.add(self.known.sketches)
            labels = [near.groups(), _same(self.known.ids), _same(self.known.digests)]
        covered = matches.share >= COVERED
        pairs = np.stack([self.place[matches.text[covered]], self.place[matches.other[covered]]], axis=1)
        return _connected(len(self.known), labels, pairs)

    def named(self, sides: Sides) -> dict[str, Side]:
        return {one: PRECEDENCE[side] for one, side in zip(self.ids, sides[self.place].tolist(), strict=True)}

    def grouped(self, groups: Integers) -> dict[str, str]:
        """Each present document's group, by its smallest id."""
        mine = groups[self.place].tolist()
        smallest: dict[int, str] = {}
        for one, group in zip(self.ids, mine, strict=True):
            smallest[group] = min(one, smallest.get(group, one))
        return {one: smallest[group] for one, group in zip(self.ids, mine, strict=True)}

    def aged(self, born: Births) -> dict[str, int]:
        """When each present document's group came in."""
        return dict(zip(self.ids, born[self.place].tolist(), strict=True))

    def largest(self, groups: Integers) -> float:
        return int(np.bincount(groups[self.place]).max()) / len(self.place) if len(self.place) else 0.0

    def asked(self, queries: Sequence[Query]) -> list[Integers]:
        """The rows of each query's documents."""
        row = dict(zip(self.ids, self.place.tolist(), strict=True))
        return [np.array([row[document] for document in query.relevant], np.int64) for query in queries]


def _sided(rows: _Rows, groups: Integers, queries: Sequence[Query], shares: Mapping[Side, float]) -> Sides:
    """The side of every row."""
    count = int(groups.max(initial=-1)) + 1
    held = np.full(count, NONE)
    np.minimum.at(held, groups, rows.known.sides)
    asked = [np.unique(groups[some]) for some in rows.asked(queries)]
    links = [np.stack([np.full(len(some) - 1, some[0]), some[1:]], axis=1) for some in asked if len(some) > 1]
    parts = _connected(count, [], np.concatenate([np.empty((0, 2), np.int64), *links]))
    wanted = np.full(int(parts.max(initial=-1)) + 1, NONE)
    np.minimum.at(wanted, parts, held)
    for part, name in _names(rows, parts[groups], wanted[parts[groups]] == NONE).items():
        wanted[part] = PRECEDENCE.index(_draw(name, shares))
    crowded = np.bincount(groups[rows.place], minlength=count) > max(FEW, CROWD * len(rows.place))
    fresh = np.where(crowded, PRECEDENCE.index("train"), wanted[parts])
    sides: Sides = np.where(held != NONE, held, fresh)[groups].astype(np.int8)
    return sides


def _born(rows: _Rows, groups: Integers, now: int) -> Births:
    """The segment in which the oldest of every row's group came in; `now` where all of it is new."""
    oldest = np.full(int(groups.max(initial=-1)) + 1, now, np.int32)
    np.minimum.at(oldest, groups, rows.known.born)
    found: Births = oldest[groups]
    return found


def _names(rows: _Rows, parts: Integers, open_: np.ndarray) -> dict[int, str]:
    """The smallest id of each part that has no side yet."""
    found: dict[int, str] = {}
    for row in np.flatnonzero(open_).tolist():
        part, name = int(parts[row]), bytes(rows.known.ids[row]).hex()
        found[part] = min(name, found.get(part, name))
    return found


def _retired(queries: Sequence[Query], rows: _Rows, sides: Sides) -> list[str]:
    """The queries whose documents were all sealed, as far as they had a side, and are so no more."""
    sealed = PRECEDENCE.index("sealed")
    before, after = rows.known.sides == sealed, sides == sealed
    fresh = rows.known.sides == NONE
    asked = zip(queries, rows.asked(queries), strict=True)
    gone = [
        query.id
        for query, some in asked
        if before[some].any() and (before | fresh)[some].all() and not after[some].all()
    ]
    return [hidden(name) for name in gone]


def _same(values: np.ndarray) -> Integers:
    """A number for each row (n x 32 bytes), equal where the rows are."""
    found: Integers = np.unique(np.ascontiguousarray(values).view("V32").reshape(-1), return_inverse=True)[1]
    return found


def _connected(count: int, labels: Sequence[Integers], pairs: Integers) -> Integers:
    """Connected components of `count` nodes, by equal labels (n each) and by pairs (k x 2)."""
    offsets = np.cumsum([count, *(int(one.max(initial=-1)) + 1 for one in labels)])
    ends = [pairs[:, 0], *(np.arange(count) for _ in labels)]
    others = [pairs[:, 1], *(one + offset for one, offset in zip(labels, offsets, strict=False))]
    row, column = np.concatenate(ends), np.concatenate(others)
    graph = coo_matrix((np.ones(len(row), np.int8), (row, column)), shape=(int(offsets[-1]),) * 2)
    found: Integers = connected_components(graph, directed=False)[1][:count].astype(np.int64)
    return np.unique(found, return_inverse=True)[1]


def clusters(queries: Sequence[Query], found: Split, uris: Mapping[str, str]) -> list[Query]:
    """The queries with their cluster (component of queries and groups), source, group and age filled in."""
    groups = found.groups
    names = sorted({groups[document] for query in queries for document in query.relevant})
    number = {name: i for i, name in enumerate(names)}
    asked = [[number[groups[document]] for document in query.relevant] for query in queries]
    links = [(some[0], other) for some in asked for other in some[1:]]
    parts = _connected(len(names), [], np.array(links, np.int64).reshape(-1, 2))
    first = np.unique(parts, return_index=True)[1]
    return [
        replace(
            query,
            cluster=names[first[parts[some[0]]]],
            source=uris[min(query.relevant)].rpartition("/")[0],
            group=groups[min(query.relevant, key=lambda one: (-query.relevant[one], one))],
            born=min(found.born[document] for document in query.relevant),
        )
        for query, some in zip(queries, asked, strict=True)
    ]


def by_side(queries: Sequence[Query], sides: Mapping[str, Side], dropped: Counter[str]) -> dict[Side, list[Query]]:
    """Queries by the side all their relevant documents lie on; those that span sides judge nothing."""
    found: dict[Side, list[Query]] = defaultdict(list)
    for query in queries:
        of = {sides[document] for document in query.relevant}
        if len(of) > 1:
            dropped["QUERY_SPANS_SIDES"] += 1
        else:
            found[of.pop()].append(query)
    return found


def _draw(name: str, shares: Mapping[Side, float]) -> Side:
    """A side by the keyed hash of a name, in proportion to the shares."""
    keyed = hashlib.blake2b(name.encode(), digest_size=8, key=b"touchstone split")
    point, total = int.from_bytes(keyed.digest(), "big") / 2**64, 0.0
    for side in PRECEDENCE:
        total += shares.get(side, 0.0)
        if point < total:
            return side
    return "train"

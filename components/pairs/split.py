"""The sticky split: whole groups go to one side, and a document keeps its side through every later run.

Documents that are near-duplicates (one group) or answer the same judged query are connected; a connected component
without a side gets one by a keyed hash of its name. Sides live in the state; a new document inherits its group's.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from components.pairs.config import Side
from components.pairs.judged import Query
from components.store.state import State

SPLIT = "split.json"
PRECEDENCE: tuple[Side, ...] = ("train", "dev", "sealed", "reserve")
"""Where a component holds several sides, the first of these takes the newcomers: what was trained on stays so."""


class Components:
    """Union-find over names (Tarjan 1975, with path splitting)."""

    def __init__(self) -> None:
        """Start with every name alone."""
        self._parent: dict[str, str] = {}

    def find(self, name: str) -> str:
        """The smallest-named representative of the component of `name`."""
        parent = self._parent.setdefault(name, name)
        while parent != name:
            self._parent[name] = self._parent[parent]
            name, parent = parent, self._parent[parent]
        return name

    def join(self, names: Iterable[str]) -> None:
        """Put the names into one component."""
        roots = {self.find(name) for name in names}
        for root in roots:
            self._parent[root] = min(roots)


def assign(
    state: State, groups: Mapping[str, str], queries: Sequence[Query], shares: Mapping[Side, float]
) -> dict[str, Side]:
    """Document id -> side for every document, written to the state's split map.

    Args:
        state: The line's state.
        groups: Document id -> group.
        queries: Judged queries; the documents that answer one are connected.
        shares: Side -> part of the components.
    """
    components = connect(groups, queries)

    def change(known: dict[str, Side] | None) -> dict[str, Side]:
        return (known or {}) | _extend(known or {}, components, shares)

    sides: dict[str, Side] = state.update(SPLIT, change)
    return {document: sides[document] for document in groups}


def connect(groups: Mapping[str, str], queries: Sequence[Query]) -> dict[str, str]:
    """Document id -> the name of its component of groups and queries."""
    components = Components()
    for query in queries:
        components.join(groups[document] for document in query.relevant)
    return {document: components.find(group) for document, group in groups.items()}


def clusters(queries: Sequence[Query], groups: Mapping[str, str], uris: Mapping[str, str]) -> list[Query]:
    """The queries with their cluster (component of queries and groups) and source filled in."""
    components = connect({d: groups[d] for q in queries for d in q.relevant}, queries)
    return [
        replace(q, cluster=components[first], source=uris[first].rpartition("/")[0])
        for q in queries
        for first in [min(q.relevant)]
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


def _extend(known: Mapping[str, Side], components: Mapping[str, str], shares: Mapping[Side, float]) -> dict[str, Side]:
    """Sides for the documents that have none."""
    held: dict[str, set[Side]] = defaultdict(set)
    for document, component in components.items():
        if document in known:
            held[component].add(known[document])
    return {
        document: next((s for s in PRECEDENCE if s in held[component]), _draw(component, shares))
        for document, component in sorted(components.items())
        if document not in known
    }


def _draw(component: str, shares: Mapping[Side, float]) -> Side:
    """A side by the hash of the component's name, in proportion to the shares."""
    point = int.from_bytes(hashlib.sha256(f"touchstone split\0{component}".encode()).digest()[:8], "big") / 2**64
    total = 0.0
    for side in PRECEDENCE:
        total += shares.get(side, 0.0)
        if point < total:
            return side
    return "train"

"""Which documents that judge stand in what the base or its ancestors were trained on, as far as the base tells.

The candidate starts from the base, so it has seen what the base has seen. Matches are those of the split
(`coverage.py`, boilerplate left out), estimated on the runs that signatures keep: what was kept of a training text is
looked for in the documents, and what would have been kept of a passage that judges in the training texts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np

from components.corpus.document import Document
from components.pairs.coverage import Coverage
from components.pairs.judged import Query
from components.pairs.leakage import Ancestors
from components.pairs.ngrams import Batch, Hashes, Integers, batch
from components.pairs.signatures import BITS, Past, Signed, exact, sampled

ENOUGH = 0.9
"""The share of the sample that must match. A copy is always found, a share of .9 three times in four, .8 once in three.
Harmless pages often share .7: one in seven is found, and if .8 of the sample were enough it would be one in two."""
FEW = 4
"""A passage of which fewer runs are sampled (about 45 words) is not looked for: two of two would say little."""
AT_ONCE = 256
TRAINS = 1 << 33
"""Added to the number of what trains, so that it is no group's of what judges."""


@dataclass(frozen=True)
class Inherited:
    """What the candidate brings along from its base.

    Attributes:
        ancestors: How much the base tells.
        texts: How many texts it tells of.
        documents: The judging documents that hold one of them, or of which a passage stands in one.
        queries: Sealed queries that are one of those texts.
    """

    ancestors: Ancestors = "unknown"
    texts: int = 0
    documents: frozenset[str] = frozenset()
    queries: int = 0


def inherited(
    base: Path,
    documents: Callable[[], Iterable[Document]],
    groups: Mapping[str, str],
    queries: list[Query],
    again: Iterable[str] = (),
) -> Inherited:
    """Look for what the base and its ancestors were trained on in what judges.

    Args:
        base: The model's folder.
        documents: All documents of the run, those that judge among them: by them it is known what is boilerplate.
        groups: Document id -> group.
        queries: The sealed queries.
        again: Texts that train in this run too: they are compared word by word, and left out here.

    Raises:
        TouchstoneError: BAD_SIGNATURES.
    """
    past = Past.of(base)
    if past is None:
        return Inherited()
    asked, seen = {exact(query.text) for query in queries}, set[int]()
    judging = {document for query in queries for document in query.relevant}
    with tempfile.TemporaryDirectory() as work:
        room = _Room(Coverage(Path(work)), groups)
        room.judge(one for one in documents() if one.id in judging)
        room.count(one for one in documents() if one.id not in judging)
        compared = np.unique(np.fromiter(map(exact, again), np.uint64))
        wanted = np.fromiter(asked | room.wholes.keys(), np.uint64)
        for some in (every.take(~np.isin(every.exact, compared)) for every in past.signatures()):
            room.train(some)
            seen |= set(some.exact[np.isin(some.exact, wanted)].tolist())
        found = room.found() | {name for one in seen & room.wholes.keys() for name in room.wholes[one]}
    known = all(one.signed for one in past.record.ancestors)
    asked_before = sum(exact(query.text) in seen for query in queries)
    return Inherited("known" if known else "partly", past.record.texts, frozenset(found), asked_before)


@dataclass
class _Room:
    """Texts that judge, twice each (whole, and as signatures would have them), others, and what trained."""

    coverage: Coverage
    groups: Mapping[str, str]
    names: list[str] = field(default_factory=list)
    wholes: dict[int, list[str]] = field(default_factory=dict)
    runs: Hashes = field(default_factory=lambda: np.empty(0, np.uint64))
    labels: list[Integers] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def judge(self, documents: Iterable[Document]) -> None:
        """Add documents that judge."""
        runs = [self.runs]
        for some, found in _batches(documents):
            self.coverage.insert(found, len(some))
            self.coverage.insert(_thinned(found), len(some))
            self.labels += [self._labels(some), self._labels(some)]
            self.names += [one.id for one in [*some, *some]]
            runs.append(found.hashes)
            for one in some:
                self.wholes.setdefault(exact(one.text), []).append(one.id)
        self.runs = np.unique(np.concatenate(runs))

    def count(self, documents: Iterable[Document]) -> None:
        """Add other documents, as far as they have words of those that judge."""
        for some, found in _batches(documents):
            shared = np.isin(found.hashes, self.runs)
            self.coverage.insert(Batch(found.hashes[shared], found.windows[shared], found.texts), len(some))
            self.labels.append(self._labels(some))

    def train(self, some: Signed) -> None:
        """Add texts that an ancestor was trained on."""
        texts = np.arange(len(some.exact))
        self.coverage.insert(Batch(some.runs, np.repeat(texts, some.counts), texts), len(texts))
        self.labels.append(some.owners.astype(np.int64) + TRAINS)

    def found(self) -> set[str]:
        """The documents that match; where a training text stands in one, its near-duplicates too."""
        whole, count = np.concatenate([np.empty(0, np.int64), *self.labels]), len(self.names)
        labels = np.unique(whole, return_inverse=True)[1]
        matches = self.coverage.matches(labels)
        enough = matches.share >= ENOUGH
        text, other = matches.text[enough], matches.other[enough]
        quoting = text[(text < count) & (whole[other] >= TRAINS)]
        quoted = labels[other[(whole[text] >= TRAINS) & (other < count)]]
        rows = np.concatenate([quoting, np.flatnonzero(np.isin(labels[:count], quoted))])
        return {self.names[row] for row in rows.tolist()}

    def _labels(self, documents: list[Document]) -> Integers:
        return np.array(
            [self.numbers.setdefault(self.groups[one.id], len(self.numbers)) for one in documents], np.int64
        )


def _batches(documents: Iterable[Document]) -> Iterator[tuple[list[Document], Batch]]:
    """Some documents at a time, with their runs as signatures know them."""
    rest = iter(documents)
    while some := list(islice(rest, AT_ONCE)):
        found = batch([[section.text for section in one.sections] for one in some])
        yield some, found._replace(hashes=found.hashes & BITS)


def _thinned(found: Batch) -> Batch:
    """Of each window the runs that every signature keeps, if they are enough to say something."""
    hashes, windows = sampled(found.hashes, found.windows, 0)
    enough = np.bincount(windows, minlength=len(found.texts))[windows] >= FEW
    return Batch(hashes[enough], windows[enough], found.texts)

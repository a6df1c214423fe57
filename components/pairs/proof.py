"""The leakage proof: how much of what trains can be found in what judges.

The split keeps documents apart that share a passage. Shorter texts are compared here, as they were written and whoever
wrote them: an excerpt, a miner that quotes, a model that remembers, a folder of general pairs. `write_pairs` takes out
what is found, and the proof counts again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Set
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from components.corpus.document import Document
from components.corpus.documents import read as read_documents
from components.pairs.ancestry import inherited
from components.pairs.coverage import COVERED, FLOOR, Coverage, Matches, Shares
from components.pairs.judged import Query
from components.pairs.known import Known
from components.pairs.leakage import Leakage, hidden
from components.pairs.material import Material
from components.pairs.ngrams import Integers
from components.pairs.pair import Pair
from components.pairs.wording import plain
from components.store.artifact import Artifact

EDGES = (FLOOR, 0.5, COVERED)
"""Where the bands begin."""
SAMPLE = 1000
"""Judging documents whose nearest training document is looked for."""
AT_ONCE = 256


def prove(
    written: Artifact, material: Material, present: Known, queries: list[Query], evidence: str, base: Path
) -> Leakage:
    """Measure the leakage on the pairs as they were written.

    Args:
        written: The artifact `pairs`.
        material: The documents and their sides.
        present: Their sketches.
        queries: The sealed queries.
        evidence: Where those come from.
        base: The model that the candidate starts from.

    Raises:
        TouchstoneError: BAD_SIGNATURES.
    """
    split = material.split
    judging = {document for query in queries for document in query.relevant}
    shares = compare(documents(material.artifact, judging), _pairs(written), split.groups).shares
    trains = {split.groups[one] for one, side in split.sides.items() if side == "train"}
    near = {one for one in judging if split.groups[one] in trains}
    past = inherited(base, lambda: read_documents(material.artifact), split.groups, queries, _texts(written))
    covered = {one for one, share in shares.items() if share >= COVERED}
    ids = [bytes(one).hex() for one in present.ids]
    where = np.array([row for row, one in enumerate(ids) if one in judging], np.int64)
    training = np.array([split.sides[one] == "train" for one in ids], bool)
    asked = {plain(query.text) for query in queries}
    return Leakage(
        sealed_documents=len(judging),
        near=len(near),
        covered=len(covered),
        leaked=len(near | covered | past.documents),
        anchors_left=sum(plain(pair.anchor) in asked for pair in _pairs(written)),
        equal_anchors=sum(row["reason"] == "EQUALS_JUDGED_QUERY" for row in written.rows("dropped", ["reason"])),
        bands=bands(shares.values()),
        nearest=nearest(present, where, training),
        retired=len(split.retired),
        retired_share=len(split.retired) / (len(split.retired) + len(queries)),
        evidence=evidence,
        ancestors=past.ancestors,
        ancestor_texts=past.texts,
        leaked_by_ancestors=len(past.documents),
        asked_by_ancestors=past.queries,
        coverage=coverage(queries, shares, split.groups, near | past.documents),
    )


def coverage(
    queries: Iterable[Query], shares: Mapping[str, float], groups: Mapping[str, str], seen: Set[str]
) -> dict[str, float]:
    """How much of what answers each query is known to the candidate: its hidden name -> 0 to 1.

    Args:
        queries: Judged queries.
        shares: Judging document -> share, as `compare` finds it. It names the first document of a group for what is
            quoted of any of them, so what is found of one holds for its group.
        groups: Document id -> group.
        seen: Documents that are known as a whole.
    """
    largest: dict[str, float] = {}
    for document, share in shares.items():
        largest[groups[document]] = max(share, largest.get(groups[document], 0.0))
    return {
        hidden(query.id): max(1.0 if document in seen else largest[groups[document]] for document in query.relevant)
        for query in queries
    }


def documents(artifact: Artifact, wanted: set[str]) -> Iterator[Document]:
    """Some of the documents."""
    return (document for document in read_documents(artifact) if document.id in wanted)


def _pairs(artifact: Artifact) -> Iterator[Pair]:
    return map(Pair.from_row, artifact.rows("pairs"))


def _texts(written: Artifact) -> Iterator[str]:
    return (text for pair in _pairs(written) for text in (pair.anchor, pair.positive, *pair.negatives))


class Found(NamedTuple):
    """What training texts and judging documents have in common.

    Attributes:
        shares: Judging document -> the largest share of a passage, its own or a training text's, found in the other.
        leaking: Positions of the pairs that such a share of `COVERED` or more comes from.
    """

    shares: dict[str, float]
    leaking: set[int]


def compare(judging: Iterable[Document], pairs: Iterable[Pair], groups: Mapping[str, str]) -> Found:
    """Look for training texts in judging documents, and the other way round.

    Args:
        judging: The documents that judge.
        pairs: What trains.
        groups: Document id -> group, so that ten versions of a page do not make its words boilerplate.
    """
    labels: dict[tuple[str, str], int] = {}
    label_of: list[int] = []
    names: list[str] = []
    documents, trained = iter(judging), enumerate(pairs)
    with tempfile.TemporaryDirectory() as work:
        coverage = Coverage(Path(work))
        while part := list(islice(documents, AT_ONCE)):
            coverage.add([[section.text for section in one.sections] for one in part])
            names += [one.id for one in part]
            label_of += [labels.setdefault(("judges", groups[one.id]), len(labels)) for one in part]
        while some := list(islice(trained, AT_ONCE)):
            coverage.add([[pair.anchor, pair.positive, *pair.negatives] for _, pair in some])
            owners = (groups.get(pair.document, f"outside {number}") for number, pair in some)
            label_of += [labels.setdefault(("trains", owner), len(labels)) for owner in owners]
        return _found(coverage.matches(np.array(label_of, np.int64)), names, np.array(label_of, np.int64))


def _found(matches: Matches, names: list[str], labels: Integers) -> Found:
    """Of a pair of texts the one that judges has the smaller position; a match names the first text of a group."""
    count = len(names)
    mixed = (matches.text < count) != (matches.other < count)
    text, other, share = matches.text[mixed], matches.other[mixed], matches.share[mixed]
    best: Shares = np.zeros(count)
    np.maximum.at(best, np.minimum(text, other), share)
    quoted = (text >= count) & (share >= COVERED)
    quoting = labels[other[(other >= count) & (share >= COVERED)]]
    rows = np.concatenate([text[quoted], np.flatnonzero(np.isin(labels, quoting))]) - count
    return Found(dict(zip(names, best.tolist(), strict=True)), set(rows.tolist()))


def bands(shares: Iterable[float]) -> list[int]:
    """How many shares lie below each edge and above the last."""
    placed = np.searchsorted(EDGES, np.fromiter(shares, float), side="right")
    counts: list[int] = np.bincount(placed, minlength=len(EDGES) + 1).tolist()
    return counts


def nearest(known: Known, judging: Integers, training: npt.NDArray[np.bool_]) -> list[int]:
    """Judging documents by the similarity of the nearest one that trains: eleven counts, for .0, .1, ... 1.

    Args:
        known: The documents of the run (n).
        judging: Positions of those that judge; the first by id are taken.
        training: Which of them train (n).
    """
    order = np.argsort(known.versions[judging], kind="stable")
    seen = known.sketches[training]
    found = [
        float((seen == known.sketches[row]).mean(axis=1).max(initial=0.0)) for row in judging[order][:SAMPLE].tolist()
    ]
    counts: list[int] = np.bincount(np.floor(np.array(found) * 10 + 1e-9).astype(int), minlength=11).tolist()
    return counts

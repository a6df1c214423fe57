"""The leakage proof: how much of what trains can be found in what judges.

The split lets no match through, so everything here should be zero. It is measured on the texts as they were written,
whoever made them: a miner that quotes, a model that remembers, a folder of general pairs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.corpus.document import Document
from components.corpus.documents import read as read_documents
from components.pairs.coverage import COVERED, FLOOR, Coverage, Shares
from components.pairs.judged import Query
from components.pairs.known import Known
from components.pairs.leakage import Leakage
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


def prove(written: Artifact, material: Material, present: Known, queries: list[Query], evidence: str) -> Leakage:
    """Measure the leakage on the pairs as they were written.

    Args:
        written: The artifact `pairs`.
        material: The documents and their sides.
        present: Their sketches.
        queries: The sealed queries.
        evidence: Where those come from.
    """
    split = material.split
    judging = {document for query in queries for document in query.relevant}
    shares = best_shares(_documents(material.artifact, judging), _pairs(written), split.groups)
    trains = {split.groups[one] for one, side in split.sides.items() if side == "train"}
    near = {one for one in judging if split.groups[one] in trains}
    covered = {one for one, share in shares.items() if share >= COVERED}
    ids = [bytes(one).hex() for one in present.ids]
    where = np.array([row for row, one in enumerate(ids) if one in judging], np.int64)
    training = np.array([split.sides[one] == "train" for one in ids], bool)
    asked = {plain(query.text) for query in queries}
    return Leakage(
        sealed_documents=len(judging),
        near=len(near),
        covered=len(covered),
        leaked=len(near | covered),
        anchors_left=sum(plain(pair.anchor) in asked for pair in _pairs(written)),
        equal_anchors=sum(row["reason"] == "EQUALS_JUDGED_QUERY" for row in written.rows("dropped", ["reason"])),
        bands=bands(shares.values()),
        nearest=nearest(present, where, training),
        retired=len(split.retired),
        retired_share=len(split.retired) / (len(split.retired) + len(queries)),
        evidence=evidence,
    )


def _documents(artifact: Artifact, wanted: set[str]) -> Iterator[Document]:
    return (document for document in read_documents(artifact) if document.id in wanted)


def _pairs(artifact: Artifact) -> Iterator[Pair]:
    return map(Pair.from_row, artifact.rows("pairs"))


def best_shares(judging: Iterable[Document], pairs: Iterable[Pair], groups: Mapping[str, str]) -> dict[str, float]:
    """For each judging document the largest share of a passage, its own or a training text's, found in the other.

    Args:
        judging: The documents that judge.
        pairs: What trains; pairs of one document stand together.
        groups: Document id -> group, so that ten versions of a page do not make its words boilerplate.
    """
    labels: dict[tuple[str, str], int] = {}
    label_of: list[int] = []
    names: list[str] = []
    documents, trained = iter(judging), _trained(pairs)
    with tempfile.TemporaryDirectory() as work:
        coverage = Coverage(Path(work))
        while part := list(islice(documents, AT_ONCE)):
            coverage.add([[section.text for section in one.sections] for one in part])
            names += [one.id for one in part]
            label_of += [labels.setdefault(("judges", groups[one.id]), len(labels)) for one in part]
        while some := list(islice(trained, AT_ONCE)):
            coverage.add([texts for _, texts in some])
            label_of += [labels.setdefault(("trains", groups.get(name, name)), len(labels)) for name, _ in some]
        found = coverage.matches(np.array(label_of, np.int64))
    mixed = (found.text < len(names)) != (found.other < len(names))
    best: Shares = np.zeros(len(names))
    np.maximum.at(best, np.minimum(found.text, found.other)[mixed], found.share[mixed])
    return dict(zip(names, best.tolist(), strict=True))


def _trained(pairs: Iterable[Pair]) -> Iterator[tuple[str, list[str]]]:
    """A name and the different texts of each document that trains; a pair from outside is one of its own."""
    numbered = enumerate(pairs)
    for name, some in groupby(numbered, key=lambda one: one[1].document or f"outside {one[0]}"):
        texts = [text for _, pair in some for text in (pair.anchor, pair.positive, *pair.negatives)]
        yield name, list(dict.fromkeys(texts))


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

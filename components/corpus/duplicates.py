"""Near-duplicate documents, by MinHash (Broder 1997): signatures shard by shard, groups over all of them.

Of each number the lowest 8 bits are compared: the document's sketch (Li, König 2010: b-bit minwise hashing). Two
documents are compared when they agree on a whole band (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4)
and are not yet connected. Bands lie on disk. A million sketches, half of them of near-duplicates, took 240 MB and 4 s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rensa import RMinHash
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from components.corpus.document import Document

PERMUTATIONS = 128
SHINGLE = 5
"""Words in a shingle."""
THRESHOLD = 0.8
"""Estimated Jaccard similarity from which two documents are one group."""
BANDS = 32
"""Bands of 4 bytes: a pair at .8 shares at least one with probability 1 - (1 - .8^4)^32 > .9999999."""

BUCKET = 64
"""Documents that share a band and are all compared with each other; beyond, only so many for each."""

COMPARED = 1 << 16
"""Pairs compared at once: 16 MiB."""

_WORD = re.compile(r"\w+")

Numbers = npt.NDArray[np.int64]
Sketches = npt.NDArray[np.uint8]
"""n x 128."""


def signature(document: Document) -> bytes:
    """The MinHash of the document's title and text: 128 numbers below 2^32, little-endian."""
    words = _WORD.findall(f"{document.title} {document.text}".casefold())
    shingles = [" ".join(words[i : i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1))]
    sketch = RMinHash(num_perm=PERMUTATIONS, seed=1)
    sketch.update(shingles)
    return np.array(sketch.digest(), "<u4").tobytes()


def sketches(signatures: npt.NDArray[np.uint8]) -> Sketches:
    """The sketches of signatures as bytes (n x 512)."""
    return signatures[:, ::4]


class Signatures:
    """The sketches of a corpus and the groups they make."""

    def __init__(self, count: int, folder: Path) -> None:
        """Room for `count` sketches; the bands go into a file in `folder`, one behind the other."""
        self._sketches = np.zeros((count, PERMUTATIONS), np.uint8)
        self._bands = folder / "bands"
        self._bands.touch()
        self._added = 0

    def add(self, sketches: Sketches) -> None:
        """Append k sketches (k x 128)."""
        self._sketches[self._added : self._added + len(sketches)] = sketches
        with self._bands.open("r+b") as file:
            for number, band in enumerate(np.ascontiguousarray(sketches).view("<u4").T):
                file.seek(4 * (number * len(self._sketches) + self._added))
                file.write(band.tobytes())
        self._added += len(sketches)

    def groups(self) -> Numbers:
        """A group number for each sketch, in order; one group = connected by similarity >= .8."""
        labels, size = np.arange(len(self._sketches)), len(self._sketches)
        for number in range(BANDS) if size else ():
            for pairs in _candidates(np.fromfile(self._bands, "<u4", size, offset=4 * number * size)):
                labels = self._connect(labels, pairs)
        return labels

    def _connect(self, labels: Numbers, pairs: Numbers) -> Numbers:
        """The labels after joining those pairs (k x 2) that are similar; the connected ones are not compared again."""
        strangers = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
        parts = np.array_split(strangers, len(strangers) // COMPARED + 1)
        similar = labels[np.concatenate([part[self._similar(part)] for part in parts])]
        if not len(similar):
            return labels
        graph = coo_matrix((np.ones(len(similar)), (similar[:, 0], similar[:, 1])), shape=(len(labels),) * 2)
        joined: Numbers = connected_components(graph, directed=False)[1].astype(np.int64)[labels]
        return joined

    def _similar(self, pairs: Numbers) -> npt.NDArray[np.bool_]:
        equal: npt.NDArray[np.bool_] = (self._sketches[pairs[:, 0]] == self._sketches[pairs[:, 1]]).mean(
            axis=1
        ) >= THRESHOLD
        return equal


def _candidates(band: npt.NDArray[np.uint32]) -> Iterator[Numbers]:
    """Pairs (k x 2) that agree on the band: all of them in a bucket of up to `BUCKET`, else neighbours and a star.

    Pages of one template by the thousand share a bucket: each is compared with its next 63 and with the first 32.
    """
    order = np.argsort(band, kind="stable")
    values = band[order]
    first = np.flatnonzero(np.concatenate([[True], values[1:] != values[:-1]]))
    sizes = np.diff(np.append(first, len(values)))
    start = np.repeat(first, sizes)
    for step in range(1, min(int(sizes.max()), BUCKET)):
        behind = np.flatnonzero(start[step:] <= np.arange(len(values) - step))
        yield np.stack([order[behind], order[behind + step]], axis=1)
    crowded = np.flatnonzero(np.repeat(sizes, sizes) > BUCKET)
    for step in range(BUCKET // 2 if len(crowded) else 0):
        yield np.stack([order[start[crowded] + step], order[crowded]], axis=1)

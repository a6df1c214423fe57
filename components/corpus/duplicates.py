"""Near-duplicate documents, by MinHash (Broder 1997): signatures shard by shard, groups over all of them."""

from __future__ import annotations

import re

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
"""Bands of 4: a pair at .8 shares at least one with probability 1 - (1 - .8^4)^32 > .9999999."""

_WORD = re.compile(r"\w+")


def signature(document: Document) -> list[int]:
    """The MinHash of the document's title and text: 128 numbers below 2^32."""
    words = _WORD.findall(f"{document.title} {document.text}".casefold())
    shingles = [" ".join(words[i : i + SHINGLE]) for i in range(max(1, len(words) - SHINGLE + 1))]
    sketch = RMinHash(num_perm=PERMUTATIONS, seed=1)
    sketch.update(shingles)
    return list(sketch.digest())


def groups(signatures: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """A group number for each of n signatures (n x 128); one group = connected by similarity >= .8."""
    count = len(signatures)
    pairs = _candidates(signatures)
    similar = np.concatenate([_similar(signatures, part) for part in np.array_split(pairs, len(pairs) // 100_000 + 1)])
    kept = pairs[similar]
    graph = coo_matrix((np.ones(len(kept)), (kept[:, 0], kept[:, 1])), shape=(count, count))
    labels: npt.NDArray[np.int64] = connected_components(graph, directed=False)[1].astype(np.int64)
    return labels


def _similar(signatures: npt.NDArray[np.uint32], pairs: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    equal: npt.NDArray[np.bool_] = (signatures[pairs[:, 0]] == signatures[pairs[:, 1]]).mean(axis=1) >= THRESHOLD
    return equal


def _candidates(signatures: npt.NDArray[np.uint32]) -> npt.NDArray[np.int64]:
    """Pairs (k x 2) that agree on a whole band; neighbours in sorted order suffice, since groups are connected."""
    found: set[tuple[int, int]] = set()
    for band in np.split(signatures, BANDS, axis=1):
        _, label = np.unique(band, axis=0, return_inverse=True)
        order = np.argsort(label, kind="stable")
        same = label[order][1:] == label[order][:-1]
        found.update(zip(order[:-1][same].tolist(), order[1:][same].tolist(), strict=True))
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)

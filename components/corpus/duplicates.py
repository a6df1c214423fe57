"""Near-duplicate documents, by MinHash (Broder 1997): signatures shard by shard, groups over all of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import combinations

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

BUCKET = 64
"""Documents that share a band and are all compared with each other; beyond, only so many for each."""

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
    """Pairs (k x 2) that agree on a whole band: all of them in a bucket of up to `BUCKET`, else a chain and a star."""
    found: set[tuple[int, int]] = set()
    for band in np.split(signatures, BANDS, axis=1):
        _, label, size = np.unique(band, axis=0, return_inverse=True, return_counts=True)
        order = np.argsort(label, kind="stable")
        for bucket in np.split(order, np.cumsum(size)[:-1]):
            if len(bucket) > 1:
                found.update(_pairs(bucket.tolist()))
    return np.array(sorted(found), dtype=np.int64).reshape(-1, 2)


def _pairs(bucket: list[int]) -> Iterator[tuple[int, int]]:
    if len(bucket) <= BUCKET:
        yield from combinations(bucket, 2)
    else:  # pages of one template by the thousand: each with its neighbours and with the first ones
        for step in range(1, BUCKET // 2):
            yield from zip(bucket, bucket[step:], strict=False)
        for first in range(BUCKET // 2):
            yield from ((bucket[first], other) for other in bucket[first + 1 :])

"""How a snapshot is cut: into blocks, which are parsed and kept as one, and those into shards, which are loaded as one.

Where a block ends is decided by a hash of the last object's URI (content-defined chunking, as in LBFS, Muthitacharoen
et al. 2001), so an object that comes or goes moves the ends of its own block only. Blocks do not depend on the number
of shards, and so neither do the documents.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import pyarrow as pa

MAX_SHARDS = 128
"""Collected artifacts travel as one command-line argument on a cluster; more would not fit."""
BLOCK_BYTES = 64 << 20
"""A block ends where it holds this much, whatever the hash says."""

Range = tuple[int, int]


def blocks(listing: pa.Table) -> list[Range]:
    """The blocks of a listing as [start, stop) of its rows: 128 to 256 of them, fewer in a small one.

    The mean number of objects a block is a power of two, so that a corpus that outgrows it merges whole blocks.
    """
    mask = (1 << max(0, len(listing).bit_length() - 8)) - 1
    ends, held, row = [0], 0, 0
    for part in listing.select(["uri", "size"]).to_batches(max_chunksize=8192):
        for uri, size in zip(part["uri"].to_pylist(), part["size"].to_pylist(), strict=True):
            held, row = held + size, row + 1
            if not _hash(uri) & mask or held >= BLOCK_BYTES:
                ends.append(row)
                held = 0
    if ends[-1] < row:
        ends.append(row)
    return list(zip(ends, ends[1:], strict=False))


def shards(listing: pa.Table, cuts: list[Range], shard_bytes: int) -> list[Range]:
    """Runs of blocks, as [start, stop) of `cuts`, of about `shard_bytes` each; at most `MAX_SHARDS`, none empty."""
    before = np.concatenate([[0], np.cumsum(listing["size"].to_numpy())])
    sizes = [int(before[stop] - before[start]) for start, stop in cuts]
    count = min(MAX_SHARDS, len(cuts), max(1, -(-sum(sizes) // shard_bytes)))
    return list(_runs(sizes, count))


def _runs(sizes: list[int], count: int) -> Iterable[Range]:
    """`count` runs, each the share of what is left; every run takes at least one and leaves one for each other."""
    start, left = 0, sum(sizes)
    for runs in range(count, 0, -1):
        stop, held = start + 1, sizes[start]
        while len(sizes) - stop >= runs and held + sizes[stop] / 2 <= left / runs:
            held += sizes[stop]
            stop += 1
        stop = len(sizes) if runs == 1 else stop
        yield start, stop
        start, left = stop, left - held


def _hash(uri: str) -> int:
    return int.from_bytes(hashlib.sha256(uri.encode()).digest()[:8], "big")

"""How long exact search over a million passages takes, and how much memory: against the library's exact search.

A million drawn vectors of 768 numbers, in documents of two passages; `Index.search` reads them from a mapped file, as
`retrieval.vectors` leaves them, `semantic_search` of sentence-transformers has them in memory. Each round of each runs
in a process of its own, in turns. "own" is memory that the process must have (anonymous pages, their peak); "mapped"
are pages of files, which the kernel takes back when somebody needs the room. With `--cache`, once: the million
vectors made (drawn, not encoded), kept in a real object store, and read back.
Run: `python -m benchmarks.search` (15 minutes on 2 cores, 3 GB of disk; `--passages 100000` in one).
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ |= {"TOUCHSTONE_EVENTS": os.devnull, "TOKENIZERS_PARALLELISM": "false"}

import numpy as np

from benchmarks.negatives import Drawn, drawn
from components.retrieval.index import Index, Vectors
from pipelines.s3_server import running

AT_ONCE = 50_000
DEPTH = 100
MB = 1 << 20


class Memory:
    """The peaks of this process's memory, in MB, looked at every 10 ms."""

    def __init__(self) -> None:
        """Start from nothing."""
        self.own = self.mapped = 0.0
        self._ended = threading.Event()

    @contextlib.contextmanager
    def watched(self) -> Iterator[Memory]:
        """Look while the block runs."""
        watcher = threading.Thread(target=self._watch)
        watcher.start()
        try:
            yield self
        finally:
            self._ended.set()
            watcher.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
            self.own = max(self.own, int(lines["RssAnon"].split()[0]) / 1024)
            self.mapped = max(self.mapped, int(lines["RssFile"].split()[0]) / 1024)


def written(file: Path, count: int, dimension: int) -> None:
    """Drawn vectors, block by block."""
    vectors = np.memmap(file, np.float32, "w+", shape=(count, dimension))
    for start in range(0, count, AT_ONCE):
        stop = min(start + AT_ONCE, count)
        vectors[start:stop] = drawn(stop - start, dimension, start)
    vectors.flush()


def searched(vectors: Vectors, queries: Vectors) -> None:
    """The product's search."""
    starts = np.arange(0, len(vectors), 2)
    index = Index([str(n) for n in starts], starts, [""] * len(vectors))
    assert index.search(queries, vectors, DEPTH).documents.shape == (len(queries), DEPTH)


def library(vectors: Vectors, queries: Vectors) -> None:
    """The library's, by passages; twice as many, so that there are as many documents."""
    import torch
    from sentence_transformers.util import dot_score, semantic_search

    whole = torch.from_numpy(np.array(vectors))
    found = semantic_search(torch.from_numpy(queries), whole, top_k=2 * DEPTH, score_function=dot_score)
    assert len(found) == len(queries)


def kept(vectors: Vectors, queries: Vectors) -> Iterator[tuple[str, float, Memory]]:
    """The vectors made and kept, then read back: seconds and memory of each."""
    from components.retrieval import vectors as cache
    from components.store.s3 import Folder

    texts, encoder = [f"passage {n}" for n in range(len(vectors))], Drawn(vectors.shape[1])
    with tempfile.TemporaryDirectory() as data, running(Path(data)) as server, server.applied():
        Folder("s3://bench").ensure_bucket()
        for name in ("made and kept", "read back"):
            with Memory().watched() as memory:
                start = time.perf_counter()
                found = cache.passages(encoder, "drawn", texts, "s3://bench/state", "passages")  # type: ignore[arg-type]
                seconds = time.perf_counter() - start
            assert found.shape == vectors.shape
            yield name, seconds, memory


CONTENDERS: dict[str, Callable[[Vectors, Vectors], None]] = {"Index.search": searched, "semantic_search": library}


def child(name: str, file: Path, shape: tuple[int, int], queries: int, found: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    """One round of one contender, or of the cache."""
    vectors, asked = np.memmap(file, np.float32, "r", shape=shape), drawn(queries, shape[1], 7)
    if name == "cache":
        found.put([(what, seconds, memory.own, memory.mapped) for what, seconds, memory in kept(vectors, asked)])
        return
    CONTENDERS[name](vectors[:1000], asked[:10])
    with Memory().watched() as memory:
        start = time.perf_counter()
        CONTENDERS[name](vectors, asked)
        seconds = time.perf_counter() - start
    found.put([(name, seconds, memory.own, memory.mapped)])


Row = tuple[str, float, float, float]


def measured(name: str, file: Path, shape: tuple[int, int], queries: int) -> list[Row]:
    """Run it in a process of its own."""
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    process = context.Process(target=child, args=(name, file, shape, queries, found))
    process.start()
    rows: list[Row] = found.get(timeout=1800)
    process.join()
    return rows


def draw(rows: list[Row]) -> None:
    """One line of the table for the rounds of one contender."""
    names, seconds, own, mapped = zip(*rows, strict=True)
    spread = f"{statistics.median(seconds):>9.1f} {min(seconds):>8.1f} {max(seconds):>8.1f}"
    print(f"{names[0]:<22} {spread} {max(own):>10,.0f} {max(mapped):>10,.0f}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--dimension", type=int, default=768)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cache", action="store_true", help="the cache too, once")
    wanted = parser.parse_args()
    shape = (wanted.passages, wanted.dimension)
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "vectors"
        written(file, *shape)
        rounds = [
            [row for name in CONTENDERS for row in measured(name, file, shape, wanted.queries)]
            for _ in range(wanted.rounds)
        ]
        size = wanted.passages * wanted.dimension * 4 / MB
        print(
            f"{wanted.queries:,} queries, {wanted.passages:,} passages of {wanted.dimension} numbers ({size:,.0f} MB)"
        )
        print(f"{'':<22} {'median s':>9} {'lowest':>8} {'highest':>8} {'own MB':>10} {'mapped MB':>10}")
        for rows in zip(*rounds, strict=True):
            draw(list(rows))
        for row in measured("cache", file, shape, wanted.queries) if wanted.cache else []:
            draw([row])


if __name__ == "__main__":
    main()

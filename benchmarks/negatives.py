"""How long hard negatives take and how much memory: 10,000 queries over 100,000 passages, and against the library.

Vectors are random unit vectors and texts are random words, so no model runs; each row is a process of its own, and its
peak memory includes Python, numpy, and torch where the step needs it. `search` is the search and the choice alone;
`step` is what `harden` does, with vectors from the cache in a real SeaweedFS and BM25 for what the search did not find,
which here is nearly everything. Then `search` and sentence-transformers' `mine_hard_negatives`, in turns.
Run: `python -m benchmarks.negatives` (15 minutes; `--rounds 1 --queries 1000 --passages 10000` in one).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from components.pairs.config import FiltersConfig, NegativesConfig
from components.pairs.nearest import Asked, Pool, search
from components.pairs.negatives import Relevant, ceiling, choose, query_key
from components.pairs.pair import Pair
from components.retrieval.index import Index, Vectors
from pipelines.s3_server import running

CONFIG = NegativesConfig(per_pair=4)
WORDS = 60
PER_DOCUMENT = 5
POSITIVE = 0.15
"""What each positive scores: three times the spread of random scores, so that most negatives score less."""


def drawn(count: int, dimension: int, seed: int) -> Vectors:
    """Random unit vectors."""
    vectors = np.random.default_rng(seed).standard_normal((count, dimension), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def texts(count: int, seed: int) -> list[str]:
    """Texts of random words, of 20,000 that there are."""
    rng = np.random.default_rng(seed)
    return [" ".join(f"word{n}" for n in rng.integers(20_000, size=WORDS)) for _ in range(count)]


def corpus(passages: int) -> tuple[Index, dict[str, str]]:
    """Passages in documents, each of which is its own group."""
    starts = np.arange(0, passages, PER_DOCUMENT)
    documents = [f"d{n:07}" for n in range(len(starts))]
    return Index(documents, starts, texts(passages, seed=1)), {name: name for name in documents}


def pairs(queries: int, index: Index) -> list[Pair]:
    """A pair for each query, about one document after the other."""
    found = texts(queries, seed=2)
    of = [index.documents[n % len(index.documents)] for n in range(queries)]
    return [Pair(text[:40], text, "drawn", name, name, 0, 0) for text, name in zip(found, of, strict=True)]


def searched(queries: int, passages: int, dimension: int) -> float:
    """Search and choose; seconds."""
    index, groups = corpus(passages)
    pool, asking = Pool(index, drawn(passages, dimension, 3), groups), drawn(queries, dimension, 4)
    made = pairs(queries, index)
    positions = [pool.position[pair.document] for pair in made]
    asked = [Asked(ceiling(POSITIVE, CONFIG.margin), position, [position]) for position in positions]
    start = time.perf_counter()
    near = search(pool, asking, asked, CONFIG.depth, FiltersConfig().round_trip)
    for pair, one, position in zip(made, near, positions, strict=True):
        assert len(choose(pair, one.passages, [position], pool, CONFIG.per_pair)) == CONFIG.per_pair
    return time.perf_counter() - start


class Drawn:
    """An encoder whose vectors are drawn: each text has its own, however often it is asked for."""

    device, precision, document_prompt = "cpu", "drawn", ""

    def __init__(self, dimension: int) -> None:
        self.dimension = dimension

    def passages(self, texts: list[str], unit: str = "") -> Vectors:
        """A vector for each text."""
        seed = int.from_bytes(hashlib.sha256("".join(texts[:2]).encode()).digest()[:4], "little")
        return drawn(len(texts), self.dimension, seed)

    queries = passages


def stepped(queries: int, passages: int, dimension: int) -> float:
    """The step but for the model and the artifacts; seconds."""
    from components.pairs.harden import Hardening
    from components.retrieval import vectors

    index, groups = corpus(passages)
    made, encoder = pairs(queries, index), Drawn(dimension)
    with tempfile.TemporaryDirectory() as data, running(Path(data)) as server, server.applied():
        from components.store.s3 import Folder

        Folder("s3://bench").ensure_bucket()
        start = time.perf_counter()
        known = vectors.passages(encoder, "drawn", index.texts, "s3://bench/state", "passages")  # type: ignore[arg-type]
        relevant = Relevant(((query_key(pair.anchor), pair.document) for pair in made), groups)
        settings = (relevant, groups, FiltersConfig(), CONFIG)
        stage = Hardening(encoder, Pool(index, known, groups), *settings)  # type: ignore[arg-type]
        assert sum(1 for _ in stage.run(iter(made), len(made))) == queries
        return time.perf_counter() - start


def library(queries: int, passages: int, dimension: int, at_once: int) -> float:
    """What sentence-transformers does with the same sizes; seconds."""
    import torch
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    class Model(torch.nn.Module):
        """Encodes by drawing."""

        device, prompts = torch.device("cpu"), {}

        def encode_query(self, texts: list[str], **_: object) -> Vectors:
            return drawn(len(texts), dimension, 4)

        def encode_document(self, texts: list[str], **_: object) -> Vectors:
            return drawn(len(texts), dimension, 3)

        encode = encode_document

        def similarity(self, one: Vectors, other: Vectors) -> torch.Tensor:
            return torch.as_tensor(one) @ torch.as_tensor(other).T

        def similarity_pairwise(self, one: Vectors, other: Vectors) -> torch.Tensor:
            return torch.full((len(one),), POSITIVE)

    index, _ = corpus(passages)
    made = pairs(queries, index)
    data = Dataset.from_dict({"anchor": [p.anchor for p in made], "positive": [p.positive for p in made]})
    start = time.perf_counter()
    mine_hard_negatives(
        data,
        Model(),
        corpus=index.texts,
        range_max=CONFIG.depth,
        relative_margin=1 - CONFIG.margin,
        num_negatives=CONFIG.per_pair,
        output_format="n-tuple",
        faiss_batch_size=at_once,
        verbose=False,
    )
    return time.perf_counter() - start


WORK = {"search": searched, "step": stepped, "library, 16,384 at once": library, "library, 256 at once": library}


def measured(what: str, queries: int, passages: int, dimension: int) -> tuple[float, float]:
    """Seconds, and the peak memory in MiB of a process of its own."""
    command = [sys.executable, "-m", "benchmarks.negatives", "--child", what]
    command += ["--queries", str(queries), "--passages", str(passages), "--dimension", str(dimension)]
    quiet = os.environ | {"TOUCHSTONE_EVENTS": os.devnull}
    done = subprocess.run(command, env=quiet, stdout=subprocess.PIPE, text=True, check=True)
    seconds, memory = done.stdout.split()[-2:]
    return float(seconds), float(memory)


def child(wanted: argparse.Namespace) -> None:
    """Do one thing and print what it took."""
    at_once = [int(wanted.child.split()[1].replace(",", ""))] if wanted.child.startswith("library") else []
    seconds = WORK[wanted.child](wanted.queries, wanted.passages, wanted.dimension, *at_once)
    print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def table(sizes: tuple[int, int, int], names: list[str], rounds: int) -> None:
    """Print one table: the contenders in turns."""
    found = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            found[name].append(measured(name, *sizes))
    queries, passages, dimension = sizes
    print(f"{queries:,} queries, {passages:,} passages, {dimension} dimensions, {rounds} rounds", flush=True)
    print(f"{'':<24} {'seconds':>8} {'lowest':>8} {'highest':>8} {'peak MiB':>9} {'highest':>8}")
    for name, rows in found.items():
        seconds, memory = zip(*rows, strict=True)
        spread = f"{statistics.median(seconds):>8.1f} {min(seconds):>8.1f} {max(seconds):>8.1f}"
        print(f"{name:<24} {spread} {statistics.median(memory):>9,.0f} {max(memory):>8,.0f}", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--dimension", type=int, default=384, help=argparse.SUPPRESS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--child", choices=WORK, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        child(wanted)
        return
    for dimension in (384, 768):
        table((wanted.queries, wanted.passages, dimension), ["search", "step"], wanted.rounds)
    smaller = (wanted.queries // 5, wanted.passages // 5, 384)
    table(smaller, ["search", "library, 16,384 at once", "library, 256 at once"], wanted.rounds)


if __name__ == "__main__":
    main()

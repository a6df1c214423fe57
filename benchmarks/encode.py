"""How fast passages are encoded: against sentence-transformers' plain call, in turns, in one process.

`naive` calls `SentenceTransformer.encode` for 32 texts after the other as they come; `library` calls it once for all
texts, which sorts them by length; both in fp32. `Encoder` is the product's. Passages and judged queries are the AWS
API reference's, as made for `benchmarks.quality`. nDCG@10 is of the dev queries over all 2,500 passages.
Passages a second of wall time, and of this process's CPU time (cores x seconds), which other programs disturb less.
Run: `python -m benchmarks.encode` (15 minutes on 2 cores; `--passages 500` in five).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from components.store.events import ENVIRONMENT

os.environ.update(ENVIRONMENT | {"TOUCHSTONE_EVENTS": os.devnull})

import numpy as np

from benchmarks import quality_packages as packages
from benchmarks.quality_corpora import Corpus, corpora
from components.retrieval.encoder import Encoder
from components.retrieval.index import Index, Vectors
from components.retrieval.metrics import measure

CACHE = Path("build/quality")
BATCH = 32

Encode = Callable[[list[str]], Vectors]


def contenders(encoder: Encoder) -> dict[str, Encode]:
    """What is measured, the first being what the others are told against; all have the same weights."""
    model, prompt = encoder.model, encoder.document_prompt

    def library(texts: list[str]) -> Vectors:
        return np.asarray(model.encode(texts, prompt=prompt, batch_size=BATCH, show_progress_bar=False))

    def naive(texts: list[str]) -> Vectors:
        return np.concatenate([library(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)])

    return {"naive": naive, "library": library, "Encoder": encoder.passages}


def timed(encode: Encode, texts: list[str]) -> tuple[float, float]:
    """Passages a second, and a second of CPU."""
    start, used = time.perf_counter(), time.process_time()
    encode(texts)
    return len(texts) / (time.perf_counter() - start), len(texts) / (time.process_time() - used)


def quality(corpus: Corpus, index: Index, queries: Vectors, vectors: Vectors) -> float:
    """Mean nDCG@10 of the dev queries."""
    position = {document: place for place, document in enumerate(index.documents)}
    relevant = [{position[d]: grade for d, grade in query.relevant.items()} for query in corpus.queries("dev")]
    return float(measure(index.search(queries, vectors), relevant)["ndcg@10"].mean())


def draw(rounds: dict[str, list[tuple[float, float]]], ndcg: dict[str, float]) -> None:
    """The table."""
    print(
        f"{'':<10}{'wall/s':>8}{'lowest':>8}{'highest':>8}{'CPU/s':>8}{'times, wall':>22}{'times, CPU':>22}{'nDCG':>8}"
    )
    first = next(iter(rounds.values()))
    for name, values in rounds.items():
        wall, cpu = zip(*values, strict=True)
        ratios = zip(*[(a / c, b / d) for (a, b), (c, d) in zip(values, first, strict=True)], strict=True)
        times = [f"{statistics.median(of):.2f} ({min(of):.2f} to {max(of):.2f})" for of in ratios]
        spread = f"{statistics.median(wall):>8.1f}{min(wall):>8.1f}{max(wall):>8.1f}{statistics.median(cpu):>8.1f}"
        print(f"{name:<10}{spread}{times[0]:>22}{times[1]:>22}{ndcg[name]:>8.4f}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--passages", type=int, default=2_000, help="timed in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--base", default="minilm", choices=packages.BASES)
    parser.add_argument("--cache", type=Path, default=CACHE)
    wanted = parser.parse_args()
    (corpus,) = corpora(["aws"], wanted.cache)
    index, encoder = Index.of(corpus.passages()), Encoder.load(packages.base(wanted.base, wanted.cache))
    texts = [index.texts[place] for place in np.random.default_rng(1).permutation(len(index.texts))[: wanted.passages]]
    known, rounds = contenders(encoder), {}
    for number in range(wanted.rounds + 1):
        for name, encode in known.items():
            found = timed(encode, texts if number else texts[: 4 * BATCH])
            rounds.setdefault(name, []).extend([found] if number else [])
    asked = [query.text for query in corpus.queries("dev")]
    plain = np.asarray(encoder.model.encode(asked, prompt=encoder.prompts["query"], show_progress_bar=False))
    queries = {"Encoder": encoder.queries(asked)}
    told = f"{wanted.base}, {len(texts):,} passages a round, {wanted.rounds} rounds, {encoder.device}"
    print(f"{told}, ours in {encoder.precision}; nDCG@10 of {len(asked)} dev queries")
    draw(rounds, {n: quality(corpus, index, queries.get(n, plain), f(index.texts)) for n, f in known.items()})


if __name__ == "__main__":
    main()

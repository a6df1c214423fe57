"""What the candidate costs: embedding the corpus anew, and, by Matryoshka dimension, room and time against quality.

Facts of the artifact `examples`: `costs` has the fields of `Costs`; `dimensions` is a list of the fields of
`Dimension`, the full dimension first, then those that the candidate was trained for, falling. Both hold timings of
this machine under what else it did, so no two runs write the same, and nothing that is decided reads them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from components.retrieval.encoder import Encoder
from components.retrieval.index import Index, Ranking, Vectors
from components.retrieval.metrics import measure
from components.retrieval.vectors import cut, shortened
from components.store.models import Model

FLOAT = 4
"""Bytes of a number of the index."""
COUNTED = 5_000
"""Passages that are tokenized at most, spread evenly over the corpus."""
TIMED = {"cpu": 256, "cuda": 8_192}
"""Passages that are encoded for the rate at most, spread likewise."""
WARM = 32
ASKED = 100
"""Queries asked one by one at most, and no more once `PATIENCE` seconds are over, but `FEWEST`."""
FEWEST = 20
PATIENCE = 30.0


@dataclass(frozen=True)
class Costs:
    """Embedding the whole corpus anew with the candidate.

    Attributes:
        passages: Of the corpus.
        tokens: Of all passages, as the model is given them: with its prompt and special tokens, cut at its limit.
        tokens_counted: Passages that were tokenized; where they are fewer than `passages`, `tokens` is their mean
            times `passages`.
        passages_per_second: Encoded by this step.
        passages_timed: Passages that were encoded for that rate.
        hours: All passages at that rate.
        bytes: Of their vectors in float32.
        device: `cpu` or `cuda`.
        precision: `fp32`, `bf16` or `fp16`.
    """

    passages: int
    tokens: int
    tokens_counted: int
    passages_per_second: float
    passages_timed: int
    hours: float
    bytes: int
    device: str
    precision: str


@dataclass(frozen=True)
class Dimension:
    """The candidate's vectors, cut to their first numbers and normalized again.

    Attributes:
        dimension: How many numbers.
        dev_ndcg: Mean nDCG@10 of the dev queries.
        sealed_ndcg: Mean nDCG@10 of the sealed queries, rounded to three digits.
        bytes_per_million: Of the vectors of a million passages in float32.
        passages_per_second: Encoded; the same for all, as the model makes every number.
        latency_p50: Milliseconds from a query's text to its ranking, the median of queries asked one by one, with
            exact search over the corpus.
        latency_p95: Milliseconds that one query in twenty takes longer than.
        queries_timed: Queries that were asked for that.
    """

    dimension: int
    dev_ndcg: float
    sealed_ndcg: float
    bytes_per_million: int
    passages_per_second: float
    latency_p50: float
    latency_p95: float
    queries_timed: int


@dataclass(frozen=True)
class Queries:
    """Judged queries of one side.

    Attributes:
        texts: What is asked.
        vectors: The candidate's, of `texts`.
        ranking: What it finds with them.
        relevant: Of each query, position in `Index.documents` -> grade.
    """

    texts: list[str]
    relevant: list[dict[int, int]]
    vectors: Vectors
    ranking: Ranking


def facts(
    encoder: Encoder, index: Index, vectors: Vectors, sides: Mapping[str, Queries], trained: Sequence[int]
) -> dict[str, Any]:
    """The facts `costs` and `dimensions`.

    Args:
        encoder: The candidate.
        index: The corpus.
        vectors: The candidate's, of `index.texts`.
        sides: `dev` and `sealed`.
        trained: Dimensions that it was trained for (`dimensions_of`).
    """
    costs = _costs(encoder, index.texts)
    sizes = sorted({encoder.dimension, *(size for size in trained if size < encoder.dimension)}, reverse=True)
    found = (_dimension(encoder, index, vectors, sides, size, costs) for size in sizes)
    return {"costs": asdict(costs), "dimensions": [asdict(one) for one in found]}


def dimensions_of(model: Model) -> list[int]:
    """The Matryoshka dimensions in the model's `training.json`; none where it tells none."""
    try:
        told = json.loads((model.path / "training.json").read_bytes())["config"]["matryoshka"]
    except (OSError, ValueError, LookupError, TypeError):
        return []
    return [size for size in told if type(size) is int and size > 0] if isinstance(told, list) else []


def _costs(encoder: Encoder, texts: list[str]) -> Costs:
    device = encoder.device.partition(":")[0]
    counted, timed = _spread(texts, COUNTED), _spread(texts, TIMED[device])
    tokens, rate = sum(_tokens(encoder, counted)), _rate(encoder, timed)
    return Costs(
        passages=len(texts),
        tokens=round(tokens * len(texts) / len(counted)),
        tokens_counted=len(counted),
        passages_per_second=rate,
        passages_timed=len(timed),
        hours=len(texts) / rate / 3600,
        bytes=len(texts) * encoder.dimension * FLOAT,
        device=device,
        precision=encoder.precision,
    )


def _spread(texts: list[str], most: int) -> list[str]:
    """At most so many of them, at even distances."""
    places = np.linspace(0, len(texts) - 1, min(most, len(texts))).astype(int)
    return [texts[place] for place in places]


def _tokens(encoder: Encoder, texts: list[str]) -> Iterator[int]:
    model, prompt = encoder.model, encoder.document_prompt
    limit: dict[str, Any] = {"truncation": True, "max_length": model.max_seq_length} if model.max_seq_length else {}
    for start in range(0, len(texts), 256):
        some = [prompt + text for text in texts[start : start + 256]]
        yield from map(len, model.tokenizer(some, **limit)["input_ids"])


def _rate(encoder: Encoder, texts: list[str]) -> float:
    """Passages a second; the first call of all is not timed, as it loads kernels."""
    encoder.passages(texts[:WARM], "passages, timed")
    start = time.perf_counter()
    encoder.passages(texts, "passages, timed")
    return len(texts) / (time.perf_counter() - start)


def _dimension(
    encoder: Encoder, index: Index, vectors: Vectors, sides: Mapping[str, Queries], size: int, costs: Costs
) -> Dimension:
    whole = size == encoder.dimension
    known = vectors if whole else cut(vectors, size)
    ndcg = {side: _ndcg(asked, None if whole else (index, known, size)) for side, asked in sides.items()}
    taken = list(_latencies(encoder, index, known, sides["dev"].texts[:ASKED], size))
    return Dimension(
        dimension=size,
        dev_ndcg=ndcg["dev"],
        sealed_ndcg=round(ndcg["sealed"], 3),
        bytes_per_million=1_000_000 * size * FLOAT,
        passages_per_second=costs.passages_per_second,
        latency_p50=float(np.percentile(taken, 50)),
        latency_p95=float(np.percentile(taken, 95)),
        queries_timed=len(taken),
    )


def _ndcg(asked: Queries, again: tuple[Index, Vectors, int] | None) -> float:
    """Of the ranking that is known, or of one anew with vectors of another size."""
    ranking = asked.ranking
    if again:
        index, vectors, size = again
        ranking = index.search(shortened(asked.vectors, size), vectors)
    return float(measure(ranking, asked.relevant)["ndcg@10"].mean())


def _latencies(encoder: Encoder, index: Index, vectors: Vectors, texts: list[str], size: int) -> Iterator[float]:
    """Milliseconds of each query; the first is asked twice, and the first time not counted."""
    began = time.perf_counter()
    for number, text in enumerate([*texts[:1], *texts]):
        start = time.perf_counter()
        index.search(shortened(encoder.query(text), size), vectors)
        if number:
            yield (time.perf_counter() - start) * 1000
        if number >= FEWEST and time.perf_counter() - began > PATIENCE:
            return

"""The type that this step makes: what every model scored on every query of one run. Plain numbers, no files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

BASE, CHAMPION, CANDIDATE, BM25, HYBRID = "base", "champion", "candidate", "bm25", "hybrid"
FUSED = {BASE: HYBRID, CHAMPION: "champion hybrid", CANDIDATE: "candidate hybrid"}
"""Model -> the same model and BM25 fused."""
NAMES = {
    CANDIDATE: "candidate",
    FUSED[CANDIDATE]: "candidate + BM25",
    CHAMPION: "champion",
    FUSED[CHAMPION]: "champion + BM25",
    BASE: "base",
    HYBRID: "base + BM25 (hybrid)",
    BM25: "BM25",
}
"""How the models are called where people read, in the order they are shown in."""
METRICS = {"ndcg@10": "nDCG@10", "mrr@10": "MRR@10", "recall@10": "Recall@10", "recall@100": "Recall@100"}
"""And the metrics."""


@dataclass(frozen=True)
class Contender:
    """One of the compared models: `base`, `champion` or `candidate`.

    Attributes:
        segments: How many segments the split had when it was trained, so queries born in later ones are new to it.
            None when the model does not tell.
        prompts: What it was given before a query and before a document.
    """

    reference: str
    fingerprint: str
    segments: int | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Scores:
    """All models on identical queries and an identical corpus.

    Attributes:
        queries: Query ids, sorted.
        clusters: Each query's cluster.
        groups: The group of each query's best-graded relevant document.
        born: The split's segment, from 0, in which each query's documents, or what they are versions of, came in.
        sources: Where each query's first relevant document comes from.
        slices: Each query's slice labels.
        values: Model -> metric -> one value in [0, 1] for each query. Models are base, champion (if there is one),
            candidate, bm25, and each of the three fused with bm25 (`FUSED`).
        guards: Guard -> model -> nDCG@10 for each of the guard's queries.
        contenders: Which weights stand behind base, champion, candidate.
        champion_problem: Why a champion that exists could not be read; empty otherwise.
        documents: Size of the corpus in documents.
        passages: Size of the corpus in passages.
        inputs: Digests of what was scored and on what.
    """

    queries: list[str]
    clusters: list[str]
    groups: list[str]
    born: list[int]
    sources: list[str]
    slices: list[list[str]]
    values: dict[str, dict[str, Numbers]]
    guards: dict[str, dict[str, Numbers]]
    contenders: dict[str, Contender]
    champion_problem: str
    documents: int
    passages: int
    inputs: dict[str, str]

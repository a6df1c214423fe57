"""Retrieval metrics by query, as trec_eval defines them: nDCG@10, MRR@10, Recall@10, Recall@100."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from components.retrieval.index import Ranking

METRICS = ("ndcg@10", "mrr@10", "recall@10", "recall@100")
_DISCOUNT = 1 / np.log2(np.arange(2, 12))


def measure(ranking: Ranking, relevant: Sequence[Mapping[int, int]]) -> dict[str, npt.NDArray[np.float64]]:
    """Every metric for every query.

    Args:
        ranking: The documents found.
        relevant: For each query: position of a relevant document -> its grade (1 or more).

    Returns:
        Metric -> one value in [0, 1] for each query.
    """
    depth = ranking.documents.shape[1]
    grades = np.zeros((len(relevant), max(depth, 10)))
    for i, wanted in enumerate(relevant):
        grades[i, :depth] = [wanted.get(int(d), 0) for d in ranking.documents[i]]
    wanted_count = np.array([len(wanted) for wanted in relevant])
    hits = grades > 0
    first = np.where(hits[:, :10].any(axis=1), hits[:, :10].argmax(axis=1), -1)
    return {
        "ndcg@10": _gain(grades[:, :10]) / _gain(np.array([_ideal(wanted) for wanted in relevant])),
        "mrr@10": np.where(first >= 0, 1 / (first + 1.0 + (first < 0)), 0.0),
        "recall@10": hits[:, :10].sum(axis=1) / wanted_count,
        "recall@100": hits[:, :100].sum(axis=1) / wanted_count,
    }


def _gain(grades: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Discounted gain (queries x 10 -> queries), summed in one order, so that a perfect ranking gives exactly 1."""
    gain: npt.NDArray[np.float64] = (grades * _DISCOUNT).sum(axis=1)
    return gain


def _ideal(wanted: Mapping[int, int]) -> list[int]:
    """The ten grades of a perfect ranking."""
    return [*sorted(wanted.values(), reverse=True), *[0] * 10][:10]

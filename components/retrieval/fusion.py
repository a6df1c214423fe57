"""Reciprocal rank fusion (Cormack, Clarke, Buettcher 2009): what a hybrid search would return."""

from __future__ import annotations

import numpy as np

from components.retrieval.index import Ranking

K = 60


def fuse(rankings: list[Ranking]) -> Ranking:
    """Fuse rankings of the same queries; ties go to the smaller position."""
    rows = [_fuse([r.documents[i] for r in rankings]) for i in range(len(rankings[0].documents))]
    depth = max(len(documents) for documents, _ in rows)
    documents = np.full((len(rows), depth), -1, np.int64)
    scores = np.zeros((len(rows), depth), np.float32)
    for i, (found, values) in enumerate(rows):
        documents[i, : len(found)], scores[i, : len(found)] = found, values
    return Ranking(documents, scores)


def _fuse(lists: list[np.ndarray]) -> tuple[list[int], list[float]]:
    scores: dict[int, float] = {}
    for ranked in lists:
        for rank, document in enumerate(ranked.tolist(), start=1):
            if document >= 0:
                scores[document] = scores.get(document, 0.0) + 1 / (K + rank)
    ordered = sorted(scores, key=lambda d: (-scores[d], d))
    return ordered, [scores[d] for d in ordered]

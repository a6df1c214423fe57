"""The temperature of the loss, where nobody published the one that the base was trained with: what fits it on dev."""

from __future__ import annotations

import numpy as np

from components.retrieval.index import Vectors
from components.training.dev import DevSet

CHOICES = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1)


def fitting(dev: DevSet, queries: Vectors, passages: Vectors, batch: int) -> float:
    """The choice under which the untrained base's ranking loss on dev is least.

    A base that was trained at .01 crowds its cosines together; at .05 nearly nothing would be left to learn from
    them, and the other way round every hard pair would drown the rest.

    Args:
        dev: The dev side.
        queries: The base's vectors of its queries (queries x dimensions).
        passages: The base's vectors of its passages (passages x dimensions).
        batch: Queries ranked together, as in training.
    """
    right = np.stack([_closest(dev, place, queries, passages) for place in range(len(queries))])
    parts = [slice(start, start + batch) for start in range(0, len(queries), batch)]
    scores = [queries[part] @ right[part].T for part in parts]
    return min(CHOICES, key=lambda temperature: sum(_loss(part / temperature) for part in scores))


def _closest(dev: DevSet, place: int, queries: Vectors, passages: Vectors) -> Vectors:
    """The vector of the relevant passage that is closest to a query."""
    best = max(dev.relevant[place], key=lambda document: dev.relevant[place][document])
    starts, begin = dev.index.starts, dev.index.starts[best]
    end = starts[best + 1] if best + 1 < len(starts) else len(passages)
    own: Vectors = passages[begin:end]
    found: Vectors = own[int(np.argmax(own @ queries[place]))]
    return found


def _loss(scores: np.ndarray) -> float:
    """Summed cross-entropy of the diagonal (n x n)."""
    top = scores.max(axis=1, keepdims=True)
    total = np.log(np.exp(scores - top).sum(axis=1)) + top[:, 0]
    return float((total - np.diagonal(scores)).sum())

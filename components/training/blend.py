"""Weights between the base and the tuned model: how far to go is decided on dev (after WiSE-FT, Wortsman et al. 2022).

Fine-tuned weights and their base are joined by a path along which quality changes smoothly. Less of the way keeps
more of what the base knows in general, so the smallest step wins among those that dev cannot tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

STEPS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Parts of the way from the base to the tuned model."""

Scores = npt.NDArray[np.float64]
Weights = dict[str, Tensor]


def weights(base: Weights, tuned: Weights, step: float) -> Weights:
    """The weights so far on the way; the ends are exact."""
    if step in (0.0, 1.0):
        return tuned if step else base
    return {
        name: torch.lerp(base[name].float(), value.float(), step).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in tuned.items()
    }


def choose(scores: Mapping[float, Scores], clusters: list[str]) -> float:
    """The smallest step that is not worse than the best one by more than a standard error of their difference.

    Args:
        scores: Step -> nDCG@10 of every dev query.
        clusters: Each query's cluster.
    """
    best = max(sorted(scores), key=lambda step: (round(float(scores[step].mean()), 6), -step))
    return next(step for step in sorted(scores) if _as_good(scores[best] - scores[step], clusters))


def _as_good(lost: Scores, clusters: list[str]) -> bool:
    return float(lost.mean()) <= standard_error(lost, clusters)


def standard_error(values: Scores, clusters: list[str]) -> float:
    """Of the mean, when whole clusters are drawn (the sandwich estimate: sums of deviations by cluster)."""
    _, place = np.unique(np.array(clusters), return_inverse=True)
    sums = np.bincount(place, weights=values - values.mean())
    count = len(sums)
    correction = count / (count - 1) if count > 1 else 1.0
    return float(np.sqrt(correction * np.square(sums).sum()) / len(values))

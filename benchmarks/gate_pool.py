"""Sealed tests and models drawn from the calibrated scores (`calibrate.py`).

Whole clusters are drawn with replacement, as a sealed test is drawn from all documents. A candidate that is no better
is made by swapping labels by cluster: on each cluster it has the scores of a trained model drawn by chance, the
champion those of another; so all are equal in truth, and differ from query to query as trained models do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from benchmarks.calibrate_scores import Integers, Numbers


@dataclass(frozen=True)
class Pool:
    """Scored models by cluster.

    Attributes:
        values: nDCG@10 (queries x models).
        base: Of the untrained base (queries).
        clusters: Each query's cluster, from 0.
        groups: A finer cluster of each query; the same where there is none.
    """

    values: Numbers
    base: Numbers
    clusters: Integers
    groups: Integers

    @classmethod
    def of(cls, models: list[Numbers], base: Numbers, clusters: Integers, groups: Integers | None = None) -> Pool:
        """Models on the same queries."""
        _, label = np.unique(clusters, return_inverse=True)
        return cls(np.stack(models, axis=1), base, label, label if groups is None else groups)

    @property
    def sizes(self) -> Integers:
        """Queries of each cluster."""
        return np.bincount(self.clusters)

    def count(self, queries: int) -> int:
        """How many clusters hold about so many queries."""
        return round(queries / float(self.sizes.mean()))

    def sums(self, values: Numbers) -> Numbers:
        """Each cluster's sum, of values (queries) or columns of them (queries x k)."""
        sums = np.zeros((len(self.sizes), *values.shape[1:]))
        np.add.at(sums, self.clusters, values)
        return sums

    def squares(self) -> Numbers:
        """Each cluster's sum of squared differences of two models (clusters x models x models)."""
        return self.sums(np.square(self.values[:, :, None] - self.values[:, None, :]))

    def rows(self, chosen: Integers) -> tuple[Integers, Integers, Integers]:
        """The queries of chosen clusters: their rows, which of the chosen each is in, and its group there."""
        order = np.argsort(self.clusters, kind="stable")
        first = np.cumsum(self.sizes) - self.sizes
        parts = [order[first[c] : first[c] + self.sizes[c]] for c in chosen.tolist()]
        drawn = np.repeat(np.arange(len(chosen)), self.sizes[chosen])
        rows = np.concatenate(parts)
        return rows, drawn, drawn * (int(self.groups.max()) + 1) + self.groups[rows]


def tilted(sums: Numbers, sizes: Integers, gain: float) -> Numbers | None:
    """How often to draw each cluster so that the mean difference becomes `gain`; None where none can.

    Exponential tilting changes the observed differences least (in the Kullback-Leibler sense): equal queries stay
    equal, and gains are drawn more often than losses.
    """
    excess = sums - gain * sizes

    def mean(strength: float) -> float:
        return float(np.exp(strength * excess - np.max(strength * excess)) @ excess)

    if not (excess.max() > 0 > excess.min()):
        return None
    limit = 40 / float(np.abs(excess).max())
    if mean(-limit) * mean(limit) > 0:
        return None
    strength = brentq(mean, -limit, limit)
    weights = np.exp(strength * excess - np.max(strength * excess))
    return np.asarray(weights / weights.sum())

"""Rules that promote a candidate: those of others as they are written, and ours fast enough for millions of looks.

Everything is by row: a row is one look, `sums` its clusters' summed differences (looks x clusters), in queries.

    greater    the mean is higher
    tfx        TFMA `metrics_validator._check_threshold`: diff / baseline >= relative (.01); no variance is looked at
    mlflow     MLflow `validation._validate`: candidate >= baseline + min_absolute_change (.01)
    p < .05    paired one-sided t-test of clusters, at every look
    ladder     the parameter-free Ladder (Blum, Hardt 2015, algorithm 2): higher than the best released score by more
               than a standard error of the difference; released scores are rounded to 1/n
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtr

from benchmarks.calibrate_scores import Integers, Marks, Numbers

RELATIVE = ABSOLUTE = 0.01


def greater(gain: Numbers) -> Marks:
    """Is the mean higher?"""
    return gain > 0


def tfx(gain: Numbers, baseline: Numbers) -> Marks:
    """A relative change threshold of 1%."""
    return gain / baseline >= RELATIVE


def mlflow(gain: Numbers) -> Marks:
    """An absolute change of .01."""
    return gain >= ABSOLUTE


def t_test(sums: Numbers, sizes: Integers, level: float) -> Marks:
    """Paired, of clusters: the ratio mean over its linearized standard error."""
    count = sums.shape[1]
    gain = sums.sum(axis=1) / sizes.sum(axis=1)
    rest = sums - sizes * gain[:, None]
    error = np.sqrt(np.square(rest).sum(axis=1) * count / (count - 1)) / sizes.sum(axis=1)
    return stdtr(count - 1, -gain / np.maximum(error, 1e-12)) <= level


def ladder(score: Numbers, released: Numbers, squares: Numbers, gain: Numbers, queries: Numbers) -> Marks:
    """Is the score (looks) above the best released one by more than a standard error of the queries' differences?"""
    variance = np.maximum(squares / queries - np.square(gain), 0)
    return score > released + np.sqrt(variance / queries)


def sign_flip(sums: Numbers) -> Numbers:
    """The p-value of `statistics.sign_flip` by Edgeworth's series: the fourth cumulant, odd ones being 0."""
    variance = np.square(sums).sum(axis=1)
    fourth = -2 * np.square(np.square(sums)).sum(axis=1) / np.maximum(variance, 1e-12) ** 2
    z = sums.sum(axis=1) / np.sqrt(np.maximum(variance, 1e-12))
    density = np.exp(-np.square(z) / 2) / np.sqrt(2 * np.pi)
    found = ndtr(-z) + density * fourth / 24 * (z**3 - 3 * z)
    return np.where(variance > 0, np.clip(found, 0, 1), 1.0)


def unseen_losses(sums: Numbers, sizes: Integers) -> Numbers:
    """`statistics.unseen_losses` by row."""
    worst = np.maximum(sizes.mean(axis=1), -sums.min(axis=1) * (1 + 1e-9))
    low, high = np.zeros(len(sums)), 1 / worst
    for _ in range(30):
        middle = (low + high) / 2
        rising = (sums / (1 + middle[:, None] * sums)).sum(axis=1) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    logs = np.log1p(low[:, None] * sums).sum(axis=1)
    differing = (sums != 0).sum(axis=1)
    return np.where(differing > 1, stdtr(np.maximum(differing - 1, 1), -np.sqrt(2 * np.maximum(logs, 0))), 1.0)


def betting(sums: Numbers, sizes: Integers) -> Numbers:
    """Betting against "no better" with a mixture of stakes, by row: exact at any level, on means of clusters."""
    means = sums / sizes
    stakes, shares = (0.5 ** np.arange(5)), (0.5 ** np.array([1, 2, 3, 4, 4]))
    with np.errstate(divide="ignore"):
        logs = [
            np.log(share) + np.log1p(stake * means).sum(axis=1) for stake, share in zip(stakes, shares, strict=True)
        ]
    return np.minimum(1.0, np.exp(-np.logaddexp.reduce(logs, axis=0)))


def free(sums: Numbers, sizes: Integers) -> Numbers:
    """The p-value of `Comparison.p_free` by row."""
    return unseen_losses(sums, sizes)

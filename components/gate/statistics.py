"""The statistics of the gate: paired, one-sided, over clusters, exact in integers and the same on every machine."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtr

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

UNIT = 1_000_000
"""Differences are rounded to millionths, so that sums do not depend on the order of adding."""
POWER = 0.8
_POWER = float(ndtri(POWER))
ONE_SIDED = 1.644854
"""Standard errors to a one-sided 95% bound."""
BLOCK = 8192
"""Resamples computed at once."""
BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.int64)
"""Byte -> its eight bits."""


@dataclass(frozen=True)
class Comparison:
    """Candidate against one other model, on the same queries.

    Attributes:
        gain: Mean difference of the metric.
        standard_error: Of the gain, with whole clusters as the random unit.
        interval: 95% interval of the gain.
        p_value: One-sided; the chance of a gain this large if signs of whole clusters were random.
        p_free: One-sided; the same if large losses may be there that the test has not met (`unseen_losses`).
        queries: On how many queries they were compared.
        clusters: How many clusters these are.
        differing: In how many the two models differ.
        effective: How many independent queries would tell as much: clustered ones repeat each other.
        detectable: The smallest true gain that this test finds with 80% probability.
    """

    gain: float
    standard_error: float
    interval: tuple[float, float]
    p_value: float
    p_free: float
    queries: int
    clusters: int
    differing: int
    effective: int
    detectable: float

    def lower_bound(self, level: float) -> float:
        """One-sided lower bound of the gain at that level."""
        return round(self.gain - float(ndtri(1 - level)) * self.standard_error, 6)


def compare(
    candidate: Numbers,
    other: Numbers,
    clusters: Sequence[str],
    *,
    alpha: float,
    least: float,
    groups: Sequence[str] | None = None,
) -> Comparison:
    """Compare two models query by query.

    Args:
        candidate: The metric for each query, in [0, 1].
        other: The same queries' metric for the other model.
        clusters: Each query's cluster.
        alpha: Level of the test.
        least: Least gain that counts; it bounds what can be detected.
        groups: Each query's cluster for `p_free`, where clusters are too large and few for it.
    """
    differences = np.rint((candidate - other) * UNIT).astype(np.int64)
    sums, sizes = _by_cluster(differences, clusters)
    gain, error = int(sums.sum()) / len(differences) / UNIT, _error(sums, sizes)
    half, count = 1.959964 * error, len(differences)
    single, sizes = (sums, sizes) if groups is None else _by_cluster(differences, groups)
    proved = provable(len(single), count, _error(single, sizes), alpha)
    return Comparison(
        gain=round(gain, 6),
        standard_error=round(error, 6),
        interval=(round(gain - half, 6), round(gain + half, 6)),
        p_value=sign_flip(sums, alpha),
        p_free=unseen_losses(single, count),
        queries=count,
        clusters=len(sums),
        differing=int(np.count_nonzero(sums)),
        effective=_effective(differences, error),
        detectable=round(max(detectable(error, alpha, least), proved), 6),
    )


def mean(values: Numbers) -> float:
    """The mean, summed without rounding on the way: the same on every machine."""
    return math.fsum(values.tolist()) / len(values)


def _by_cluster(differences: Integers, clusters: Sequence[str]) -> tuple[Integers, Integers]:
    """Each cluster's sum and its number of queries."""
    _, label = np.unique(np.array(clusters), return_inverse=True)
    sums = np.zeros(int(label.max()) + 1, np.int64)
    np.add.at(sums, label, differences)
    return sums, np.bincount(label)


def _error(sums: Integers, sizes: Integers) -> float:
    """Standard error of the mean with whole clusters as the random unit, in exact integers up to the root."""
    total, count = int(sums.sum()), int(sizes.sum())
    spread = sum((count * one - size * total) ** 2 for one, size in zip(sums.tolist(), sizes.tolist(), strict=True))
    return math.sqrt(spread) / count**2 / UNIT


def _effective(differences: Integers, error: float) -> int:
    """Queries by the variance inflation: (error if all were independent / error)^2 of them, and never more."""
    alone = _error(differences, np.ones_like(differences))
    return round(len(differences) * min(1.0, (alone / error) ** 2)) if error > 0 else len(differences)


def sign_flip(sums: Integers, alpha: float) -> float:
    """One-sided randomization test: flip the signs of whole clusters at random (Fisher 1935; Smucker et al. 2007).

    The random bits come from a counter (Philox), keyed by the sums themselves: equal scores give equal bits anywhere.

    Args:
        sums: Each cluster's summed difference, in integers.
        alpha: The level it will be compared with; at least 100 / alpha resamples are drawn.

    Returns:
        (b + 1) / (B + 1) with b resamples of B as large as what was seen (Phipson and Smyth 2010): never 0.
    """
    moving = np.sort(sums[sums != 0])
    if not len(moving):
        return 1.0
    resamples = int(np.ceil(100 / alpha / BLOCK)) * BLOCK
    seed = int.from_bytes(hashlib.sha256(np.sort(sums).astype("<i8").tobytes()).digest()[:16], "big")
    draw, tables = np.random.Generator(np.random.Philox(key=seed)), _tables(moving)
    observed, reached = int(moving.sum()), 0
    for _ in range(resamples // BLOCK):
        drawn = np.frombuffer(draw.bytes(BLOCK * len(tables)), np.uint8).reshape(len(tables), BLOCK)
        positive = np.zeros(BLOCK, np.int64)
        for table, of in zip(tables, drawn, strict=True):
            positive += table[of]
        reached += int(np.count_nonzero(2 * positive >= 2 * observed))
    return (reached + 1) / (resamples + 1)


def _tables(values: Integers) -> Integers:
    """For each eight values and each byte: the sum of the values whose bit is set (n / 8 x 256)."""
    padded = np.zeros(-(-len(values) // 8) * 8, np.int64)
    padded[: len(values)] = values
    tables: Integers = padded.reshape(-1, 8) @ BITS.T
    return tables


def unseen_losses(sums: Integers, queries: int) -> float:
    """One-sided test of "no better" that reckons with a loss which the test has not met.

    The empirical likelihood ratio of a mean of 0 (Owen 1988), with one more value in the support: a cluster of average
    size that falls from 1 to 0 on every query. The bound on `stake` says so; it is the growth of capital in hindsight
    of a bet against the null (Waudby-Smith and Ramdas 2024). Flipping signs leans on symmetry and knows only the losses
    it has met; where many small gains hide few large losses it exceeds its level up to 92 times, this one 1.06 times
    (`benchmarks/gate_skew.py`).

    Args:
        sums: Each cluster's summed difference, in millionths.
        queries: How many queries these are of.

    Returns:
        P(t > sqrt(2 L)), t with as many degrees of freedom as clusters differ, less one; nine digits, and never 0.
    """
    moving = [one / UNIT for one in sorted(sums[sums != 0].tolist())]
    if len(moving) < 2 or not sum(moving) > 0:
        return 1.0
    low, high = 0.0, _largest_stake(moving[0], queries / len(sums))
    for _ in range(60):
        stake = (low + high) / 2
        grows = math.fsum(one / (1 + stake * one) for one in moving) > 0
        low, high = (stake, high) if grows else (low, stake)
    ratio = math.fsum(math.log1p(low * one) for one in moving)
    return max(1e-9, round(float(stdtr(len(moving) - 1, -math.sqrt(2 * ratio))), 9))


def _largest_stake(worst: float, size: float) -> float:
    """What can be staked on each cluster without losing all to the worst one, met or not."""
    return 1 / max(size, -worst * (1 + 1e-9))


def provable(clusters: int, queries: int, error: float, alpha: float) -> float:
    """The smallest true gain that passes `unseen_losses` with 80% probability, to second order.

    Args:
        clusters: How many there are.
        queries: On how many queries.
        error: Standard error of the gain with those clusters as the random unit.
        alpha: Level of the test.
    """
    quantile, spread = -float(ndtri(alpha)), max(error * queries, 1e-9)
    stake = min(quantile / spread, clusters / queries)
    return (quantile**2 / stake + stake * spread**2) / 2 / queries + _POWER * error


def detectable(error: float, alpha: float, least: float) -> float:
    """The smallest true gain found by flipping signs with 80% probability: it must clear test and least gain."""
    return float(max((ndtri(1 - alpha) + _POWER) * error, least + _POWER * error))


def lower_bound(differences: Numbers) -> tuple[float, float, float]:
    """Mean difference of a guard, its one-sided 95% lower bound, and its standard error; queries are the unit."""
    count, center = len(differences), mean(differences)
    error = math.sqrt(mean((differences - center) ** 2) / (count - 1)) if count > 1 else math.inf
    return round(center, 6), round(center - ONE_SIDED * error, 6), round(error, 6)


def chance_to_pass(error: float, margin: float) -> float:
    """Chance that a guard with no true drop passes at that margin."""
    return float(round(ndtr((margin - ONE_SIDED * error) / error), 4)) if error > 0 else 1.0


def underpowered(chance: float) -> bool:
    """Whether a guard that an equal model passes with that chance tells little."""
    return not chance >= POWER


def holm(p_values: Sequence[float], level: float) -> list[bool]:
    """Which hypotheses are rejected when the chance of any wrong rejection stays below `level` (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    rejected = [False] * len(p_values)
    for rank, i in enumerate(order):
        if not p_values[i] <= level / (len(p_values) - rank):
            break
        rejected[i] = True
    return rejected

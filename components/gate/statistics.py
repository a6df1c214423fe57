"""The statistics of the gate: paired, one-sided, over clusters, exact in integers and the same on every machine."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

UNIT = 1_000_000
"""Differences are rounded to millionths, so that sums do not depend on the order of adding."""
POWER = 0.8
BLOCK = 2048
"""Resamples computed at once."""


@dataclass(frozen=True)
class Comparison:
    """Candidate against one other model, on the same queries.

    Attributes:
        gain: Mean difference of the metric.
        standard_error: Of the gain, with whole clusters as the random unit.
        interval: 95% interval of the gain.
        p_value: One-sided; the chance of a gain this large if signs of whole clusters were random.
        clusters: How many clusters there are.
        differing: In how many the two models differ.
        detectable: The smallest true gain that this test finds with 80% probability.
    """

    gain: float
    standard_error: float
    interval: tuple[float, float]
    p_value: float
    clusters: int
    differing: int
    detectable: float


def compare(candidate: Numbers, other: Numbers, clusters: list[str], *, alpha: float, least: float) -> Comparison:
    """Compare two models query by query.

    Args:
        candidate: The metric for each query, in [0, 1].
        other: The same queries' metric for the other model.
        clusters: Each query's cluster.
        alpha: Level of the test.
        least: Least gain that counts; it bounds what can be detected.
    """
    differences = np.rint((candidate - other) * UNIT).astype(np.int64)
    _, label = np.unique(np.array(clusters), return_inverse=True)
    sums = np.bincount(label, weights=differences).astype(np.int64)
    sizes = np.bincount(label)
    mean = float(sums.sum()) / len(differences)
    error = float(np.sqrt(np.square(sums - sizes * mean).sum())) / len(differences) / UNIT
    gain = mean / UNIT
    half = 1.959964 * error
    return Comparison(
        gain=round(gain, 6),
        standard_error=round(error, 6),
        interval=(round(gain - half, 6), round(gain + half, 6)),
        p_value=sign_flip(sums, alpha),
        clusters=len(sums),
        differing=int(np.count_nonzero(sums)),
        detectable=round(detectable(error, alpha, least), 6),
    )


def sign_flip(sums: Integers, alpha: float) -> float:
    """One-sided randomization test: flip the signs of whole clusters at random (Fisher 1935; Smucker et al. 2007).

    Args:
        sums: Each cluster's summed difference, in integers.
        alpha: The level it will be compared with; at least 100 / alpha resamples are drawn.

    Returns:
        (b + 1) / (B + 1) with b resamples of B as large as what was seen (Phipson and Smyth 2010): never 0.
    """
    resamples = int(np.ceil(100 / alpha / BLOCK)) * BLOCK
    moving = np.sort(sums[sums != 0]).astype(np.float64)
    if not len(moving):
        return 1.0
    seed = int.from_bytes(hashlib.sha256(np.sort(sums).astype("<i8").tobytes()).digest()[:16], "big")
    draw = np.random.Generator(np.random.Philox(key=seed))
    observed, reached, width = moving.sum(), 0, (len(moving) + 7) // 8
    for _ in range(resamples // BLOCK):
        drawn = np.frombuffer(draw.bytes(BLOCK * width), np.uint8).reshape(BLOCK, width)
        positive = np.unpackbits(drawn, axis=1)[:, : len(moving)].astype(np.float64) @ moving
        reached += int(np.count_nonzero(2 * positive - observed >= observed))
    return (reached + 1) / (resamples + 1)


def detectable(error: float, alpha: float, least: float) -> float:
    """The smallest true gain found with 80% probability: it must clear both the test and the least gain."""
    return float(max((ndtri(1 - alpha) + ndtri(POWER)) * error, least + ndtri(POWER) * error))


def lower_bound(differences: Numbers) -> tuple[float, float, float]:
    """Mean difference of a guard, its one-sided 95% lower bound, and its standard error; queries are the unit."""
    mean = float(differences.mean())
    error = float(differences.std(ddof=1) / np.sqrt(len(differences))) if len(differences) > 1 else float("inf")
    return round(mean, 6), round(mean - 1.644854 * error, 6), round(error, 6)


def chance_to_pass(error: float, margin: float) -> float:
    """Chance that a guard with no true drop passes at that margin."""
    return float(round(ndtr((margin - 1.644854 * error) / error), 4)) if error > 0 else 1.0

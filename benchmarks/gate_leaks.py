"""A candidate that is no better, but was trained on a part of the judging documents: is it held?

On every query of a leaked document it has nDCG@10 = 1, the most that remembering can do. The detector does as was
measured on real pages (`gate_detector.py`): so much of the leaked documents it finds, more than `max_leakage` of all
holds; of others it finds a quarter at least, and the candidate must be better on the queries of the rest too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.gate_pool import Pool
from benchmarks.gate_power import flips, passes
from benchmarks.gate_years import CONFIG

DOSES = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
QUERIES, DRAWS = 1500, 2000


@dataclass(frozen=True)
class Detector:
    """What is found of leaked documents of one kind: counted as leaked, and noticed at all (shares)."""

    kind: str
    covered: float
    noticed: float


@dataclass(frozen=True)
class Dose:
    """One part of the documents leaked.

    Attributes:
        share: That part.
        gain: The mean apparent gain.
        promoted: How often the candidate is promoted without a detector.
        held: Kind of the leaked texts -> how often the candidate is held with it.
    """

    share: float
    gain: float
    promoted: float
    held: dict[str, float]


def doses(pool: Pool, detectors: list[Detector]) -> list[Dose]:
    """All doses, for all kinds of leaked texts."""
    return [_dose(pool, share, detectors) for share in DOSES]


def _dose(pool: Pool, share: float, detectors: list[Detector]) -> Dose:
    rng = np.random.default_rng([5, round(share * 1000)])
    sums, count, models = pool.sums(pool.values), pool.count(QUERIES), pool.values.shape[1]
    chosen = rng.integers(len(sums), size=(DRAWS, count))
    champion = rng.integers(models, size=chosen.shape)
    candidate = (champion + rng.integers(1, models, size=chosen.shape)) % models
    sizes, draw = pool.sizes[chosen], rng.random(chosen.shape)
    leaked = rng.random(chosen.shape) < share
    moved = np.where(leaked, sizes, sums[chosen, candidate]) - sums[chosen, champion]
    promoted = passes(moved, sizes)[1]
    held = {}
    for one in detectors:
        counted = (leaked & (draw < one.covered)).sum(axis=1) > CONFIG.max_leakage * count
        far = ~leaked | (draw >= one.noticed)
        apart = flips(np.where(far, moved, 0), np.where(far, sizes, 0))
        held[one.kind] = float((~promoted | counted | ~apart).mean())
    gain = float((moved.sum(axis=1) / sizes.sum(axis=1)).mean())
    return Dose(share, gain, float(promoted.mean()), held)

"""Does the test keep its level where queries hang together: several on a document, whole sources that move together?

Differences are calibrated ones with random signs, so no candidate is better in truth. Queries of a document repeat one
another with probability `REPEATS`; documents of a source lean to one side together, so much that the variance of the
mean is `INFLATION` times that of independent queries. The least gain is left out here: it hides how the test does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks import gate_rules as rules
from benchmarks.calibrate_scores import Integers, Numbers
from benchmarks.gate_pool import Pool
from benchmarks.gate_power import tuned
from benchmarks.gate_years import CONFIG
from components.gate import statistics

QUERIES, LOOKS, AT_ONCE = 1500, 100_000, 500
REPEATS, INFLATION = 0.5, 3.0
FEW = 100
"""With fewer clusters, p-values near the level are the product's own, not those of the series."""


@dataclass(frozen=True)
class Level:
    """How often a test rejects although nothing is better.

    Attributes:
        name: What was simulated.
        judged: What the test takes for a cluster.
        at: Level -> the share of looks rejected.
        inflation: Of the variance of the mean, measured.
    """

    name: str
    judged: str
    at: dict[float, float]
    inflation: float


def by_document(pool: Pool, per_document: int, looks: int = LOOKS) -> list[Level]:
    """`per_document` queries on each document; judged by document, and as if all queries were independent."""
    rng, differences = np.random.default_rng(per_document), _differences(pool)
    documents = QUERIES // per_document
    found: list[list[Numbers]] = [[], []]
    spread = []
    for _ in range(looks // AT_ONCE):
        own = rng.choice(differences, size=(AT_ONCE, documents, per_document))
        own *= rng.choice([-1.0, 1.0], size=own.shape)
        drawn = np.where(rng.random(own.shape) < REPEATS, own[:, :, :1], own)
        sums = drawn.sum(axis=2)
        found[0].append(rules.sign_flip(sums))
        found[1].append(rules.sign_flip(drawn.reshape(AT_ONCE, -1)))
        spread.append(np.square(sums.sum(axis=1)).mean() / np.square(drawn).sum(axis=(1, 2)).mean())
    name, inflation = f"{per_document} queries on a document", float(np.mean(spread))
    return [_level(name, judged, p, inflation) for judged, p in zip(("documents", "queries"), found, strict=True)]


def by_source(pool: Pool, sources: int, looks: int = LOOKS // 2) -> list[Level]:
    """Sources of equal size that lean; judged by source, and by document as if sources did not matter."""
    rng, differences = np.random.default_rng(sources), np.abs(_differences(pool))
    size = QUERIES // sources
    lean = _lean(differences, size)
    found: list[list[Numbers]] = [[], []]
    spread = []
    for _ in range(looks // AT_ONCE):
        side = rng.choice([-1.0, 1.0], size=(AT_ONCE, sources, 1))
        signs = np.where(rng.random((AT_ONCE, sources, size)) < (1 + lean) / 2, side, -side)
        drawn = rng.choice(differences, size=signs.shape) * signs
        sums = drawn.sum(axis=2)
        found[0].append(_exact(sums) if sources < FEW else rules.sign_flip(sums))
        found[1].append(rules.sign_flip(drawn.reshape(AT_ONCE, -1)))
        spread.append(np.square(sums.sum(axis=1)).mean() / np.square(drawn).sum(axis=(1, 2)).mean())
    name, inflation = f"{sources} sources that lean", float(np.mean(spread))
    return [_level(name, judged, p, inflation) for judged, p in zip(("sources", "documents"), found, strict=True)]


def _differences(pool: Pool) -> Numbers:
    return np.concatenate([candidate - other for candidate, other in tuned(pool)])


def _lean(differences: Numbers, size: int) -> float:
    """How far a source leans so that the inflation is reached; 1 at most, when all of its documents go one way."""
    wanted = (INFLATION - 1) / (size - 1) * float(np.square(differences).mean() / np.square(differences.mean()))
    return min(1.0, float(np.sqrt(wanted)))


def _exact(sums: Numbers) -> Numbers:
    """The series' p-values; those from a third to three times the level of a look are the product's."""
    found = rules.sign_flip(sums)
    near = np.flatnonzero((found > CONFIG.alpha / 3) & (found < CONFIG.alpha * 3))
    for row in near.tolist():
        integers: Integers = np.rint(sums[row] * statistics.UNIT).astype(np.int64)
        found[row] = statistics.sign_flip(integers, CONFIG.alpha)
    return found


def _level(name: str, judged: str, p_values: list[Numbers], inflation: float) -> Level:
    found = np.concatenate(p_values)
    return Level(name, judged, {level: float((found <= level).mean()) for level in (0.05, CONFIG.alpha)}, inflation)

"""Power: how often a candidate that is better is promoted, over true gains and sizes of the sealed test.

A gain is planted by drawing clusters of a real pair of models with other weights (`gate_pool.tilted`), so that equal
queries stay equal. P-values are the fast ones of `gate_rules`; `agreement` compares them with the product's.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations

import numpy as np

from benchmarks import gate_rules as rules
from benchmarks.calibrate_scores import Integers, Marks, Numbers
from benchmarks.gate_pool import Pool, tilted
from benchmarks.gate_years import CONFIG
from components.gate.statistics import compare

GAINS = (0.005, 0.01, 0.015, 0.02, 0.03, 0.05)
QUERIES = (600, 1000, 1500, 3000, 5000)
"""Fewer than 600 decide nothing (`min_queries`)."""
MOST_PAIRS = 24
"""Ordered pairs of models that are looked at."""

Free = Callable[[Numbers, Integers], Numbers]
Pair = tuple[Numbers, Numbers]
"""Candidate and other, by query."""


def tuned(pool: Pool) -> list[Pair]:
    """Champion and candidate as trained models are; evenly among all ordered pairs."""
    found = [(pool.values[:, i], pool.values[:, j]) for i, j in permutations(range(pool.values.shape[1]), 2)]
    return [found[i] for i in np.unique(np.linspace(0, len(found) - 1, MOST_PAIRS).astype(int)).tolist()]


def over_base(pool: Pool) -> list[Pair]:
    """Trained models against the base: the first candidate of a line."""
    return [(pool.values[:, i], pool.base) for i in range(pool.values.shape[1])]


def power(
    pool: Pool, pairs: list[Pair], gain: float, queries: int, draws: int, seed: int, free: Free = rules.free
) -> Numbers:
    """The share promoted for each pair, against the other model and the base too.

    Args:
        pool: What clusters are drawn from.
        pairs: Candidate and other, as they are before a gain is planted.
        gain: The true one.
        queries: Of the sealed test, about.
        draws: Sealed tests for each pair.
        seed: Of the draws.
        free: The test that does not lean on symmetry.

    Returns:
        For each pair: by all rules, by all but `p_free`, by the least gain alone (pairs x 3).
    """
    rng, rows = np.random.default_rng(seed), []
    for candidate, other in pairs:
        sums = pool.sums(np.stack([candidate - other, other - pool.base], axis=1))
        weights = tilted(sums[:, 0], pool.sizes, gain)
        if weights is not None:
            chosen = rng.choice(len(sums), size=(draws, pool.count(queries)), p=weights)
            rows.append(_share(sums, pool.sizes[chosen], chosen, free))
    return np.array(rows)


def _share(sums: Numbers, sizes: Integers, chosen: Integers, test: Free) -> tuple[float, float, float]:
    moved = sums[chosen, 0]
    flipped, free = passes(moved, sizes, test)
    if sums[:, 1].any():
        base, base_free = passes(moved + sums[chosen, 1], sizes, test)
        flipped, free = flipped & base, free & base_free
    least = moved.sum(axis=1) / sizes.sum(axis=1) >= CONFIG.min_gain
    return float((flipped & free).mean()), float(flipped.mean()), float(least.mean())


def flips(sums: Numbers, sizes: Integers) -> Marks:
    """Which looks clear the least gain and the sign-flip test."""
    gain, differing = sums.sum(axis=1) / sizes.sum(axis=1), (sums != 0).sum(axis=1)
    good = (gain >= CONFIG.min_gain) & (differing >= CONFIG.min_differing)
    return good & (rules.sign_flip(sums) <= CONFIG.alpha)


def passes(sums: Numbers, sizes: Integers, test: Free = rules.free) -> tuple[Marks, Marks]:
    """Which looks clear the least gain and the sign-flip test, and which of them the test free of assumptions."""
    good = flips(sums, sizes)
    free = good.copy()
    free[good] = test(sums[good], sizes[good]) <= CONFIG.alpha
    return good, free


def judged(pool: Pool, pairs: list[Pair], gain: float, queries: int, draws: int, seed: int) -> Numbers:
    """As `power`, by the product's `compare`, against the other model alone: for clusters that hold groups."""
    rng, rows = np.random.default_rng(seed), []
    for candidate, other in pairs:
        weights = tilted(pool.sums(candidate - other), pool.sizes, gain)
        if weights is None:
            continue
        found = []
        for _ in range(draws):
            at, drawn, group = pool.rows(rng.choice(len(weights), size=pool.count(queries), p=weights))
            units, groups = drawn.astype(str).tolist(), group.astype(str).tolist()
            values, least = (candidate[at], other[at]), CONFIG.min_gain
            one = compare(*values, units, alpha=CONFIG.alpha, least=least, groups=groups)
            flipped = one.gain >= least and one.p_value <= CONFIG.alpha
            found.append((flipped and one.p_free <= CONFIG.alpha, flipped, one.gain >= least))
        rows.append(np.mean(found, axis=0))
    return np.array(rows)


def agreement(pool: Pool, pairs: list[Pair], looks: int, seed: int) -> tuple[int, int, float, float]:
    """Decisions alike and all, and the largest relative error of the two p-values between a tenth and ten levels."""
    rng, alike, worst = np.random.default_rng(seed), 0, np.zeros(2)
    for number in range(looks):
        candidate, other = pairs[number % len(pairs)]
        gain = (0.01, 0.012, 0.015, 0.02)[number % 4]
        sums = pool.sums(candidate - other)
        weights = tilted(sums, pool.sizes, gain)
        chosen = rng.choice(len(sums), size=(1, pool.count((600, 1500)[number // 4 % 2])), p=weights)
        rows, drawn, group = pool.rows(chosen[0])
        clusters, groups = drawn.astype(str).tolist(), group.astype(str).tolist()
        values = (candidate[rows], other[rows])
        real = compare(*values, clusters, alpha=CONFIG.alpha, least=CONFIG.min_gain, groups=groups)
        fast = np.array([rules.sign_flip(sums[chosen])[0], rules.free(sums[chosen], pool.sizes[chosen])[0]])
        known = np.array([real.p_value, real.p_free])
        alike += bool(((fast <= CONFIG.alpha) == (known <= CONFIG.alpha)).all())
        near = (known > CONFIG.alpha / 10) & (known < CONFIG.alpha * 10)
        worst = np.where(near, np.maximum(worst, np.abs(fast / known - 1)), worst)
    return alike, looks, float(worst[0]), float(worst[1])

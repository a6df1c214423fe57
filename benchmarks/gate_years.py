"""Years of retrainings that are no better: how many years promote one of them all the same, by each rule.

A year has one sealed test and a candidate a week. What a rule promotes becomes the champion, with its luck. Ours is
the product's own `compare`; only looks that miss the least gain, or by a wide margin the level, are not sent to it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks import gate_rules as rules
from benchmarks.calibrate_scores import Integers, Marks, Numbers
from benchmarks.gate_pool import Pool
from components.gate.config import GateConfig
from components.gate.statistics import Comparison, compare

CONFIG = GateConfig()
AT_ONCE = 100
"""Years simulated side by side."""
VARIETY = 4
"""With fewer models all candidates of a year would be one: then champion and candidate swap labels at every look."""
WIDE = 5
"""Looks whose approximate p-value is above so many times the level are not sent to `compare`."""


@dataclass
class Sight:
    """One look of many years, side by side.

    Attributes:
        pool: What the clusters were drawn from.
        chosen: Clusters of the sealed test (years x clusters).
        champion: Which model's scores the champion has on each (years x clusters).
        candidate: The same of the candidate.
        sums: Summed differences (years x clusters).
        sizes: Queries (years x clusters).
        squares: Summed squares of the differences (years).
        standing: Mean of the champion (years).
        released: The best score told so far (years), for the Ladder.
    """

    pool: Pool
    chosen: Integers
    champion: Integers
    candidate: Integers
    sums: Numbers
    sizes: Integers
    squares: Numbers
    standing: Numbers
    released: Numbers

    @property
    def queries(self) -> Numbers:
        """Of each year's test."""
        return self.sizes.sum(axis=1).astype(float)

    @property
    def gain(self) -> Numbers:
        """Mean difference."""
        return self.sums.sum(axis=1) / self.queries


Rule = Callable[[Sight], Marks]


@dataclass
class Ours:
    """The product's rule against champion and base; `asked` counts the looks that `compare` judged."""

    alpha: float = CONFIG.alpha
    free: bool = True
    asked: int = 0
    judged: list[tuple[float, Comparison]] = field(default_factory=list)

    def __call__(self, sight: Sight) -> Marks:
        """Which years promote."""
        approximate = rules.sign_flip(sight.sums)
        near = (sight.gain >= CONFIG.min_gain) & (approximate <= WIDE * self.alpha)
        found = np.zeros(len(near), bool)
        for year in np.flatnonzero(near).tolist():
            found[year] = self._promotes(sight, year, float(approximate[year]))
        return found

    def _promotes(self, sight: Sight, year: int, approximate: float) -> bool:
        self.asked += 1
        rows, drawn, group = sight.pool.rows(sight.chosen[year])
        candidate = sight.pool.values[rows, sight.candidate[year][drawn]]
        champion = sight.pool.values[rows, sight.champion[year][drawn]]
        found = self._compare(candidate, champion, drawn, group)
        self.judged.append((approximate, found))
        return self._good(found) and self._good(self._compare(candidate, sight.pool.base[rows], drawn, group))

    def _compare(self, candidate: Numbers, other: Numbers, drawn: Integers, group: Integers) -> Comparison:
        clusters, groups = drawn.astype(str).tolist(), group.astype(str).tolist()
        return compare(candidate, other, clusters, alpha=self.alpha, least=CONFIG.min_gain, groups=groups)

    def _good(self, found: Comparison) -> bool:
        free = not self.free or found.p_free <= self.alpha
        return found.gain >= CONFIG.min_gain and found.p_value <= self.alpha and free


def others() -> dict[str, Rule]:
    """Rules that are not ours."""
    return {
        "greater than": lambda s: rules.greater(s.gain),
        "+1% relative (TFX-like)": lambda s: rules.tfx(s.gain, s.standing),
        "+.01 absolute (MLflow)": lambda s: rules.mlflow(s.gain),
        "p < .05 at every look": lambda s: rules.t_test(s.sums, s.sizes, 0.05),
        "Ladder, parameter-free": lambda s: rules.ladder(s.standing + s.gain, s.released, s.squares, s.gain, s.queries),
    }


def promotions(pool: Pool, rule: Rule, *, years: int, looks: int, queries: int, seed: int) -> Integers:
    """False promotions in each year."""
    parts = [
        _years(
            pool, rule, min(AT_ONCE, years - first), looks, pool.count(queries), np.random.default_rng([seed, first])
        )
        for first in range(0, years, AT_ONCE)
    ]
    return np.concatenate(parts)


def _years(pool: Pool, rule: Rule, years: int, looks: int, clusters: int, rng: np.random.Generator) -> Integers:
    sums, squares, models = pool.sums(pool.values), pool.squares(), pool.values.shape[1]
    chosen = rng.integers(len(sums), size=(years, clusters))
    champion = rng.integers(models, size=chosen.shape)
    sizes = pool.sizes[chosen]
    queries = sizes.sum(axis=1)
    standing = sums[chosen, champion].sum(axis=1) / queries
    released, found = np.rint(standing * queries) / queries, np.zeros(years, np.int64)
    for _ in range(looks):
        if models < VARIETY:
            champion = rng.integers(models, size=chosen.shape)
            standing = sums[chosen, champion].sum(axis=1) / queries
        candidate = (champion + rng.integers(1, models, size=chosen.shape)) % models
        gained = sums[chosen, candidate] - sums[chosen, champion]
        apart = squares[chosen, candidate, champion].sum(axis=1)
        sight = Sight(pool, chosen, champion, candidate, gained, sizes, apart, standing, released)
        promoted = rule(sight)
        champion = np.where(promoted[:, None], candidate, champion)
        standing = np.where(promoted, standing + sight.gain, standing)
        released = np.where(promoted, np.rint(standing * queries) / queries, released)
        found += promoted
    return found


def wilson(hits: int, trials: int) -> tuple[float, float]:
    """95% interval of a share (Wilson 1927)."""
    z, share = 1.959964, hits / trials
    center = (share + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * float(np.sqrt(share * (1 - share) / trials + z**2 / (4 * trials**2)))
    return center - half, center + half

"""How often the gate's superiority tests promote a candidate that is no better, when gains are many and losses rare.

Sign-flipping whole clusters is exact when differences are symmetric around 0. Here the true mean is 0, but a difference
is a small gain or, seldom, a large loss: in draws that met few of the losses, gains look certain. The test that reckons
with losses it has not met (`p_free`) is there for that. Nothing is drawn: all counts of clusters won and lost are gone
through with their probabilities, with the exact distribution of the sign flips. Level .05/52, least gain .01. Seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import binom

from benchmarks.calibrate_scores import Numbers
from benchmarks.gate_years import CONFIG
from components.gate import statistics

SHAPES = ((0.14, 0.095), (0.3, 0.12), (0.5, 0.25))
"""Part of the clusters that differ, and the standard deviation of all differences."""
RARE = 1e-9
"""Counts less likely than this are left out."""


@dataclass(frozen=True)
class Losses:
    """Differences of clusters: none, a gain or a loss, with mean 0; `rare` is the losses' part of what differs."""

    clusters: int
    differing: float
    spread: float
    rare: float

    @property
    def gain(self) -> float:
        """Of a cluster that gains."""
        won = 1 - self.rare
        return self.spread / float(np.sqrt(self.differing * (won + won**2 / self.rare)))

    @property
    def loss(self) -> float:
        """Of a cluster that loses."""
        return self.gain * (1 - self.rare) / self.rare

    def counts(self) -> tuple[Numbers, Numbers, Numbers]:
        """Clusters won (w x 1), lost (1 x l), and the probability of each combination."""
        chances = (self.differing * (1 - self.rare), self.differing * self.rare)
        most = [int(binom.ppf(1 - RARE, self.clusters, chance)) + 1 for chance in chances]
        won, lost = np.arange(most[0] + 1)[:, None], np.arange(most[1] + 1)[None, :]
        left = binom.pmf(lost, self.clusters - won, chances[1] / (1 - chances[0]))
        return won, lost, binom.pmf(won, self.clusters, chances[0]) * left

    def promoted(self) -> tuple[float, float]:
        """Chance of a promotion by sign flips and least gain, and with `p_free` too; in levels."""
        won, lost, chance = self.counts()
        total = self.gain * won - self.loss * lost
        good = (self._flipped(won, lost) <= CONFIG.alpha) & (total / self.clusters >= CONFIG.min_gain)
        free = good.copy()
        for a, b in np.argwhere(good & (chance > RARE)).tolist():
            free[a, b] = self._free(a, b) <= CONFIG.alpha
        return float(chance[good].sum() / CONFIG.alpha), float(chance[free].sum() / CONFIG.alpha)

    def _flipped(self, won: Numbers, lost: Numbers) -> Numbers:
        """P of a sum as large as was seen: with b of the lost and a of the won turned, gain * a <= loss * b."""
        found = np.zeros((len(won), lost.shape[1]))
        for b in range(lost.shape[1]):
            turned = binom.cdf(np.floor(self.loss * b / self.gain + 1e-9), won[:, 0], 0.5)
            found += binom.pmf(b, lost, 0.5) * turned[:, None]
        return found

    def _free(self, won: int, lost: int) -> float:
        moved = np.rint(np.array([self.gain] * won + [-self.loss] * lost) * statistics.UNIT).astype(np.int64)
        rest = np.zeros(self.clusters - won - lost, np.int64)
        return statistics.unseen_losses(np.concatenate([moved, rest]), self.clusters)


def main() -> None:
    """Print the table."""
    print("## Many small gains, few large losses, true mean 0: promotions a look, in levels of .05/52\n")
    print("| differ | sd | clusters | losses | gain / loss | sign flips and least gain | and p_free |")
    print("|---|---|---|---|---|---|---|")
    worst = 0.0
    for differing, spread in SHAPES:
        for clusters in (200, 500, 1000, 2000):
            for rare in (0.5, 0.3, 0.2, 0.1, 0.05):
                one = Losses(clusters, differing, spread, rare)
                if one.loss <= 1:
                    flipped, free = one.promoted()
                    worst = max(worst, free)
                    shape = f"{differing:.0%} | {spread} | {clusters:,} | {rare:.0%} | {one.gain:.3f} / {one.loss:.3f}"
                    print(f"| {shape} | {flipped:.2f} | {free:.2f} |")
    print(f"\nworst with p_free: {worst:.2f} levels")


if __name__ == "__main__":
    main()

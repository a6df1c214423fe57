"""How often the gate's superiority test promotes a candidate that is no better, when gains are many and losses rare.

Sign-flipping whole clusters is exact when differences are symmetric around 0. Here the true mean is 0 and 14% of the
clusters differ, as tuned models do from each other, but a difference is a small gain or, seldom, a large loss. The test
is the gate's (level .05/52, least gain .01); its p-value is taken from the normal approximation, which permits
2,000,000 draws a row. Run: `python benchmarks/gate_skew.py` (seconds).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

ALPHA, MIN_GAIN, DIFFERING, SPREAD, DRAWS = 0.05 / 52, 0.01, 0.14, 0.095, 2_000_000


def promoted(clusters: int, losses: float, seed: int) -> float:
    """Share of draws in which the candidate would be promoted; `losses` is their part of the differing clusters."""
    rng = np.random.default_rng(seed)
    gain = SPREAD / np.sqrt(DIFFERING * (1 - losses + (1 - losses) ** 2 / losses))
    loss = gain * (1 - losses) / losses
    differing = rng.binomial(clusters, DIFFERING, DRAWS)
    lost = rng.binomial(differing, losses)
    won = differing - lost
    total = gain * won - loss * lost
    spread = np.sqrt(np.maximum(gain**2 * won + loss**2 * lost, 1e-12))
    return float(((1 - ndtr(total / spread) <= ALPHA) & (total / clusters >= MIN_GAIN)).mean())


def main() -> None:
    """Print the table."""
    print(f"level of a look {ALPHA:.5f}; false promotions a look, and how many times the level")
    print(f"{'clusters':>9} {'losses':>7} {'promoted':>9} {'times':>6}")
    for clusters in (200, 500, 1000, 2000):
        for losses in (0.5, 0.3, 0.2, 0.1):
            share = promoted(clusters, losses, seed=clusters)
            print(f"{clusters:>9,} {losses:>7.0%} {share:>9.5f} {share / ALPHA:>6.1f}")


if __name__ == "__main__":
    main()

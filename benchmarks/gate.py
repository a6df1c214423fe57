"""The gate, measured: false promotions by the year, power, clustered queries, leaks, detector, planted effects.

Differences are resampled from real trainings (`calibrate.py`, `gate_scores.parquet`); seeds are fixed, so that two runs
print the same. Run: `make bench-gate` (two processes, minutes).
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations, pairwise
from multiprocessing import get_context

import numpy as np

from benchmarks import (
    calibrate_scores,
    gate_clustered,
    gate_detector,
    gate_leaks,
    gate_power,
    gate_rules,
    gate_skew,
    gate_years,
)
from benchmarks import gate_tables as tables
from benchmarks.calibrate_scores import Scores
from benchmarks.gate_pool import Pool
from benchmarks.gate_tables import mark
from benchmarks.gate_years import CONFIG, Ours
from components.gate.statistics import compare, sign_flip
from components.store.events import ENVIRONMENT

YEARS, LOOKS, QUERIES, DRAWS, FEW = 2000, 52, 1500, 100, 10
WHAT = ("minilm", "minilm, as far from the base", "minilm, whole sources", "tiny")
"""What differences are drawn from: tuned models; tuned and base; tuned ones by source; tuned ones of another base."""
RULES = (*gate_years.others(), "ours", "ours, without p_free")


def pool(scores: Scores, what: str) -> Pool:
    """The models and clusters of that name."""
    base = what.partition(",")[0]
    models = list(scores.tuned(base).values())
    if what.endswith("from the base"):
        models = [models[0], scores.untrained(base)]
    if what.endswith("sources"):
        return Pool.of(models, scores.untrained(base), scores.sources, scores.clusters)
    return Pool.of(models, scores.untrained(base), scores.clusters)


def year(what: str, name: str) -> tuple[list[int], int]:
    """False promotions in each year by a rule; how many looks `compare` judged."""
    rule = gate_years.others().get(name) or Ours(free=name == "ours")
    drawn = pool(calibrate_scores.read(), what)
    found = gate_years.promotions(drawn, rule, years=YEARS, looks=LOOKS, queries=QUERIES, seed=1)
    return found.tolist(), getattr(rule, "asked", 0)


def powers(what: str) -> list[tuple[float, int, list[list[float]]]]:
    """Gain, queries, and the shares promoted for each pair of models."""
    drawn = pool(calibrate_scores.read(), what)
    pairs = gate_power.over_base(drawn) if what.endswith("from the base") else gate_power.tuned(drawn)
    cells = [(gain, queries) for gain in gate_power.GAINS for queries in gate_power.QUERIES]
    if what.endswith("sources"):
        some = [(gain, queries) for gain in (0.015, 0.03, 0.05) for queries in (1500, 5000)]
        return [(g, q, gate_power.judged(drawn, pairs[:FEW], g, q, FEW, 2).tolist()) for g, q in some]
    return [(g, q, gate_power.power(drawn, pairs, g, q, DRAWS, 2).tolist()) for g, q in cells]


def instead(what: str) -> tuple[float, float]:
    """At +.015 and 1,500 queries: power with `p_free`, and with the exact bet on means in its place."""
    drawn = pool(calibrate_scores.read(), what)
    tests = (gate_rules.free, gate_rules.betting)
    found = [gate_power.power(drawn, gate_power.tuned(drawn), 0.015, QUERIES, DRAWS, 2, test) for test in tests]
    return float(found[0][:, 0].mean()), float(found[1][:, 0].mean())


def levels() -> list[gate_clustered.Level]:
    """All that hang together."""
    drawn = pool(calibrate_scores.read(), "minilm")
    found = [level for k in (1, 3, 10) for level in gate_clustered.by_document(drawn, k)]
    return found + [level for k in (20, 60) for level in gate_clustered.by_source(drawn, k)]


def planted(scores: Scores) -> None:
    """Weights between the base and a tuned model: do their scores, and the verdicts on pairs of them, come in order?"""
    known, clusters = dict(sorted(scores.planted().items())), scores.clusters.astype(str).tolist()
    means = {step: float(values.mean()) for step, values in known.items()}
    print("\n## Effects planted by weight interpolation, MiniLM, sealed queries\n")
    print("| part of the way | " + " | ".join(f"{step:g}" for step in means) + " |\n" + "|---" * (len(means) + 1) + "|")
    print("| nDCG@10 | " + " | ".join(f"{mean:.4f}" for mean in means.values()) + " |")
    print("\n| from - to | gain | p | p_free | promoted |\n|---|---|---|---|---|")
    wrong = 0
    for low, high in combinations(known, 2):
        for other, candidate in ((low, high), (high, low)):
            values = (known[candidate], known[other])
            found = compare(*values, clusters, alpha=CONFIG.alpha, least=CONFIG.min_gain)
            good = max(found.p_value, found.p_free) <= CONFIG.alpha and found.gain >= CONFIG.min_gain
            wrong += good and candidate < other
            if candidate > other:
                told = f"{found.gain:+.4f} | {found.p_value:.5f} | {found.p_free:.5f} | {good}"
                print(f"| {other:g} - {candidate:g} | {told} |")
    ordered = all(a <= b for a, b in pairwise(means.values()))
    print(f"\nin order: {mark(ordered)}; promoted backwards: {wrong}, {mark(wrong == 0)}")


def agreement(scores: Scores) -> None:
    """The fast p-values against the product's."""
    drawn = pool(scores, "minilm")
    alike, looks, flip, free = gate_power.agreement(drawn, gate_power.tuned(drawn), 200, 3)
    print(
        f"\nFast p-values of the power tables against `compare`, {looks} looks around the level: {alike} decided alike;"
    )
    print(f"between a tenth and ten levels they differ by at most {flip:.0%} (sign flips) and {free:.1%} (p_free).")


def simulated(scores: Scores, workers: ProcessPoolExecutor) -> None:
    """Years, power and clustered queries: what is drawn from the scores."""
    wanted = [(what, rule) for what in WHAT for rule in (RULES if what != WHAT[2] else RULES[-2:])]
    years = {key: workers.submit(year, *key) for key in wanted}
    power = {what: workers.submit(powers, what) for what in WHAT}
    other, clustered = workers.submit(instead, "minilm"), workers.submit(levels)
    tables.years({key: job.result() for key, job in years.items()}, LOOKS)
    for what, job in power.items():
        tables.power(what, job.result())
    free, betting = other.result()
    print(f"\n+.015, 1,500 queries: {free:.1%}; betting on means of clusters in place of p_free {betting:.1%}")
    agreement(scores)
    tables.levels(clustered.result())


def leaks(scores: Scores, found: gate_detector.Found) -> None:
    """What the detector finds, and what becomes of candidates that have seen the test."""
    gate_detector.table(found)
    detectors = [gate_leaks.Detector(kind, found.covered[kind], found.noticed[kind]) for kind in gate_detector.KINDS]
    for what in ("minilm", "tiny"):
        tables.leaks(what, gate_leaks.doses(pool(scores, what), detectors))


def resampling(rounds: int = 5) -> None:
    """Seconds for a million resamples over 5,000 clusters that all differ."""
    sums = np.random.default_rng(5).integers(-1_000_000, 1_000_000, 5_000)
    took = []
    for _ in range(rounds):
        start = time.perf_counter()
        sign_flip(sums, 100 / 1_000_000)
        took.append(time.perf_counter() - start)
    found = f"{np.median(took):.1f} s ({min(took):.1f} to {max(took):.1f})"
    print(f"\n1,000,000 resamples over 5,000 clusters, {rounds} rounds: {found}; asked 10 s: {max(took) < 10}")


def main() -> None:
    """Everything, in two processes; tables in a fixed order."""
    began = time.monotonic()
    os.environ |= ENVIRONMENT | {"TOUCHSTONE_EVENTS": os.devnull, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    scores = calibrate_scores.read()
    calibrate_scores.table(scores)
    with ProcessPoolExecutor(2, get_context("spawn")) as workers:
        detector = workers.submit(gate_detector.measure)
        simulated(scores, workers)
        found = detector.result()
    leaks(scores, found)
    planted(scores)
    print()
    gate_skew.main()
    resampling()
    print(f"\n{time.monotonic() - began:.0f} seconds")


if __name__ == "__main__":
    main()

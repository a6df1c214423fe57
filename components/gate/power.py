"""Before anything is trained: what the sealed test could see of a gain, and whether it can promote at all.

Nothing is opened for it: what is known of the sealed queries is how many there are and how they hang together. How much
two models differ from query to query is taken from the line's last verdict, or assumed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from components.evaluation.scores import BASE, CHAMPION
from components.gate import statistics
from components.gate.config import GateConfig
from components.gate.faults import MAX_RETIRED
from components.gate.trial import GIANT
from components.pairs.leakage import Leakage

GROUP, SOURCE = "group", "source"


@dataclass(frozen=True)
class Spread:
    """How much the difference of two models varies.

    Attributes:
        deviation: Standard deviation of the paired difference in nDCG@10 over queries.
        inflation: By group and by source: how many times the variance of the mean is that of independent queries.
        told: Where the figures come from.
    """

    deviation: float
    inflation: Mapping[str, float]
    told: str


ASSUMED: dict[str, tuple[float, dict[str, float]]] = {
    BASE: (0.313, {GROUP: 0.485, SOURCE: 0.028}),
    CHAMPION: (0.095, {GROUP: 0.17, SOURCE: 0.007}),
}
"""The model to beat -> deviation, and the correlation of differences within a group and within a source. Measured with
MiniLM on the AWS API reference: a base against what was tuned from it, and two tuned models against each other."""
GUARD_DEVIATION = 0.218
"""Of the difference on a guard's query, base against tuned: the same model on 900 docstrings."""


@dataclass(frozen=True)
class SealedTest:
    """A sealed test, in counts.

    Attributes:
        queries: How many.
        shape: `pairs.sealed.shape`.
        leakage: The proof on the pairs that would train.
        guards: Guard -> how many queries judge.
        looks: How many are left this year.
    """

    queries: int
    shape: Mapping[str, Mapping[str, int]]
    leakage: Leakage
    guards: Mapping[str, int]
    looks: int

    def units(self, rule: str) -> Mapping[str, int]:
        """What is drawn by chance: by group, a cluster that holds too much of the queries is split (`trial.units`)."""
        split = self.shape["cluster"]["largest"] > GIANT * self.queries
        return self.shape[SOURCE] if rule == SOURCE else self.shape["group" if split else "cluster"]


@dataclass(frozen=True)
class Power:
    """What can be told in advance.

    Attributes:
        against: The model to beat: champion, or base when nothing was ever promoted.
        told: What the figures rest on.
        queries: Sealed queries.
        units: By group and by source: how many of them.
        effective: By group and by source: how many independent queries would tell as much.
        error: Standard error of the gain, by the recipe's rule.
        alpha: The level of each test.
        detectable: The smallest true gain that is found with 80% probability.
        looks: How many are left this year.
        guards: Guard -> queries, and chance that a model as good as the base passes.
        never: Why this test can promote nothing; empty when it can.
    """

    against: str
    told: str
    queries: int
    units: dict[str, int]
    effective: dict[str, int]
    error: float
    alpha: float
    detectable: float
    looks: int
    guards: dict[str, tuple[int, float]]
    never: list[str]


def foresee(test: SealedTest, config: GateConfig, against: str, before: Mapping[str, Any] | None) -> Power:
    """What the test could see.

    Args:
        test: The test in counts.
        config: The recipe's rules.
        against: The model to beat now.
        before: The line's last verdict as JSON, None when there is none.
    """
    known = spread(test, against, before)
    effective = {rule: max(1.0, test.queries / known.inflation[rule]) for rule in (GROUP, SOURCE)}
    error = known.deviation / math.sqrt(effective[config.cluster])
    alpha, least = config.alpha / config.routes, config.of_evidence(test.leakage.evidence).min_gain
    proved = _provable(test, known.deviation / math.sqrt(effective[GROUP]), alpha)
    seen = max(statistics.detectable(error, alpha, least), proved)
    return Power(
        against=against,
        told=known.told,
        queries=test.queries,
        units={rule: test.units(rule)["units"] for rule in (GROUP, SOURCE)},
        effective={rule: round(count) for rule, count in effective.items()},
        error=error,
        alpha=alpha,
        detectable=seen,
        looks=test.looks,
        guards={name: _guard(name, queries, config, before) for name, queries in sorted(test.guards.items())},
        never=list(never(test, config, alpha, seen)),
    )


def _provable(test: SealedTest, error: float, alpha: float) -> float:
    """What the test finds that reckons with losses it has not met; `error` is that of the gain, by group."""
    return statistics.provable(max(1, test.units(GROUP)["units"]), max(1, test.queries), error, alpha)


def spread(test: SealedTest, against: str, before: Mapping[str, Any] | None) -> Spread:
    """What the last verdict measured against the same model, or the assumptions where it tells nothing of it."""
    deviation, correlation = ASSUMED[against]
    inflation = {rule: 1 + (_typical(test, rule) - 1) * correlation[rule] for rule in (GROUP, SOURCE)}
    told = f"assumed: a difference varies by {deviation:g} from query to query, as measured on another corpus"
    found = before["comparisons"].get(against) if before else None
    if not before or not found or not found["standard_error"] > 0 or not found["effective"] > 0:
        return Spread(deviation, inflation, told)
    measured = {before["config"]["cluster"]: found, SOURCE: before["by_source"].get(against, found)}
    inflation |= {rule: max(1.0, one["queries"] / max(1, one["effective"])) for rule, one in measured.items()}
    deviation = found["standard_error"] * math.sqrt(found["effective"])
    return Spread(deviation, inflation, f"as the last verdict measured: it varies by {deviation:.3f} a query")


def _typical(test: SealedTest, rule: str) -> float:
    """How many queries share a query's unit, itself included, on average over queries."""
    return test.units(rule)["squares"] / max(1, test.queries)


def _guard(name: str, queries: int, config: GateConfig, before: Mapping[str, Any] | None) -> tuple[int, float]:
    """How many queries, and the chance to pass at no true drop."""
    found = before["guards"].get(name) if before else None
    deviation = GUARD_DEVIATION
    if found and found["gain"] > found["lower_bound"]:
        deviation = (found["gain"] - found["lower_bound"]) / statistics.ONE_SIDED * math.sqrt(found["queries"])
    return queries, statistics.chance_to_pass(deviation / math.sqrt(max(1, queries)), config.guard_margin)


def never(test: SealedTest, config: GateConfig, alpha: float, seen: float) -> Iterator[str]:
    """Why no candidate at all could be promoted by this test."""
    grouped = config.cluster == GROUP
    units, what = test.units(config.cluster)["units"], "independent groups" if grouped else "sources"
    needed = max(config.min_clusters, config.min_differing) if grouped else config.min_sources
    if test.queries < config.min_queries:
        yield f"it has {test.queries:,} queries; needed {config.min_queries:,}"
    if units < needed:
        yield f"it has {units:,} {what}; needed {needed:,}"
    if 2.0**-units > alpha:
        yield f"{units:,} {what} that all spoke for the candidate could still be chance at the level {alpha:.5f}"
    elif seen >= 1:
        yield f"it would only find a gain of {seen:.2f}, and nDCG@10 ends at 1"
    if not test.looks:
        yield "no look is left this year"
    yield from _unfit(test.leakage, config)


def _unfit(leakage: Leakage, config: GateConfig) -> Iterator[str]:
    """What the test is made of, and what training has seen of it."""
    if leakage.evidence == "mined" and not config.accept_mined:
        yield "a language model wrote its queries, and gate.accept_mined is not set"
    if leakage.retired_share > MAX_RETIRED:
        yield f"{leakage.retired_share:.1%} of its queries were retired; allowed {MAX_RETIRED:.0%}"
    if leakage.share > config.max_leakage:
        yield f"training sees {leakage.share:.1%} of its documents; allowed {config.max_leakage:.1%}"
    if leakage.anchors_left:
        yield f"training sees {leakage.anchors_left:,} of its queries"

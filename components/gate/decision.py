"""The decision: a pure function of scores, leakage and the charged look. No file, no clock, no network.

Every test is written as `not (good)`, so that a value that is no number holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from components.evaluation.scores import BASE, BM25, CANDIDATE, CHAMPION, HYBRID, Numbers, Scores
from components.gate import statistics
from components.gate.config import GateConfig
from components.gate.statistics import Comparison
from components.gate.verdict import ORDER, Look, Reason, Verdict
from components.pairs.leakage import Leakage

METRIC = "ndcg@10"
MINED_GAIN = 0.02
"""Least gain where a language model wrote the questions: they repeat the passages' words, and flatter."""
MAX_RETIRED = 0.05
"""Part of a sealed test that may be retired because its documents train now, before a new one is needed."""
SLICE_FLOOR = 20
"""A slice with fewer queries is not listed."""


def decide(scores: Scores, leakage: Leakage, look: Look, config: GateConfig, inputs: dict[str, str]) -> Verdict:
    """Judge the candidate.

    Args:
        scores: Every model on every sealed query.
        leakage: How much of what trained is found in what judges.
        look: The look that was charged for this verdict.
        config: The recipe's section.
        inputs: Digests of what is judged, for the record.
    """
    config, faults = _rules(config, leakage), list(_faults(scores))
    against = CHAMPION if CHAMPION in scores.values else BASE
    comparisons = {} if faults else {name: _compare(scores, name, look.alpha, config) for name in _others(scores)}
    guards = {} if faults else {name: _guard(values, config) for name, values in sorted(scores.guards.items())}
    reasons = faults or [
        *_evidence(scores, comparisons, config),
        *_origin(leakage, config),
        *_champion(scores),
        *_contamination(leakage, config),
        *_superiority(scores, comparisons, look.alpha, config),
        *_guarding(guards, config),
    ]
    reasons = sorted(reasons, key=lambda reason: ORDER.index(reason.decision)) or [
        _proved(comparisons[against], against, sorted(guards))
    ]
    main = comparisons.get(against)
    return Verdict(
        decision=reasons[0].decision,
        reasons=reasons,
        models={} if faults else _means(scores),
        against=against,
        gain=main.gain if main else None,
        interval=main.interval if main else None,
        p_value=main.p_value if main else None,
        alpha=look.alpha,
        min_gain=config.min_gain,
        minimum_detectable_gain=main.detectable if main else None,
        queries=len(scores.queries),
        documents=scores.documents,
        passages=scores.passages,
        clusters=len(set(scores.clusters)),
        comparisons={name: asdict(found) for name, found in comparisons.items()},
        guards=guards,
        slices=[] if faults else list(_slices(scores)),
        looks_left=look.left,
        look=look,
        contenders={name: dict(vars(known)) for name, known in sorted(scores.contenders.items())},
        inputs=inputs,
        config=config.model_dump(),
    )


def _rules(config: GateConfig, leakage: Leakage) -> GateConfig:
    """The recipe's, or stricter ones where a language model wrote the test."""
    if leakage.evidence != "mined":
        return config
    return config.model_copy(update={"min_gain": max(config.min_gain, MINED_GAIN)})


def _faults(scores: Scores) -> Iterator[Reason]:
    """Anything that makes the scores no scores."""
    if not scores.queries or len(set(scores.queries)) != len(scores.queries):
        yield _error("the query set is empty or names a query twice")
    yield from (_error(f"there are no scores of the {m}") for m in (BASE, CANDIDATE) if m not in scores.values)
    for name, metrics in scores.values.items():
        if any(len(values) != len(scores.queries) for values in metrics.values()):
            yield _error(f"{name} was not scored on every query")
        yield from _numbers(name, metrics)
    for guard, models in scores.guards.items():
        lengths = {len(values) for values in models.values()}
        if len(lengths) != 1 or not {BASE, CANDIDATE} <= models.keys():
            yield _error(f"the models were not scored on the same queries of guard {guard}")
        if not min(lengths, default=0) >= 2:
            yield _error(f"guard {guard} has fewer than two queries")
        yield from _numbers(f"guard {guard}", models)


def _numbers(name: str, found: Mapping[str, Numbers]) -> Iterator[Reason]:
    """Scores that are no numbers between 0 and 1."""
    for what, values in found.items():
        if not bool(np.all((values >= 0) & (values <= 1))):
            yield _error(f"{what} of {name} is no number between 0 and 1")


def _error(text: str) -> Reason:
    return Reason(decision="ERROR", text=text)


def _others(scores: Scores) -> list[str]:
    return [name for name in (CHAMPION, BASE, BM25, HYBRID) if name in scores.values]


def _compare(scores: Scores, other: str, alpha: float, config: GateConfig) -> Comparison:
    values = (scores.values[CANDIDATE][METRIC], scores.values[other][METRIC])
    return statistics.compare(*values, scores.clusters, alpha=alpha, least=config.min_gain)


def _evidence(scores: Scores, comparisons: dict[str, Comparison], config: GateConfig) -> Iterator[Reason]:
    """Is there enough to decide on? A model that ranks as the other does differs nowhere: no lack of evidence."""
    queries, clusters = len(scores.queries), len(set(scores.clusters))
    if not queries >= config.min_queries:
        yield _reason("INSUFFICIENT_EVIDENCE", f"{queries:,} sealed queries; needed {config.min_queries:,}")
    if not clusters >= config.min_clusters:
        yield _reason("INSUFFICIENT_EVIDENCE", f"{clusters:,} independent clusters; needed {config.min_clusters:,}")
    for name in _judges(scores):
        differing = comparisons[name].differing
        if not differing >= config.min_differing and not _same(scores, name, differing):
            text = f"candidate and {name} differ in {differing} clusters; needed {config.min_differing}"
            yield _reason("INSUFFICIENT_EVIDENCE", text)


def _origin(leakage: Leakage, config: GateConfig) -> Iterator[Reason]:
    """Is the test one that may decide?"""
    if leakage.evidence == "mined" and not config.accept_mined:
        text = "the sealed queries were written by a language model; gate.accept_mined allows that"
        yield _reason("INSUFFICIENT_EVIDENCE", text)
    if not leakage.retired_share <= MAX_RETIRED:
        text = f"{leakage.retired} sealed queries were retired ({leakage.retired_share:.1%}; allowed {MAX_RETIRED:.0%})"
        yield _reason("INSUFFICIENT_EVIDENCE", f"{text}: a new generation of the test is needed")


def _champion(scores: Scores) -> Iterator[Reason]:
    if scores.champion_problem:
        yield _reason("HOLD_CHAMPION_UNREADABLE", f"the champion cannot be read: {scores.champion_problem}")


def _contamination(leakage: Leakage, config: GateConfig) -> Iterator[Reason]:
    if not leakage.sealed_documents > 0:
        yield _reason("HOLD_CONTAMINATED", "leakage was measured on no judging document")
    if not leakage.share <= config.max_leakage:
        text = f"{leakage.leaked} of {leakage.sealed_documents} judging documents are found in what was trained on"
        yield _reason("HOLD_CONTAMINATED", f"{text} ({leakage.share:.1%}; allowed {config.max_leakage:.1%})")
    if leakage.anchors_left != 0:
        yield _reason("HOLD_CONTAMINATED", f"{leakage.anchors_left} training queries equal a sealed one")


def _superiority(
    scores: Scores, comparisons: dict[str, Comparison], alpha: float, config: GateConfig
) -> Iterator[Reason]:
    """Better than the champion and than the base; both must hold, so the level is not split between them."""
    for name in _judges(scores):
        found = comparisons[name]
        if _same(scores, name, found.differing):
            text = f"the candidate ranks as the {name} does: training found nothing better"
            yield _reason("HOLD_NOT_BETTER", text)
            continue
        low, high = found.interval
        gain = f"gain against the {name} {found.gain:+.4f} (95% {low:+.4f} to {high:+.4f})"
        if not found.gain >= config.min_gain:
            yield _reason("HOLD_NOT_BETTER", f"{gain}; needed {config.min_gain:+.3f}")
        if not found.p_value <= alpha:
            text = f"a gain like that against the {name} could be chance: p = {found.p_value:.4f}, needed {alpha:.5f}"
            yield _reason("HOLD_NOT_BETTER", text)


def _guarding(guards: dict[str, dict[str, float]], config: GateConfig) -> Iterator[Reason]:
    for name, found in guards.items():
        if not found["lower_bound"] > -config.guard_margin:
            text = f"guard {name}: {found['gain']:+.4f} against the base, 95% bound {found['lower_bound']:+.4f}"
            yield _reason("HOLD_GUARD", f"{text}; allowed {-config.guard_margin:+.3f}")


def _proved(found: Comparison, against: str, guards: list[str]) -> Reason:
    low, high = found.interval
    gain = f"{found.gain:+.4f} nDCG@10 (95% {low:+.4f} to {high:+.4f})"
    held = f"; {', '.join(guards)} held" if guards else ""
    return _reason("PROMOTE", f"better than the {against} by {gain}, {chance(found.p_value)}{held}")


def chance(p_value: float) -> str:
    """A p-value as people read it."""
    return f"p = {p_value:.4f}" if p_value >= 0.0001 else "p < 0.0001"


def _judges(scores: Scores) -> list[str]:
    """The models that the candidate must beat."""
    return [name for name in (CHAMPION, BASE) if name in scores.values]


def _same(scores: Scores, name: str, differing: int) -> bool:
    """Equal files, or equal weights in files that another version of a library wrote."""
    return not differing or scores.contenders[name].fingerprint == scores.contenders[CANDIDATE].fingerprint


def _guard(values: dict[str, np.ndarray], config: GateConfig) -> dict[str, float]:
    gain, bound, error = statistics.lower_bound(values[CANDIDATE] - values[BASE])
    means = {name: round(float(found.mean()), 6) for name, found in sorted(values.items())}
    chance = statistics.chance_to_pass(error, config.guard_margin)
    return means | {"gain": gain, "lower_bound": bound, "queries": len(values[BASE]), "chance_to_pass": chance}


def _means(scores: Scores) -> dict[str, dict[str, float]]:
    return {
        model: {metric: round(float(values.mean()), 6) for metric, values in metrics.items()}
        for model, metrics in scores.values.items()
    }


def _slices(scores: Scores) -> Iterator[dict[str, Any]]:
    """Means and gain of every slice that is large enough to read, largest first."""
    labels: dict[str, list[int]] = {}
    for position, of in enumerate(scores.slices):
        for label in of:
            labels.setdefault(label, []).append(position)
    for label, positions in sorted(labels.items(), key=lambda known: (-len(known[1]), known[0])):
        if len(positions) >= SLICE_FLOOR:
            means = {m: round(float(v[METRIC][positions].mean()), 3) for m, v in scores.values.items()}
            yield {"slice": label, "queries": len(positions), "models": means}


def _reason(decision: Any, text: str) -> Reason:
    return Reason(decision=decision, text=text)

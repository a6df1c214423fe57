"""The decision: a pure function of scores, leakage and the charged look. No file, no clock, no network.

Every test is written as `not (good)`, so that a value that is no number holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from components.evaluation.scores import BASE, CANDIDATE, Scores
from components.gate.config import GateConfig
from components.gate.contamination import COVERED, alarms, apart, contamination
from components.gate.faults import faults, lacking, unfit, unreadable
from components.gate.harm import guards, slices
from components.gate.statistics import Comparison, mean
from components.gate.superiority import Fresh, not_better, proved, whole
from components.gate.trial import METRIC, Trial
from components.gate.verdict import ORDER, Look, Reason, Verdict
from components.pairs.leakage import Leakage

AHEAD = 0.01
"""What needs no training and is better by more than this is named in the verdict's first line."""


@dataclass
class Findings:
    """What was found on the way to a verdict; empty where the scores are no scores."""

    reasons: list[Reason]
    warnings: list[str] = field(default_factory=list)
    comparisons: dict[str, Comparison] = field(default_factory=dict)
    by_source: dict[str, Comparison] = field(default_factory=dict)
    route: str | None = None
    fresh: Fresh | None = None
    far: dict[str, Any] = field(default_factory=dict)
    guards: dict[str, dict[str, float]] = field(default_factory=dict)
    slices: list[dict[str, Any]] = field(default_factory=list)


def decide(scores: Scores, leakage: Leakage, look: Look, config: GateConfig, inputs: dict[str, str]) -> Verdict:
    """Judge the candidate.

    Args:
        scores: Every model on every sealed query.
        leakage: How much of what trained is found in what judges.
        look: The look that was charged for this verdict.
        config: The recipe's section.
        inputs: Digests of what is judged, for the record.
    """
    trial = Trial(scores, leakage, look, config.of_evidence(leakage.evidence))
    broken = list(faults(scores))
    found = Findings(broken) if broken else _judge(trial)
    found.reasons.sort(key=lambda reason: ORDER.index(reason.decision))
    return _verdict(trial, found, inputs)


def _judge(trial: Trial) -> Findings:
    """Every rule, one after the other; a verdict lists all that hold."""
    least = trial.config.min_gain
    found = Findings([], comparisons={name: trial.compare(name, trial.everything, least) for name in trial.others})
    found.by_source = {name: trial.by_source(name) for name in trial.judges}
    found.reasons = [*lacking(trial, found.comparisons), *unfit(trial), *unreadable(trial.scores)]
    found.reasons += contamination(trial)
    _superiority(trial, found)
    suspicious, notes, third = alarms(trial)
    lost, weak, found.guards = guards(trial)
    harmed, found.slices = slices(trial)
    found.far |= third
    found.reasons += [*suspicious, *lost, *harmed]
    found.warnings = [*notes, *weak, *_reach(trial, found)]
    if not found.reasons:
        fresh = found.fresh if found.route == "fresh" else None
        found.reasons = [proved(trial, found.comparisons[trial.against], fresh, sorted(found.guards))]
    else:
        found.route = None
    found.reasons.sort(key=lambda reason: ORDER.index(reason.decision))
    _tell_untrained(trial, found)
    return found


def _superiority(trial: Trial, found: Findings) -> None:
    """Better on the whole, or by the fresh route; and then also far from training."""
    missing = whole(trial, found.comparisons)
    found.fresh = Fresh.of(trial)
    late = found.fresh.missing(trial, found.comparisons[BASE]) if found.fresh else missing
    if missing and late:
        only = [text for text in late if text not in missing]
        found.reasons += not_better([*missing, *only])
        return
    found.route = "fresh" if missing else "whole"
    reasons, comparisons = apart(trial, found.fresh if missing else None)
    found.far = {"below": COVERED, "comparisons": comparisons}
    found.reasons += reasons


def _reach(trial: Trial, found: Findings) -> Iterator[str]:
    """What the proof is about: only the sources tested, unless it holds with whole sources as clusters too."""
    sources = len(set(trial.scores.sources))
    if found.route and any(not one.p_value <= trial.alpha for one in found.by_source.values()):
        yield f"by source, of which there are {sources:,}, it is not proved: the claim is about the sources tested"
    for name in trial.giants if trial.config.cluster == "group" else []:
        share = trial.scores.clusters.count(name) / len(trial.scores.clusters)
        yield f"one cluster held {share:.0%} of the queries; it is split by each query's best-graded document"


def _tell_untrained(trial: Trial, found: Findings) -> None:
    """Name what needs no training and is better, in the first line."""
    means = {name: mean(trial.scores.values[name][METRIC]) for name in trial.untrained}
    served = mean(trial.served(CANDIDATE))
    ahead = {name: value - served for name, value in means.items()}
    told = [f"{name}, untrained, is better by {gain:.3f}" for name, gain in ahead.items() if gain > AHEAD]
    if told:
        first = found.reasons[0]
        found.reasons[0] = first.model_copy(update={"text": f"{first.text}; {' and '.join(told)}"})


def _verdict(trial: Trial, found: Findings, inputs: dict[str, str]) -> Verdict:
    main, scores = found.comparisons.get(trial.against), trial.scores
    fresh = found.fresh
    return Verdict(
        decision=found.reasons[0].decision,
        reasons=found.reasons,
        warnings=found.warnings,
        models=_means(scores) if main else {},
        serving=trial.config.serving,
        against=trial.against,
        route=found.route,
        gain=main.gain if main else None,
        interval=main.interval if main else None,
        p_value=main.p_value if main else None,
        alpha=trial.alpha,
        min_gain=trial.config.min_gain,
        minimum_detectable_gain=main.detectable if main else None,
        queries=len(scores.queries),
        documents=scores.documents,
        passages=scores.passages,
        clusters=len(set(trial.units)) if main else 0,
        sources=len(set(scores.sources)),
        comparisons={name: asdict(one) for name, one in found.comparisons.items()},
        by_source={name: asdict(one) for name, one in found.by_source.items()},
        fresh={n: asdict(one) for n, one in (("fresh", fresh.new), ("rest", fresh.rest)) if one} if fresh else {},
        far=found.far,
        guards=found.guards,
        slices=found.slices,
        looks_left=trial.look.left,
        look=trial.look,
        contenders={name: dict(vars(known)) for name, known in sorted(scores.contenders.items())},
        inputs=inputs,
        config=trial.config.model_dump(mode="json"),
    )


def _means(scores: Scores) -> dict[str, dict[str, float]]:
    return {
        model: {metric: round(mean(values), 6) for metric, values in sorted(metrics.items())}
        for model, metrics in sorted(scores.values.items())
    }

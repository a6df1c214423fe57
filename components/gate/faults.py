"""Anything that makes scores no scores, and anything that makes a test no test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from components.evaluation.scores import BASE, CANDIDATE, CHAMPION, FUSED, Numbers, Scores
from components.gate.statistics import Comparison
from components.gate.trial import Trial
from components.gate.verdict import Reason

MAX_RETIRED = 0.05
"""Part of a sealed test that may be retired because its documents train now, before a new one is needed."""


def faults(scores: Scores) -> Iterator[Reason]:
    """What makes the scores unfit to be judged; nothing is computed from such."""
    if not scores.queries or len(set(scores.queries)) != len(scores.queries):
        yield _error("the query set is empty or names a query twice")
    yield from (_error(f"there are no scores of the {m}") for m in (BASE, CANDIDATE) if m not in scores.values)
    known = [name for name in (BASE, CHAMPION, CANDIDATE) if name in scores.values]
    yield from (_error(f"there are no scores of the {FUSED[m]}") for m in known if FUSED[m] not in scores.values)
    for name, metrics in scores.values.items():
        if any(len(values) != len(scores.queries) for values in metrics.values()):
            yield _error(f"{name} was not scored on every query")
        yield from _numbers(name, metrics)
    labels = (scores.clusters, scores.groups, scores.sources, scores.born, scores.slices)
    if any(len(one) != len(scores.queries) for one in labels):
        yield _error("not every query has its cluster, group, source, age and slices")
    yield from _prompts(scores)
    for guard, models in scores.guards.items():
        yield from _guard(guard, models)


def _prompts(scores: Scores) -> Iterator[Reason]:
    """Training asks as the base is asked: who is asked in another way than it was trained is not the candidate."""
    asked = {tuple(sorted(scores.contenders[n].prompts.items())) for n in (BASE, CANDIDATE) if n in scores.contenders}
    if len(asked) > 1:
        yield _error("the candidate was scored with other prompts than the base that it was trained from")


def _guard(name: str, models: Mapping[str, Numbers]) -> Iterator[Reason]:
    lengths = {len(values) for values in models.values()}
    if len(lengths) != 1 or not {BASE, CANDIDATE} <= models.keys():
        yield _error(f"the models were not scored on the same queries of guard {name}")
    if not min(lengths, default=0) >= 2:
        yield _error(f"guard {name} has fewer than two queries")
    yield from _numbers(f"guard {name}", models)


def _numbers(name: str, found: Mapping[str, Numbers]) -> Iterator[Reason]:
    """Scores that are no numbers between 0 and 1."""
    for what, values in found.items():
        if not bool(np.all((values >= 0) & (values <= 1))):
            yield _error(f"{what} of {name} is no number between 0 and 1")


def _error(text: str) -> Reason:
    return Reason(decision="ERROR", text=text)


def lacking(trial: Trial, comparisons: Mapping[str, Comparison]) -> Iterator[Reason]:
    """Is there enough to decide on? A model that ranks as the other does differs nowhere: no lack of evidence."""
    config, queries, units = trial.config, len(trial.scores.queries), len(set(trial.units))
    grouped = config.cluster == "group"
    what, least = ("independent clusters", config.min_clusters) if grouped else ("sources", config.min_sources)
    if not queries >= config.min_queries:
        yield _few(f"{queries:,} sealed queries; needed {config.min_queries:,}")
    if not units >= least:
        yield _few(f"{units:,} {what}; needed {least:,}")
    needed = config.min_differing if grouped else config.min_sources
    for name in trial.judges:
        differing = comparisons[name].differing
        if not differing >= needed and not trial.same(name, differing):
            yield _few(f"candidate and {name} differ in {differing} {what.split()[-1]}; needed {needed}")


def unfit(trial: Trial) -> Iterator[Reason]:
    """Is the test one that may decide?"""
    leakage = trial.leakage
    if leakage.evidence == "mined" and not trial.config.accept_mined:
        yield _few("the sealed queries were written by a language model; gate.accept_mined allows that")
    if not leakage.retired_share <= MAX_RETIRED:
        text = f"{leakage.retired} sealed queries were retired ({leakage.retired_share:.1%}; allowed {MAX_RETIRED:.0%})"
        yield _few(f"{text}: a new generation of the test is needed (touchstone gate seal)")


def unreadable(scores: Scores) -> Iterator[Reason]:
    """A champion that exists must be compared with."""
    if scores.champion_problem:
        text = f"the champion cannot be read: {scores.champion_problem}"
        yield Reason(decision="HOLD_CHAMPION_UNREADABLE", text=text)


def _few(text: str) -> Reason:
    return Reason(decision="INSUFFICIENT_EVIDENCE", text=text)

"""Has training seen the test? What is found in both, and whether the gain holds where nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from components.evaluation.scores import BASE, CANDIDATE, CHAMPION
from components.gate.statistics import mean
from components.gate.superiority import Fresh, short
from components.gate.trial import Mask, Trial
from components.gate.verdict import Reason

COVERED = 0.25
"""Queries whose documents share less than this with training: there too the candidate must be better."""
WEAK, LARGE = 0.10, 0.50
"""Gains against the base, relative to it, below and above which people should look."""
FADED = 0.5
"""Of so large a gain at least this part must be there on the third of the queries farthest from training text."""


def contamination(trial: Trial) -> Iterator[Reason]:
    """What was counted: more of the test in what was trained on than may be."""
    leakage, queries = trial.leakage, len(trial.scores.queries)
    if not leakage.sealed_documents > 0:
        yield _held("leakage was measured on no judging document")
    if not leakage.share <= trial.config.max_leakage:
        text = f"{leakage.leaked} of {leakage.sealed_documents} judging documents are found in what was trained on"
        yield _held(f"{text} ({leakage.share:.1%}; allowed {trial.config.max_leakage:.1%})")
    if leakage.anchors_left != 0:
        yield _held(f"training queries that equal a sealed one: {leakage.anchors_left}")
    if not leakage.asked_by_ancestors <= trial.config.max_leakage * queries:
        yield _held(f"{leakage.asked_by_ancestors} sealed queries were trained on by the base or its ancestors")
    if unknown := int(np.count_nonzero(~((trial.coverage >= 0) & (trial.coverage <= 1)))):
        yield _held(f"of {unknown:,} sealed queries it is not known how much of their documents training has seen")


def apart(trial: Trial, fresh: Fresh | None) -> tuple[list[Reason], dict[str, Any]]:
    """Does the proof hold on the queries far from training, by the way that was gone? And the figures for it."""
    mask = trial.coverage < COVERED
    if mask.all():
        return [], {}
    where, least = f" on the {int(mask.sum()):,} queries far from training text", trial.config.min_gain
    ways = [(name, mask, least) for name in trial.judges]
    if fresh:
        ways = [(CHAMPION, mask & fresh.mask, fresh.config.min_gain), (BASE, mask, least)]
    if not all(some.any() for _, some, _ in ways):
        return [_held(f"no query is far from training text (coverage below {COVERED})")], {}
    found = {name: trial.compare(name, some, needed) for name, some, needed in ways}
    texts = [text for name, _, needed in ways for text in short(trial, name, found[name], needed, where)]
    return [_held(text) for text in texts], {name: vars(one) for name, one in found.items()}


def farthest(trial: Trial) -> Mask:
    """The third of the queries whose documents have least in common with what trained; equal ones all count."""
    known = np.nan_to_num(trial.coverage, nan=1.0)
    mask: Mask = known <= np.sort(known)[-(-len(known) // 3) - 1]
    return mask


def alarms(trial: Trial) -> tuple[list[Reason], list[str], dict[str, float]]:
    """A gain against the base that is so small, or so large, that somebody should look; and the farthest third's."""
    candidate, base, third = trial.served(CANDIDATE), trial.served(BASE), farthest(trial)
    gain, far, untuned = mean(candidate - base), mean((candidate - base)[third]), mean(base)
    relative = gain / untuned if untuned > 0 else float("inf")
    known = {"third": int(third.sum()), "gain": round(far, 6)}
    if not relative >= WEAK:
        return [], [f"a weak gain: {relative:+.1%} of the base's nDCG@10; below {WEAK:.0%} people should look"], known
    if relative <= LARGE:
        return [], [], known
    text = f"a gain of {relative:.0%} over the base; on the third of the queries farthest from training text {far:+.4f}"
    if not far >= FADED * gain:
        reason = Reason(decision="HOLD_SUSPICIOUS", text=f"{text}, of {gain:+.4f} on all: it may be remembered")
        return [reason], [], known
    return [], [f"{text}, of {gain:+.4f} on all; above {LARGE:.0%} people should look"], known


def _held(text: str) -> Reason:
    return Reason(decision="HOLD_CONTAMINATED", text=text)

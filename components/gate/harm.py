"""Is anything harmed: a general benchmark, or a slice of the queries? What cannot be told is said, never passed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from components.evaluation.scores import BASE, CANDIDATE, CHAMPION, Numbers
from components.gate import statistics
from components.gate.statistics import POWER, Comparison
from components.gate.superiority import chance
from components.gate.trial import METRIC, Mask, Trial
from components.gate.verdict import Reason

LEVEL = 0.05
"""Of all slices together (Holm)."""
LOSS = 0.02
"""A slice that loses this much, and not by chance, holds."""
SEEN = 0.05
"""A slice is assessed if a loss of this size would be seen with 80% probability."""
FLOOR = 20
"""A slice with fewer queries is neither assessed nor shown: its figures would say too much of single queries."""


@dataclass(frozen=True)
class Slice:
    """One slice's queries, compared with the model that would be replaced; `found` is None where there are too few."""

    name: str
    mask: Mask
    found: Comparison | None

    @property
    def assessed(self) -> bool:
        """Whether a loss of `SEEN` would be noticed."""
        error = self.found.standard_error if self.found else float("inf")
        return bool((ndtri(1 - LEVEL) + ndtri(POWER)) * error <= SEEN)


def slices(trial: Trial) -> tuple[list[Reason], list[dict[str, Any]]]:
    """Slices that are harmed as reasons to hold, and every slice with what is known of it."""
    wanted = trial.config.slices
    known = [_slice(trial, name, mask) for name, mask in trial.labelled() if wanted is None or name in wanted]
    assessed = [one for one in known if one.assessed]
    losses = [_loss(trial, one.mask) for one in assessed]
    worse = statistics.holm(losses, LEVEL)
    harmed = {
        one.name: p
        for one, p, rejected in zip(assessed, losses, worse, strict=True)
        if rejected and one.found and not one.found.gain > -LOSS
    }
    missing = [name for name in wanted or [] if name not in {one.name for one in known}]
    rows = [_row(trial, one, "harmed" if one.name in harmed else "held") for one in known]
    rows += [{"slice": name, "queries": 0, "clusters": 0, "status": "not assessed"} for name in missing]
    return [_harmed(trial, one, harmed[one.name]) for one in known if one.name in harmed], rows


def _slice(trial: Trial, name: str, mask: Mask) -> Slice:
    enough = int(mask.sum()) >= FLOOR and len({trial.units[i] for i in np.flatnonzero(mask).tolist()}) >= 2
    return Slice(name, mask, trial.compare(trial.against, mask, 0) if enough else None)


def _loss(trial: Trial, mask: Mask) -> float:
    """Chance of a loss this large."""
    units = [trial.units[i] for i in np.flatnonzero(mask).tolist()]
    values = (trial.served(trial.against)[mask], trial.served(CANDIDATE)[mask])
    return statistics.compare(*values, units, alpha=LEVEL / 100, least=0).p_value


def _row(trial: Trial, one: Slice, status: str) -> dict[str, Any]:
    count = int(one.mask.sum())
    units = len({trial.units[i] for i in np.flatnonzero(one.mask).tolist()})
    row = {"slice": one.name, "queries": count, "clusters": units}
    row["status"] = status if one.assessed else "not assessed"
    if one.found is None:
        return row
    means = {m: round(statistics.mean(v[METRIC][one.mask]), 3) for m, v in trial.scores.values.items()}
    figures = {"gain": round(one.found.gain, 3), "interval": [round(end, 3) for end in one.found.interval]}
    return row | {"models": means} | figures


def _harmed(trial: Trial, one: Slice, p: float) -> Reason:
    assert one.found is not None, "it was assessed"
    low, high = one.found.interval
    loss = f"{one.found.gain:+.4f} against the {trial.against} (95% {low:+.4f} to {high:+.4f}), {chance(p)}"
    return Reason(decision="HOLD_SLICE", text=f"slice {one.name} is harmed: {loss}; allowed {-LOSS:+.3f}")


def guards(trial: Trial) -> tuple[list[Reason], list[str], dict[str, dict[str, float]]]:
    """General benchmarks that may have got worse than the base, warnings, and what was found."""
    margin = trial.config.guard_margin
    found = {name: _guard(values, margin) for name, values in sorted(trial.scores.guards.items())}
    weak = f"below {POWER:.0%}: a longer benchmark would judge better"
    warnings = [
        f"guard {name} is underpowered: an equal model passes it with {one['chance_to_pass']:.0%}, {weak}"
        for name, one in found.items()
        if statistics.underpowered(one["chance_to_pass"])
    ]
    return list(_lost(found, margin)), warnings, found


def _lost(found: Mapping[str, dict[str, float]], margin: float) -> Iterator[Reason]:
    for name, one in found.items():
        if not one["lower_bound"] > -margin:
            text = f"guard {name}: {one['gain']:+.4f} against the base, 95% bound {one['lower_bound']:+.4f}"
            yield Reason(decision="HOLD_GUARD", text=f"{text}; allowed {-margin:+.3f}")


def _guard(values: Mapping[str, Numbers], margin: float) -> dict[str, float]:
    """Means, and the candidate against the base; against the champion for information."""
    gain, bound, error = statistics.lower_bound(values[CANDIDATE] - values[BASE])
    means = {name: round(statistics.mean(found), 6) for name, found in sorted(values.items())}
    chance = statistics.chance_to_pass(error, margin)
    known = means | {"gain": gain, "lower_bound": bound, "queries": len(values[BASE]), "chance_to_pass": chance}
    if CHAMPION not in values:
        return known
    return known | {"gain_over_champion": round(statistics.mean(values[CANDIDATE] - values[CHAMPION]), 6)}

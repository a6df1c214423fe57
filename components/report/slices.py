"""Slices as a forest plot: the candidate against the model that would be replaced, on each label's queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from components.evaluation.scores import CANDIDATE, FUSED
from components.gate.harm import FLOOR, LEVEL, LOSS, SEEN
from components.gate.verdict import Verdict
from components.report import drawing

SHOWN = 25
"""So many are open on the page, the largest; the others fold out. Harmed ones are always open."""
MOST = 500
"""And so many are on the page at all."""


@dataclass(frozen=True)
class Line:
    """One slice, drawn where it was measured.

    Attributes:
        means: nDCG@10 of the model to be replaced and of the candidate; () where it was not measured.
    """

    known: dict[str, Any]
    means: tuple[float, ...]
    drawn: Markup


def forest(verdict: Verdict) -> dict[str, Any]:
    """Harmed slices first, then the largest; the rest apart, and how many there are of each status."""
    ordered = sorted(verdict.slices, key=lambda one: one["status"] != "harmed")
    scale = drawing.Scale.over([0, -LOSS, *(end for one in ordered for end in one.get("interval", ()))])
    lines = [Line(one, _means(verdict, one), _drawn(scale, one)) for one in ordered]
    harmed = sum(one["status"] == "harmed" for one in ordered)
    first = max(SHOWN, harmed)
    return {
        "groups": [(kind, some) for kind, some in (("open", lines[:first]), ("folded", lines[first:MOST])) if some],
        "missing": max(0, len(lines) - max(MOST, first)),
        "harmed": harmed,
        "assessed": sum(one["status"] != "not assessed" for one in ordered),
        "measured": any("interval" in one for one in ordered),
        "axis": drawing.axis(scale),
        "limits": {"floor": FLOOR, "level": LEVEL, "loss": LOSS, "seen": SEEN},
    }


def _means(verdict: Verdict, one: dict[str, Any]) -> tuple[float, ...]:
    names = [FUSED[name] if verdict.serving == "hybrid" else name for name in (verdict.against, CANDIDATE)]
    return tuple(one["models"][name] for name in names) if "models" in one else ()


def _drawn(scale: drawing.Scale, one: dict[str, Any]) -> Markup:
    if "interval" not in one:
        return Markup("")
    low, high = one["interval"]
    kind = {"harmed": "harmed", "held": "decides"}.get(one["status"], "unassessed")
    return drawing.interval(scale, (low, one["gain"], high), kind, -LOSS)

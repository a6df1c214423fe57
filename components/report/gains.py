"""The first picture: the candidate's gain over every other model, with intervals, on one scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from components.evaluation.scores import BASE, CHAMPION, FUSED, NAMES
from components.gate.verdict import Verdict
from components.report import drawing

ON = {"fresh": "on new documents", "rest": "on all the others"}
"""How the parts of the fresh route are called."""


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        name: What the candidate is compared with.
        where: On which queries, "" for all.
        found: A `statistics.Comparison` as plain values.
        least: The gain that the gate asks for; None where it asks for none.
        decides: Whether the decision rests on it.
    """

    name: str
    where: str
    found: dict[str, Any]
    least: float | None
    decides: bool


def rows(verdict: Verdict) -> Iterator[Row]:
    """What was compared: all queries first, then the parts of the fresh route where the recipe declares it."""
    for name in NAMES:
        if name in verdict.comparisons:
            judges = name in (CHAMPION, BASE)
            decides = judges and not (name == CHAMPION and verdict.route == "fresh")
            yield Row(
                served(verdict, name), "", verdict.comparisons[name], verdict.min_gain if judges else None, decides
            )
    rules = verdict.config.get("fresh") or {}
    for part, least in (("fresh", rules.get("min_gain")), ("rest", -rules.get("margin", 0))):
        if part in verdict.fresh:
            yield Row(served(verdict, CHAMPION), ON[part], verdict.fresh[part], least, verdict.route != "whole")


def served(verdict: Verdict, name: str) -> str:
    """The model that stands behind a comparison: with `serving: hybrid` the one that is fused with BM25."""
    return NAMES[FUSED.get(name, name) if verdict.serving == "hybrid" else name]


def picture(verdict: Verdict) -> dict[str, Any]:
    """Every row with its drawing, and the axis; empty when nothing was compared."""
    known = list(rows(verdict))
    if not known:
        return {}
    scale = drawing.Scale.over([0, verdict.min_gain, *(end for row in known for end in row.found["interval"])])
    return {
        "rows": [(row, _drawn(scale, row)) for row in known],
        "needed": drawing.needed(scale, verdict.min_gain),
        "axis": drawing.axis(scale),
    }


def _drawn(scale: drawing.Scale, row: Row) -> Markup:
    low, high = row.found["interval"]
    kind = "decides" if row.decides else "beside"
    return drawing.interval(scale, (low, row.found["gain"], high), kind, row.least)


def fresh_alone(verdict: Verdict) -> bool:
    """Whether a gain over the champion was proved on new documents only, not on all queries."""
    judges = [verdict.comparisons[name] for name in (CHAMPION, BASE) if name in verdict.comparisons]
    proved = (one["gain"] >= verdict.min_gain and one["p_value"] <= verdict.alpha for one in judges)
    return bool(verdict.fresh) and not all(proved)

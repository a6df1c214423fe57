"""Inline SVG: numbers in, drawing out. Positions are percentages: a drawing fits any width, and text keeps its size."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, inf, isfinite, log10

from markupsafe import Markup

Point = tuple[float, float]

_EMPTY = Markup("")
_POINTS = 1000
"""A curve of more is drawn with every second, third, ... of them: nobody sees the difference."""


@dataclass(frozen=True)
class Scale:
    """Maps values in [low, high] to percentages of a drawing's width or height, [start, end]."""

    low: float
    high: float
    start: float = 0.0
    end: float = 100.0

    @classmethod
    def over(cls, values: Iterable[float], start: float = 0.0, end: float = 100.0) -> Scale:
        """A scale that shows every finite value, with some air on both sides."""
        known = [value for value in values if isfinite(value)] or [0.0]
        low, high = min(known), max(known)
        air = 0.07 * (high - low) or 0.01
        return cls(low - air, high + air, start, end)

    def at(self, value: float) -> float:
        """Where the value is drawn; the edge, when it lies outside or is no number."""
        part = (value - self.low) / (self.high - self.low) if value == value else 0.0
        return round(self.start + min(1.0, max(0.0, part)) * (self.end - self.start), 2)

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """At most so many round values within the scale, with their texts."""
        step = _step((self.high - self.low) / most)
        digits = max(0, -floor(log10(step)))
        numbers = range(ceil(self.low / step), floor(self.high / step) + 1)
        return [(n * step, f"{n * step:.{digits}f}" if n else "0") for n in numbers]


def interval(scale: Scale, estimate: tuple[float, float, float], kind: str, least: float | None) -> Markup:
    """One row of a forest plot: a point and its interval over the lines of no gain and of the gain that is asked for.

    Args:
        scale: Shared by all rows.
        estimate: Lower end, point, upper end.
        kind: decides (filled), beside (open, for comparison only), harmed (a full diamond), unassessed (open, pale).
        least: The gain that is asked for; None where none is.
    """
    low, point, high = (scale.at(value) for value in estimate)
    row = Markup(
        '<svg class="strip" width="100%" height="26" aria-hidden="true">{}<g class="{}">'
        '<line x1="{}%" x2="{}%" y1="13" y2="13"/><line x1="{}%" x2="{}%" y1="8" y2="18"/>'
        '<line x1="{}%" x2="{}%" y1="8" y2="18"/><svg x="{}%" y="13">{}</svg></g></svg>'
    )
    mark = Markup('<path d="M-7 0L0-7 7 0 0 7z"/>') if kind == "harmed" else Markup('<circle r="5"/>')
    return row.format(_lines(scale, least), kind, low, high, low, low, high, high, point, mark)


def needed(scale: Scale, least: float) -> Markup:
    """The row above: what the dashed line is."""
    side = "end" if scale.at(least) > 60 else "start"
    text = Markup('<text x="{}%" y="12" dx="{}" text-anchor="{}">needed {}</text>')
    return Markup('<svg class="strip" width="100%" height="18" aria-hidden="true">{}</svg>').format(
        text.format(scale.at(least), -4 if side == "end" else -1, side, f"{least:+.3f}")
    )


def axis(scale: Scale) -> Markup:
    """The row below: round values and their marks."""
    mark = Markup(
        '<line class="rule" x1="{}%" x2="{}%" y1="0" y2="5"/><text x="{}%" y="18" text-anchor="middle">{}</text>'
    )
    marks = (mark.format(*[scale.at(value)] * 3, text) for value, text in scale.ticks())
    return Markup('<svg class="strip" width="100%" height="22" aria-hidden="true">{}</svg>').format(_EMPTY.join(marks))


def budget(used: int, left: int) -> Markup:
    """A bar of what is used up and what is left."""
    part = round(100 * used / max(1, used + left), 2)
    shape = Markup(
        '<svg class="budget" width="100%" height="14" aria-hidden="true"><rect class="all" width="100%" height="14"'
        ' rx="3"/><rect class="used" width="{}%" height="14" rx="3"/></svg>'
    )
    return shape.format(part)


def curve(points: Sequence[Point], *, dots: bool) -> Markup:
    """Values over steps.

    Args:
        points: (step, value); values that are no numbers are left out.
        dots: Also mark every point, and the highest one with its value.
    """
    known = [(step, value) for step, value in points if isfinite(value)]
    known = known[:: ceil(len(known) / _POINTS) or 1]
    across = Scale(0, max([step for step, _ in known] or [0]) or 1, 12, 97)
    up = Scale.over([value for _, value in known], 88, 4)
    path = " ".join(f"{across.at(step)},{up.at(value)}" for step, value in known)
    line = Markup('<svg viewBox="0 0 100 100" preserveAspectRatio="none"><polyline points="{}"/></svg>').format(path)
    drawn = (_grid(across, up), line, _dots(known, across, up) if dots else _EMPTY)
    return Markup('<svg class="curve" width="100%" height="180" aria-hidden="true">{}</svg>').format(_EMPTY.join(drawn))


def _grid(across: Scale, up: Scale) -> Markup:
    """Horizontal lines at round values, first and last step."""
    rule = Markup(
        '<line class="rule" x1="12%" x2="100%" y1="{}%" y2="{}%"/>'
        '<text x="10%" y="{}%" dy="4" text-anchor="end">{}</text>'
    )
    rules = [rule.format(*[up.at(value)] * 3, text) for value, text in up.ticks(4)]
    ends = Markup('<text x="12%" y="98%">step 0</text><text x="97%" y="98%" text-anchor="end">step {}</text>')
    return _EMPTY.join([*rules, ends.format(round(across.high))])


def _dots(known: Sequence[Point], across: Scale, up: Scale) -> Markup:
    best = max((value for _, value in known), default=inf)
    dot = Markup('<circle class="{}" cx="{}%" cy="{}%" r="{}"/>')
    return _EMPTY.join(
        dot.format("best" if value == best else "", across.at(step), up.at(value), 5 if value == best else 3)
        for step, value in known
    )


def _lines(scale: Scale, least: float | None) -> Markup:
    """No gain as a line, the gain that is asked for as a dashed one."""
    line = Markup('<line class="{}" x1="{}%" x2="{}%" y1="0" y2="26"/>')
    asked = [] if least is None else [("needed", least)]
    return _EMPTY.join(line.format(kind, scale.at(x), scale.at(x)) for kind, x in [("zero", 0.0), *asked])


def _step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `least`."""
    power: float = 10.0 ** floor(log10(least))
    return next(unit * power for unit in (1, 2, 5, 10) if unit * power >= least * (1 - 1e-9))

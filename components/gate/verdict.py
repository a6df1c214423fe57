"""The type that this step makes: the decision, every reason, and every number it rests on."""

from __future__ import annotations

from typing import Any, Literal

from components.store.config import Config

Decision = Literal[
    "ERROR",
    "INSUFFICIENT_EVIDENCE",
    "HOLD_CHAMPION_UNREADABLE",
    "HOLD_CONTAMINATED",
    "HOLD_NOT_BETTER",
    "HOLD_GUARD",
    "PROMOTE",
]
ORDER: tuple[Decision, ...] = Decision.__args__  # type: ignore[attr-defined]
"""Among several reasons the first in this order names the decision."""


class Reason(Config):
    """One reason: what it means for the decision, and the sentence with its figures."""

    decision: Decision
    text: str


class Look(Config):
    """The charged look at the sealed test that the verdict belongs to."""

    number: int
    alpha: float
    """The level that was charged; the verdict is tested at it."""
    left: int
    year: int
    ledger_head: str
    ledger_length: int


class Verdict(Config):
    """What the gate decided; equal inputs give equal bytes."""

    decision: Decision
    reasons: list[Reason]
    models: dict[str, dict[str, float]]
    """Model -> metric -> mean over the sealed queries."""
    against: str
    """The model to beat: champion, or base when nothing was ever promoted."""
    gain: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    alpha: float
    min_gain: float
    minimum_detectable_gain: float | None
    queries: int
    documents: int
    passages: int
    clusters: int
    comparisons: dict[str, dict[str, Any]]
    """Other model -> the comparison of the candidate with it."""
    guards: dict[str, dict[str, float]]
    slices: list[dict[str, Any]]
    looks_left: int
    look: Look
    contenders: dict[str, dict[str, str]]
    inputs: dict[str, str]
    config: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """The verdict as plain JSON."""
        return self.model_dump(mode="json")

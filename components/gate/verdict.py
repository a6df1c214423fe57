"""The type that this step makes: the decision, every reason, and every number it rests on."""

from __future__ import annotations

from typing import Any, Literal

from components.store.config import Config

Decision = Literal[
    "ERROR",
    "INSUFFICIENT_EVIDENCE",
    "HOLD_CHAMPION_UNREADABLE",
    "HOLD_CONTAMINATED",
    "HOLD_SUSPICIOUS",
    "HOLD_NOT_BETTER",
    "HOLD_GUARD",
    "HOLD_SLICE",
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
    generation: int = 1
    """Which sealed test of this ledger it was a look at."""
    ledger_head: str
    ledger_length: int


class Verdict(Config):
    """What the gate decided; equal inputs give equal bytes.

    Comparisons are `statistics.Comparison` as plain values, by the name of the other model.
    """

    decision: Decision
    reasons: list[Reason]
    warnings: list[str]
    """What does not decide and should be known."""
    models: dict[str, dict[str, float]]
    """Model -> metric -> mean over the sealed queries."""
    serving: Literal["dense", "hybrid"]
    against: str
    """The model to beat: champion, or base when nothing was ever promoted."""
    route: Literal["whole", "fresh"] | None
    """The way that led to PROMOTE."""
    gain: float | None
    interval: tuple[float, float] | None
    p_value: float | None
    alpha: float
    """The level of every test of superiority: the look's, halved where the recipe declares the fresh route."""
    min_gain: float
    minimum_detectable_gain: float | None
    queries: int
    documents: int
    passages: int
    clusters: int
    sources: int
    comparisons: dict[str, dict[str, Any]]
    """Other model -> the comparison of the candidate with it, on all queries."""
    by_source: dict[str, dict[str, Any]]
    """The same for the models to beat, with whole sources as clusters."""
    fresh: dict[str, Any]
    """The fresh route: `fresh` and `rest`, comparisons with the champion; empty where it is not declared or closed."""
    far: dict[str, Any]
    """Far from training: `below` and `comparisons` of the queries under that coverage; `third` and `gain`, of the
    third of the queries farthest from training text against the base."""
    guards: dict[str, dict[str, float]]
    slices: list[dict[str, Any]]
    """Largest first: slice, queries, clusters, status (held, harmed, not assessed), and where there is enough to tell
    also models (means), and gain and interval against `against`."""
    looks_left: int
    look: Look
    contenders: dict[str, dict[str, Any]]
    inputs: dict[str, str]
    config: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """The verdict as plain JSON."""
        return self.model_dump(mode="json")

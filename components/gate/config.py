"""What a recipe says about the gate. The defaults are the ones the measured error rates belong to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from components.store.config import Config

MINED_GAIN = 0.02
"""Least gain where a language model wrote the questions: they repeat the passages' words, and flatter."""


class FreshConfig(Config):
    """A second way to be promoted: better on what is new since the champion, and no worse on the rest."""

    min_gain: float = Field(0.02, ge=0, lt=1)
    """Least gain in mean nDCG@10 on judged queries of documents that came in after the champion was trained."""

    min_queries: int = Field(200, ge=2)
    """Fewer such queries prove nothing."""

    margin: float = Field(0.01, gt=0, lt=1)
    """The rest may lose less than this against the champion."""


class GateConfig(Config):
    """When a candidate has proved better."""

    error_budget: float = Field(0.05, gt=0, le=0.2)
    """Chance of any false promotion over all looks of a calendar year."""

    looks: int = Field(52, ge=1, le=366)
    """Looks at a sealed test in a calendar year; each is tested at `error_budget / looks`."""

    min_gain: float = Field(0.01, ge=0, lt=1)
    """Least gain in mean nDCG@10 worth promoting."""

    serving: Literal["dense", "hybrid"] = "dense"
    """What production runs: the vectors alone, or fused with BM25; that is what is judged."""

    cluster: Literal["group", "source"] = "group"
    """What is drawn by chance: groups of documents, or whole sources, for a claim about sources not tested too."""

    fresh: FreshConfig | None = None
    """Declares the second way; each of the two is then tested at half the look's level."""

    slices: list[str] | None = None
    """Labels that must not be harmed; without it, every label that the judged queries have."""

    guard_margin: float = Field(0.03, gt=0, lt=1)
    """A guard may lose less than this against the base (one-sided 95% bound)."""

    max_leakage: float = Field(0.01, ge=0, lt=1)
    """Part of the judging documents that may be found in what was trained on."""

    min_queries: int = Field(600, ge=2)
    """Fewer sealed queries than this decide nothing."""

    min_clusters: int = Field(200, ge=2)
    """Fewer clusters than this decide nothing."""

    min_sources: int = Field(20, ge=2)
    """With `cluster: source`, fewer sources than this decide nothing."""

    min_differing: int = Field(30, ge=1)
    """Clusters in which the two models differ at all; with `cluster: source`, sources: as many as `min_sources`."""

    accept_mined: bool = False
    """Promote also on questions that a language model wrote; then a gain of .02 is needed at least."""

    @property
    def alpha(self) -> float:
        """The level of one look."""
        return self.error_budget / self.looks

    @property
    def routes(self) -> int:
        """How many ways to be promoted share that level."""
        return 2 if self.fresh else 1

    def of_evidence(self, evidence: str) -> GateConfig:
        """These rules, or stricter ones where a language model wrote the test."""
        if evidence != "mined":
            return self
        fresh = self.fresh and self.fresh.model_copy(update={"min_gain": max(self.fresh.min_gain, MINED_GAIN)})
        return self.model_copy(update={"min_gain": max(self.min_gain, MINED_GAIN), "fresh": fresh})

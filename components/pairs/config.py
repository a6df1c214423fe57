"""What a recipe says about pairs and judged queries."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from components.corpus.config import Address
from components.store.config import Config

Side = Literal["train", "dev", "sealed", "reserve"]


class PairsConfig(Config):
    """Which questions judge, how documents are split, how many pairs are enough."""

    judged: Address
    """Judged queries in BEIR layout: queries.jsonl and qrels/*.tsv below this address."""

    shares: dict[Side, float] = {"train": 0.7, "dev": 0.1, "sealed": 0.1, "reserve": 0.1}
    """The part of the groups that goes to each side; a document keeps its side for the line's life."""

    min_pairs: int = Field(500, ge=2)
    """Fewer training pairs than this end the run; fewer than twice as many are warned about."""

    @model_validator(mode="after")
    def _whole(self) -> PairsConfig:
        if abs(sum(self.shares.values()) - 1) > 1e-9 or min(self.shares.values()) < 0:
            raise ValueError(f"shares that add up to 1, not {sum(self.shares.values()):g}")
        if not self.shares.get("train") or not self.shares.get("dev") or not self.shares.get("sealed"):
            raise ValueError("shares with a part each for train, dev and sealed")
        return self

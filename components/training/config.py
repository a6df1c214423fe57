"""What a recipe says about training."""

from __future__ import annotations

from pydantic import Field

from components.store.config import Config


class TrainingConfig(Config):
    """Multiple-negatives ranking with the best checkpoint by dev nDCG@10, the untrained base included."""

    batch_size: int = Field(64, ge=2, le=65536)
    """Pairs in a batch of one process; each anchor sees the other pairs' positives as negatives."""

    steps: int | None = Field(None, ge=1)
    """Optimizer steps; without it, `epochs` decides."""

    epochs: float = Field(1.0, gt=0, le=20)
    """Passes over the pairs when `steps` is not given."""

    learning_rate: float = Field(5e-5, ge=1e-7, le=1e-2)
    """Peak rate; it rises over the warm-up and falls linearly to 0."""

    warmup: float = Field(0.1, ge=0, lt=1)
    """Part of the steps over which the rate rises."""

    symmetric: bool = True
    """Also rank the anchors of a batch by each positive."""

    max_tokens: int = Field(128, ge=8, le=8192)
    """Texts are cut here while training."""

    gradient_accumulation: int = Field(1, ge=1, le=1024)
    """Batches per optimizer step. It adds no negatives: raise `batch_size` for those."""

    evaluations: int = Field(2, ge=1, le=100)
    """How often dev nDCG@10 is measured while training, besides before the first step."""

    dev_documents: int = Field(2000, ge=10)
    """Documents that dev queries are searched in: all relevant ones and a fixed sample of the rest."""

    seed: int = Field(42, ge=0, lt=2**32)
    """Seeds the order of the pairs and dropout."""

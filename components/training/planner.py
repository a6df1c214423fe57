"""What a configuration really does, in numbers, before any of it is run."""

from __future__ import annotations

import math
from dataclasses import dataclass

from components.training.config import TrainingConfig


@dataclass(frozen=True)
class Plan:
    """Steps and negatives of one training.

    Attributes:
        steps: Optimizer steps.
        pairs_per_step: Pairs over all processes and accumulated batches.
        batch: Pairs in a batch of one process.
        true_negatives: Other pairs' positives, and all hard negatives of the batch, that each anchor is ranked
            against. In-batch losses see one batch of one process: neither accumulation nor more processes add any
            (https://github.com/huggingface/sentence-transformers/issues/1752).
    """

    steps: int
    batch: int
    pairs_per_step: int
    true_negatives: int


def plan(config: TrainingConfig, pairs: int, processes: int, negatives: int = 0) -> Plan:
    """The plan for so many pairs, each with so many hard negatives, on so many processes."""
    batch = min(config.batch_size, max(2, pairs // processes))
    per_step = batch * processes * config.gradient_accumulation
    steps = config.steps or math.ceil(pairs * config.epochs / per_step)
    return Plan(steps, batch, per_step, batch * (1 + negatives) - 1)

"""What a configuration really does, in numbers, before any of it is run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from components.store.errors import UserError
from components.training.config import TrainingConfig

RATES = ((35e6, 5e-5), (200e6, 2e-5), (math.inf, 1e-5))
"""Parameters up to -> peak learning rate."""
IN_FLIGHT = 34
"""Bytes that a layer keeps for a token and hidden dimension (Korthikanti et al. 2022, 16 bit, attention not kept)."""
PER_PARAMETER = 16
"""Bytes of a weight in training: itself, its gradient, two moments of AdamW, all fp32."""
SPARE = 0.7
"""Part of the free memory that activations may take."""
LEAST_TOKENS = 1024
"""The budget of a pass is not halved below this: a few texts of usual length."""


@dataclass(frozen=True)
class Size:
    """What a model costs.

    Attributes:
        parameters: All weights.
        layers: Transformer layers.
        hidden: Width of a layer.
        embeddings: Weights of the tables that are looked up, not multiplied.
    """

    parameters: int
    layers: int
    hidden: int
    embeddings: int = 0

    @property
    def states(self) -> int:
        """Bytes of weights, gradients and optimizer."""
        return self.parameters * PER_PARAMETER

    def activations(self, tokens: float) -> float:
        """Bytes kept for so many tokens until the backward pass."""
        return tokens * self.layers * self.hidden * IN_FLIGHT

    def flops(self, tokens: float) -> float:
        """Floating-point operations of a step over so many tokens (6 for each multiplied weight and token)."""
        return 6.0 * (self.parameters - self.embeddings) * tokens


@dataclass(frozen=True)
class Plan:
    """Steps and negatives of one training.

    Attributes:
        steps: Optimizer steps.
        batch: Pairs in a batch of one process.
        pairs_per_step: Pairs over all processes and accumulated batches.
        true_negatives: Other texts that each anchor is ranked against: other pairs' positives and all hard negatives
            of one batch, gathered over the processes. Accumulated batches do not see each other
            (https://github.com/huggingface/sentence-transformers/issues/1752).
        cached: Activations are computed twice rather than kept.
        tokens_at_once: Tokens in one pass through the model; None on a processor that keeps activations.
        warnings: What is likely not meant.
    """

    steps: int
    batch: int
    pairs_per_step: int
    true_negatives: int
    cached: bool = False
    tokens_at_once: int | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Load:
    """What is trained, in numbers.

    Attributes:
        pairs: Rows.
        distinct: Different anchors or different positives, whichever are fewer; 0 for as many as pairs.
        negatives: Hard negatives of each row.
        tokens: Mean tokens of a row, all its texts together.
    """

    pairs: int
    negatives: int = 0
    tokens: float = 0.0
    distinct: int = 0


def plan(
    config: TrainingConfig, load: Load, processes: int, *, size: Size | None = None, free: float = math.inf
) -> Plan:
    """The plan for so much on so many processes.

    Args:
        config: The recipe's section.
        load: What is trained.
        processes: How many train together.
        size: The model's; without it nothing is said about memory.
        free: Bytes that each process may use.

    Raises:
        UserError: TOO_FEW_PAIRS when there is not one pair to tell from another in every process.
    """
    room = (load.distinct or load.pairs) // processes
    if room < 2:
        expected = f"at least 2 for each of {processes} processes" if processes > 1 else "at least 2"
        found = f"{load.pairs} pairs, {load.distinct or load.pairs} of them different"
        raise UserError("TOO_FEW_PAIRS", "nothing to train on", found=found, expected=expected)
    wanted = config.batch_size
    if config.negatives:
        wanted = max(2, math.ceil((config.negatives + 1) / (processes * (1 + load.negatives))))
    batch = min(wanted, room)
    per_step = batch * processes * config.gradient_accumulation
    seen = batch * processes * (1 + load.negatives) - 1
    warnings = tuple(_warnings(config, load, batch < wanted, seen))
    cached, tokens = _passes(config, batch * load.tokens, size, free)
    steps = config.steps or math.ceil(load.pairs * config.epochs / per_step)
    return Plan(steps, batch, per_step, seen, cached, tokens, warnings)


def _passes(config: TrainingConfig, tokens: float, size: Size | None, free: float) -> tuple[bool, int | None]:
    """Whether activations are computed twice, and the tokens of a pass; the plain loss where a batch fits."""
    if config.tokens_at_once:
        return tokens > config.tokens_at_once, config.tokens_at_once
    if config.deepspeed or size is None or size.activations(tokens) <= SPARE * (free - size.states):
        return False, None
    fits = SPARE * (free - size.states) / size.activations(1)
    return True, max(LEAST_TOKENS, int(fits))


def _warnings(config: TrainingConfig, load: Load, short: bool, found: int) -> list[str]:
    warnings = []
    if config.gradient_accumulation > 1:
        asked = (found + 1) * config.gradient_accumulation - 1
        fix = f"For {asked} set training.negatives: {asked} and gradient_accumulation: 1"
        text = f"gradient_accumulation adds no negatives: each anchor sees {found}, not {asked}"
        warnings.append(f"{text}. {fix}; the cached loss saves the memory.")
    if short:
        warnings.append(
            f"a batch holds all {load.distinct or load.pairs} different pairs: each anchor sees {found} negatives"
        )
    return warnings


def learning_rate(config: TrainingConfig, size: Size) -> float:
    """The recipe's, or one by the model's size."""
    return config.learning_rate or next(rate for limit, rate in RATES if size.parameters <= limit)


def measure(model: Any) -> Size:
    """The size of a loaded sentence-transformers model."""
    config = model[0].auto_model.config
    tables = sum(table.weight.numel() for table in model.modules() if type(table).__name__ == "Embedding")
    total = sum(weight.numel() for weight in model.parameters())
    return Size(total, int(config.num_hidden_layers), int(config.hidden_size), tables)

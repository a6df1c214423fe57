"""What is tried again, and how: memory that ran out, a loss that is no number. Everything else ends the step."""

from __future__ import annotations

from dataclasses import replace

from components.store.errors import TouchstoneError
from components.training.job import Attempt
from components.training.planner import LEAST_TOKENS

SLOWER = 2
"""The learning rate is halved at most so often."""


def again(error: TouchstoneError, attempt: Attempt, tokens: int, *, cached: bool = True) -> tuple[Attempt, str] | None:
    """The next attempt and what is said about it, or None when the error stands.

    Less memory goes through the cached loss, which sees the same negatives. A smaller rate goes on from the last
    checkpoint: no weights that are no numbers are ever in one.

    Args:
        error: What ended the attempt.
        attempt: The one that ended.
        tokens: What went through the model at once.
        cached: Whether the cached loss may be used: with DeepSpeed its gradients are wrong.
    """
    number = attempt.number + 1
    if error.code == "OUT_OF_MEMORY" and cached and tokens > LEAST_TOKENS:
        less = max(LEAST_TOKENS, tokens // 2)
        text = f"memory ran out: once more with {less:,} tokens at once, the same negatives by the cached loss"
        return replace(attempt, number=number, tokens_at_once=less), text
    if error.code == "LOSS_NOT_FINITE" and attempt.slower < SLOWER:
        text = f"{error.what}: once more from the last good checkpoint, with half the learning rate"
        return replace(attempt, number=number, slower=attempt.slower + 1), text
    return None

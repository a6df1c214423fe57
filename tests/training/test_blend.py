"""How far to go from the base."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from components.store.errors import TouchstoneError
from components.training import blend
from components.training.job import Attempt
from components.training.recovery import again

QUERIES = 400
ALONE = [str(n) for n in range(QUERIES)]


def scores(*means: float) -> dict[float, np.ndarray]:
    """Scores that differ between steps by the same on every query, but for noise of .1."""
    noise = [np.random.default_rng(n).normal(0, 0.1, QUERIES) for n in range(len(means))]
    drawn = [one - one.mean() for one in noise]
    return {step: mean + one for step, mean, one in zip(blend.STEPS, means, drawn, strict=True)}


@pytest.mark.parametrize(
    ("means", "chosen"),
    [
        ((0.5, 0.55, 0.6, 0.65, 0.7), 1.0),
        ((0.5, 0.6, 0.698, 0.699, 0.7), 0.5),
        ((0.5, 0.6, 0.7, 0.6, 0.5), 0.5),
        ((0.7, 0.6, 0.5, 0.4, 0.3), 0.0),
        ((0.699, 0.7, 0.7, 0.7, 0.7), 0.0),
    ],
)
def test_the_smallest_step_that_dev_cannot_tell_from_the_best(means, chosen):
    assert blend.choose(scores(*means), ALONE) == chosen


def test_queries_of_one_cluster_are_one_witness():
    together = ["a"] * (QUERIES // 2) + ["b"] * (QUERIES // 2)
    lost = np.concatenate([np.full(QUERIES // 2, 0.1), np.full(QUERIES // 2, -0.06)])
    assert blend.standard_error(lost, together) > 5 * blend.standard_error(lost, ALONE)
    known = {0.0: np.full(QUERIES, 0.5) - lost, 1.0: np.full(QUERIES, 0.5)}
    assert (blend.choose(known, together), blend.choose(known, ALONE)) == (0.0, 1.0)


def test_the_way_begins_at_the_base_and_ends_at_the_tuned_model():
    base, tuned = (
        {"w": torch.tensor([0.0, 1.0]), "n": torch.tensor([3])},
        {"w": torch.tensor([1.0, 3.0]), "n": torch.tensor([3])},
    )
    assert blend.weights(base, tuned, 0.0) is base and blend.weights(base, tuned, 1.0) is tuned
    assert torch.equal(blend.weights(base, tuned, 0.25)["w"], torch.tensor([0.25, 1.5]))
    assert torch.equal(blend.weights(base, tuned, 0.25)["n"], torch.tensor([3]))


def tried(code: str, tokens: int = 8192) -> list[Attempt]:
    """Every attempt until the error stands."""
    attempts, attempt = [], Attempt()
    while found := again(TouchstoneError(code, "it failed"), attempt, attempt.tokens_at_once or tokens):
        attempt = found[0]
        attempts.append(attempt)
    return attempts


def test_memory_that_ran_out_is_halved_down_to_a_floor():
    assert [one.tokens_at_once for one in tried("OUT_OF_MEMORY")] == [4096, 2048, 1024]


def test_a_loss_that_is_no_number_halves_the_rate_twice():
    assert [one.slower for one in tried("LOSS_NOT_FINITE")] == [1, 2]


def test_other_errors_stand():
    assert tried("WRONG_DEVICES") == []

"""What a configuration really does."""

from __future__ import annotations

import pytest

from components.store.errors import UserError
from components.training.config import TrainingConfig
from components.training.planner import Load, Plan, Size, learning_rate, plan

SMALL, MIDDLE = Size(22_700_000, 6, 384, 11_900_000), Size(109_500_000, 12, 768, 23_800_000)
GIGABYTE = 1e9


def planned(config: dict, pairs: int = 6400, processes: int = 1, **known: object) -> Plan:
    return plan(TrainingConfig(**config), Load(pairs, **known), processes)


@pytest.mark.parametrize(
    ("config", "processes", "steps", "negatives"),
    [
        ({"batch_size": 64}, 1, 100, 63),
        ({"batch_size": 16, "gradient_accumulation": 4}, 1, 100, 15),
        ({"batch_size": 64}, 4, 25, 255),
        ({"batch_size": 64, "steps": 7}, 1, 7, 63),
        ({"negatives": 255}, 1, 25, 255),
        ({"negatives": 255}, 4, 25, 255),
        ({"negatives": 255, "batch_size": 8}, 2, 25, 255),
        ({"negatives": 256}, 2, 25, 257),
    ],
)
def test_negatives_of_one_batch_over_all_processes_count(config, processes, steps, negatives):
    found = planned(config, processes=processes)
    assert (found.steps, found.true_negatives) == (steps, negatives)


def test_hard_negatives_are_negatives_of_the_whole_batch():
    assert planned({"batch_size": 64}, negatives=4).true_negatives == 64 * 5 - 1
    assert planned({"negatives": 255}, negatives=3).batch == 64


def test_accumulation_is_told_what_it_does_not_do():
    (warning,) = planned({"batch_size": 16, "gradient_accumulation": 4}).warnings
    assert "adds no negatives: each anchor sees 15, not 63" in warning
    assert "training.negatives: 63" in warning
    assert planned({"batch_size": 64}).warnings == ()


def test_a_batch_larger_than_the_data_is_cut_and_told():
    found = planned({"batch_size": 64}, pairs=10)
    assert (found.batch, found.steps, found.true_negatives) == (10, 1, 9)
    assert "holds all 10" in found.warnings[0]


@pytest.mark.parametrize(("load", "processes"), [(Load(0), 1), (Load(1), 1), (Load(500, distinct=1), 1), (Load(7), 4)])
def test_too_little_to_tell_apart_is_refused(load, processes):
    with pytest.raises(UserError) as found:
        plan(TrainingConfig(), load, processes)
    assert found.value.code == "TOO_FEW_PAIRS"


@pytest.mark.parametrize(("free", "cached"), [(80 * GIGABYTE, False), (8 * GIGABYTE, True), (3 * GIGABYTE, True)])
def test_what_does_not_fit_goes_through_the_cached_loss_with_the_same_negatives(free, cached):
    found = plan(TrainingConfig(negatives=511), Load(6400, tokens=300.0), 1, size=MIDDLE, free=free)
    assert (found.cached, found.true_negatives) == (cached, 511)
    if cached:
        assert found.tokens_at_once and MIDDLE.activations(found.tokens_at_once) < free


def test_a_budget_of_the_recipe_is_kept():
    found = plan(TrainingConfig(tokens_at_once=2048), Load(6400, tokens=100.0), 1, size=SMALL, free=80 * GIGABYTE)
    assert (found.cached, found.tokens_at_once) == (True, 2048)
    assert not plan(TrainingConfig(tokens_at_once=99_999), Load(6400, tokens=100.0), 1, size=SMALL).cached


def test_deepspeed_and_the_cached_loss_are_refused_together():
    with pytest.raises(UserError, match="issue 3173"):
        TrainingConfig.parse({"deepspeed": "zero2", "tokens_at_once": 4096}, where="training")
    assert not plan(TrainingConfig(deepspeed="zero2"), Load(64, tokens=1e6), 1, size=MIDDLE, free=GIGABYTE).cached


def test_the_rate_falls_with_the_size():
    rates = [learning_rate(TrainingConfig(), Size(size, 1, 1)) for size in (22_000_000, 110_000_000, 335_000_000)]
    assert rates == sorted(rates, reverse=True) and len(set(rates)) == 3
    assert learning_rate(TrainingConfig(learning_rate=3e-4), SMALL) == 3e-4

"""ZeRO-2, as far as it goes without training: the campaign trains with it."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from components.store.errors import TouchstoneError, UserError
from components.training import zero
from components.training.__main__ import typed
from components.training.config import TrainingConfig
from components.training.job import Attempt
from components.training.launch import launch
from components.training.recovery import again

ZERO = TrainingConfig(deepspeed="zero2")


def test_a_library_that_is_missing_is_told_before_anything_is_loaded(data, tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "deepspeed" else found(name))
    with pytest.raises(UserError, match=r"\[deepspeed\]") as raised:
        launch(data, "2", ZERO, tmp_path / "candidate")
    assert raised.value.code == "NO_DEEPSPEED"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    zero.require(TrainingConfig(), 1)


def test_one_process_has_nothing_to_shard(data, tmp_path):
    with pytest.raises(UserError) as raised:
        launch(data, "1", ZERO, tmp_path / "candidate")
    assert raised.value.code == "NOTHING_TO_SHARD"


def test_memory_that_runs_out_never_leads_to_the_cached_loss():
    error = typed(torch.OutOfMemoryError("tried to allocate"), sharded=True)
    assert (error.code, "training.negatives" in error.fix, "tokens_at_once" in error.fix) == (
        "OUT_OF_MEMORY",
        True,
        False,
    )
    assert again(error, Attempt(), 1 << 20, cached=False) is None
    assert again(error, Attempt(), 1 << 20) is not None
    assert again(TouchstoneError("LOSS_NOT_FINITE", "no number"), Attempt(), 0, cached=False) is not None


def test_weights_stay_in_32_bit():
    assert zero.settings("bf16")["torch_autocast"]["enabled"]
    assert not zero.settings("fp16")["torch_autocast"]["enabled"]
    assert not {"bf16", "fp16"} & zero.settings("bf16").keys(), "DeepSpeed's own would save rounded weights"

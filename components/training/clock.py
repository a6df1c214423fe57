"""A trainer that keeps the time, for a trial of a few steps."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from sentence_transformers.base.sampler import DefaultBatchSampler
from torch.utils.data import SequentialSampler

from components.training.fit import Fit

LEAST, SECONDS = 3, 20.0
"""Steps at least; and when they have taken so long, no more."""


@dataclass
class Clock:
    """Seconds by what they went into: in the trial, and in the training that it stands for."""

    spent: dict[str, float] = field(default_factory=dict)
    whole: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def time(self, name: str, scale: float) -> Iterator[None]:
        """What is done here takes `scale` times as long in the training."""
        start = time.monotonic()
        yield
        self.add(name, time.monotonic() - start, scale)

    def add(self, name: str, seconds: float, scale: float) -> None:
        """So many seconds, of which the training has `scale` times as many."""
        self.spent[name] = self.spent.get(name, 0.0) + seconds
        self.whole[name] = self.whole.get(name, 0.0) + seconds * scale


class Measured(Fit):
    """A trainer that goes through its rows in their order, and keeps the time."""

    def __init__(self, **known: Any) -> None:
        """Train what `known` says, without dev."""
        super().__init__(judge=None, mirror=None, **known)
        self.passes: list[float] = []
        self.saving = 0.0

    def get_batch_sampler(self, dataset: Any, batch_size: int, drop_last: bool, *_: Any, **__: Any) -> Any:
        """The rows, one batch after the other."""
        return DefaultBatchSampler(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last)

    def training_step(self, *given: Any, **known: Any) -> torch.Tensor:
        """Forward and backward; asks for the end when enough was measured."""
        start = time.monotonic()
        loss = super().training_step(*given, **known)
        if loss.is_cuda:
            torch.cuda.synchronize()
        self.passes.append(time.monotonic() - start)
        if len(self.passes) >= LEAST and sum(self.passes) > SECONDS:
            self.watch.job.stop.touch()
        return loss

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        start = time.monotonic()
        super()._save_checkpoint(model, trial)
        self.saving = time.monotonic() - start

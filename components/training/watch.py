"""What happens between the steps: telling, measuring, saving, and noticing what has gone wrong."""

from __future__ import annotations

import math
import signal
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import TrainerCallback

from components.store.errors import TouchstoneError
from components.store.events import Progress
from components.training.job import Job
from components.training.planner import Plan, Size
from components.training.world import World

PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12, "A10G": 70e12, "A10": 125e12}
"""Dense bf16 operations a second of GPUs, by their data sheets; what MFU is a part of."""


@dataclass
class Meter:
    """What training did so far.

    Attributes:
        losses: Step, loss, learning rate.
        tokens: Tokens of texts that went through the model once, padding left out.
    """

    losses: list[tuple[int, float, float]] = field(default_factory=list)
    tokens: int = 0
    recent: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=20))

    def rate(self) -> float:
        """Tokens a second over the last steps."""
        if len(self.recent) < 2:
            return 0.0
        (begin, first), (end, last) = self.recent[0], self.recent[-1]
        return (last - first) / max(end - begin, 1e-9)


class Watch(TrainerCallback):
    """Follows a training of some plan in one process.

    Attributes:
        interrupted: It was told to end and has saved its work.
        steps: Where it stands.
    """

    def __init__(
        self, job: Job, world: World, plan: Plan, size: Size, meter: Meter, dev: list[tuple[int, float]]
    ) -> None:
        """Follow a training; `dev` is the curve that is told of."""
        self.job, self.world, self.plan, self.size, self.meter, self.dev = job, world, plan, size, meter, dev
        self.every = max(1, plan.steps // job.config.evaluations)
        self.interrupted = self._told = False
        self.steps = 0
        self.progress: Progress | None = None
        signal.signal(signal.SIGTERM, self._end)

    def _end(self, *_: object) -> None:
        self._told = True

    def on_train_begin(self, args: Any, state: Any, control: Any, **known: Any) -> None:
        """Set the rate of this attempt, whatever a checkpoint brought along; it may be one of the last step."""
        self.steps = state.global_step
        for group in known["optimizer"].param_groups:
            group["initial_lr"] = args.learning_rate
        scheduler = getattr(known["lr_scheduler"], "scheduler", known["lr_scheduler"])  # DeepSpeed's stands around it
        scheduler.base_lrs = [args.learning_rate] * len(scheduler.base_lrs)
        for group, rate in zip(known["optimizer"].param_groups, _rates(scheduler), strict=True):
            group["lr"] = rate
        self.progress = Progress(self.plan.steps * self.plan.pairs_per_step, "pairs")
        self.progress.done = state.global_step * self.plan.pairs_per_step

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Keep the loss."""
        if logs and "loss" in logs:
            self.meter.losses.append((state.global_step, float(logs["loss"]), float(logs["learning_rate"])))
            check_finite(float(logs["loss"]), state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """One step further: the curve's points and the end are measured and saved."""
        step = self.steps = state.global_step
        control.should_evaluate = step % self.every == 0 or step >= self.plan.steps
        control.should_save = control.should_evaluate
        if self.world.any(self._told or self.job.stop.exists()):
            self.interrupted = control.should_save = control.should_training_stop = True
        control.should_log |= control.should_save
        self.meter.recent.append((time.monotonic(), self.meter.tokens))
        if self.progress:
            self.progress.add(self.plan.pairs_per_step, self._line(step))

    def _line(self, step: int) -> str:
        """What stands beside the bar."""
        tokens = self.meter.rate() * self.world.size
        parts = [f"step {step}/{self.plan.steps}"]
        if self.meter.losses:
            _, loss, rate = self.meter.losses[-1]
            parts.append(f"loss {loss:.3f} at {rate:.1e}")
        parts += [f"{tokens / 1000:,.1f}k tokens/s"] if tokens else []
        parts += [f"MFU {mfu:.0%}"] if (mfu := self.mfu()) else []
        return ", ".join([*parts, f"dev nDCG@10 {self.dev[-1][1]:.3f}"])

    def mfu(self) -> float | None:
        """Part of the GPU's dense bf16 peak that the last steps used; None without a GPU that is known."""
        if self.world.device == "cpu":
            return None
        name = torch.cuda.get_device_name()
        peak = next((peak for known, peak in PEAKS.items() if known in name), None)
        return self.size.flops(self.meter.rate()) / peak if peak else None


def _rates(scheduler: Any) -> list[float]:
    """The rates of the step that the scheduler stands at."""
    step = scheduler.last_epoch
    return [base * factor(step) for base, factor in zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)]


def check_finite(loss: float, step: int) -> None:
    """Refuse a loss that is no number.

    Raises:
        TouchstoneError: LOSS_NOT_FINITE.
    """
    if not math.isfinite(loss):
        fix = "Lower training.learning_rate."
        raise TouchstoneError("LOSS_NOT_FINITE", f"the loss is {loss} at step {step}", fix=fix)

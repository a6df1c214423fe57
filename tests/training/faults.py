"""One training process in which something goes wrong: `python -m tests.training.faults JOB.json FAULT`.

Faults: `memory:N` (the activations of more than N tokens do not fit), `number:N` (the weights are no numbers after
step N, unless the rate was halved), `hang:N`, `kill:N` (the last process, after step N), `torn:N` (killed while a
checkpoint after step N is being written), `disk` (full when a checkpoint is sealed).
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any


def last() -> bool:
    """Whether this is the process with the highest number."""
    return int(os.environ.get("RANK", "0")) == int(os.environ.get("WORLD_SIZE", "1")) - 1


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def after(step: int, act: Any) -> None:
    """Do it in this process when that step is over."""
    from components.training.watch import Watch

    known = Watch.on_step_end

    def wrapped(self: Any, args: Any, state: Any, control: Any, **rest: Any) -> None:
        if state.global_step == step:
            act(rest["model"])
        known(self, args, state, control, **rest)

    Watch.on_step_end = wrapped  # type: ignore[method-assign]


def memory(limit: int) -> None:
    """Raise as torch does once more tokens than that wait for their backward pass."""
    import torch

    known, waiting = torch.nn.functional.embedding, [0]

    def embedding(ids: Any, table: Any, *rest: Any, **named: Any) -> Any:
        found = known(ids, table, *rest, **named)
        if torch.is_grad_enabled() and len(table) > 1000:
            waiting[0] += ids.numel()
            found.register_hook(lambda _: waiting.__setitem__(0, waiting[0] - ids.numel()))
            if waiting[0] > limit:
                raise torch.OutOfMemoryError("tried to allocate")
        return found

    torch.nn.functional.embedding = embedding


def spoil(model: Any) -> None:
    import torch

    with torch.no_grad():
        next(weight for weight in model.parameters()).fill_(float("nan"))


def full(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def arm(fault: str, job: Path) -> None:
    """Set the fault."""
    from components.training import checkpoints, fit
    from components.training.job import Job

    kind, _, number = fault.partition(":")
    if kind == "memory":
        memory(int(number))
    elif kind == "number" and not Job.read(job).attempt.slower:
        after(int(number), spoil)
    elif kind == "hang":
        after(int(number), lambda _: time.sleep(600))
    elif kind == "kill" and last():
        after(int(number), lambda _: die())
    elif kind == "disk":
        fit.checkpoints.seal = full  # type: ignore[attr-defined]
    elif kind == "torn":
        known = checkpoints.seal
        fit.checkpoints.seal = (  # type: ignore[attr-defined]
            lambda folder, facts: die() if folder.name == f"checkpoint-{number}" else known(folder, facts)
        )


if __name__ == "__main__":
    from components.training.__main__ import main

    arm(sys.argv[2], Path(sys.argv[1]))
    sys.exit(main(sys.argv[1]))

"""One training process in which something goes wrong: `python -m tests.training.faults JOB.json FAULT`.

Faults: `memory:N` (the activations of more than N tokens do not fit), `number:N` (the weights are no numbers after
step N, unless the rate was halved), `numbers:N` (whatever the rate), `hang:N`, `kill:N` (the last process, after step
N), `term:N` (told to end after step N), `disk:N` (full when the checkpoint of step N is sealed). Killed while the
checkpoint of step N is being written: `files:N` (before anything of it is), `torn:N` (before its seal), `push:N`
(before its seal is in the mirror). `late:0` is killed when all steps are over.
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


def full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def tell() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def before(owner: Any, name: str, step: int, act: Any) -> None:
    """Do it in this process before that function is called with something of that checkpoint."""
    known = getattr(owner, name)

    def wrapped(*given: Any, **rest: Any) -> Any:
        if any(f"checkpoint-{step}" in str(one) for one in [*given, *rest.values()] if isinstance(one, str | Path)):
            act()
        return known(*given, **rest)

    setattr(owner, name, wrapped)


def arm(fault: str, job: Path) -> None:
    """Set the fault."""
    from components.training import checkpoints
    from components.training.fit import Fit
    from components.training.job import Job

    kind, number = fault.partition(":")[0], int(fault.partition(":")[2])
    if kind == "memory":
        return memory(number)
    acts = {"hang": lambda _: time.sleep(600), "term": lambda _: tell(), "numbers": spoil}
    acts |= {"number": spoil} if not Job.read(job).attempt.slower else {}
    acts |= {"kill": lambda _: die()} if last() else {}
    if kind in acts:
        after(number, acts[kind])
    places = {"files": (Fit, "_save"), "torn": (checkpoints, "seal"), "disk": (checkpoints, "seal")}
    if kind in places:
        before(*places[kind], number, full if kind == "disk" else die)
    if kind == "late":
        from components.training import trainer

        trainer.save = lambda *_: die()  # type: ignore[assignment]
    if kind == "push":
        mirror_seal(number)


def mirror_seal(step: int) -> None:
    """Die before the mirror has the seal of that checkpoint."""
    from components.store.s3 import Folder

    known = Folder.upload

    def upload(self: Folder, key: str, path: Path) -> Any:
        if key == f"checkpoint-{step}/seal.json":
            die()
        return known(self, key, path)

    Folder.upload = upload  # type: ignore[method-assign]


if __name__ == "__main__":
    from components.training.__main__ import main

    arm(sys.argv[2], Path(sys.argv[1]))
    sys.exit(main(sys.argv[1]))

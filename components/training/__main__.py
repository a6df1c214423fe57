"""One training process: `accelerate launch -m components.training JOB.json` (or torchrun, with the same arguments)."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import sys
import traceback
from pathlib import Path

from components.store.errors import TouchstoneError, unexpected
from components.training.job import Job


def main(path: str) -> int:
    """Run the job; a typed error is left where the launcher finds it."""
    job = Job.read(Path(path))
    if int(os.environ.get("RANK", "0")):
        os.environ["TOUCHSTONE_EVENTS"] = os.devnull
    try:
        _work(job)
    except TouchstoneError as error:
        return _leave(job, error)
    except Exception as error:
        sys.stderr.writelines(traceback.format_tb(error.__traceback__))
        return _leave(job, typed(error, sharded=job.config.deepspeed is not None))
    return 0


def _work(job: Job) -> None:
    """Train, or measure what training would take."""
    if job.trial:
        from components.training.trial import measure

        return measure(job)
    from components.training.trainer import train

    return train(job)


def typed(error: Exception, *, sharded: bool = False) -> TouchstoneError:
    """What a library's error means: memory or disk that ran out, or something nobody foresaw.

    Args:
        error: What the library raised.
        sharded: DeepSpeed trains, with which the cached loss does not work.
    """
    import torch

    text = str(error)
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        less = "training.negatives or training.batch_size" if sharded else "training.tokens_at_once"
        fix = f"Set {less} lower than it was, or take a machine with more memory."
        return TouchstoneError("OUT_OF_MEMORY", "memory ran out while training", fix=fix)
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left on device" in text:
        fix = "Give the step more ephemeral storage: a checkpoint takes three times the weights."
        return TouchstoneError("DISK_FULL", "the disk was full while training saved its work", fix=fix)
    if isinstance(error, torch.distributed.DistError) or "by peer" in text:
        fix = "See the step's log for the process that ended first, and why."
        return TouchstoneError("TRAINING_DIED", "another training process died", fix=fix)
    return unexpected(error, "while training")


def _leave(job: Job, error: TouchstoneError) -> int:
    """The first error is the cause; what the other processes then run into is not."""
    with contextlib.suppress(FileExistsError), job.error.open("x") as out:
        json.dump(error.record(), out)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

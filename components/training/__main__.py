"""One training process: `accelerate launch -m components.training JOB.json` (or torchrun, with the same arguments)."""

from __future__ import annotations

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
    from components.training.trainer import train

    try:
        train(job)
    except TouchstoneError as error:
        return _leave(job, error)
    except Exception as error:
        sys.stderr.writelines(traceback.format_tb(error.__traceback__))
        return _leave(job, typed(error))
    return 0


def typed(error: Exception) -> TouchstoneError:
    """What a library's error means: memory or disk that ran out, or something nobody foresaw."""
    import torch

    text = str(error)
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in text:
        fix = "Set training.tokens_at_once lower than it was, or take a machine with more memory."
        return TouchstoneError("OUT_OF_MEMORY", "memory ran out while training", fix=fix)
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left on device" in text:
        fix = "Give the step more ephemeral storage: a checkpoint takes three times the weights."
        return TouchstoneError("DISK_FULL", "the disk was full while training saved its work", fix=fix)
    return unexpected(error, "while training")


def _leave(job: Job, error: TouchstoneError) -> int:
    job.error.write_text(json.dumps(error.record()))
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

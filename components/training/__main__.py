"""One training process: `accelerate launch -m components.training JOB.json` (or torchrun, with the same arguments)."""

from __future__ import annotations

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
        return _leave(job, unexpected(error, "while training"))
    return 0


def _leave(job: Job, error: TouchstoneError) -> int:
    job.error.write_text(json.dumps(error.record()))
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

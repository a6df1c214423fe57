"""One training process: `accelerate launch -m components.training JOB.json` (or torchrun, with the same arguments)."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from components.store.errors import TouchstoneError
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
        job.error.write_text(json.dumps(error.record()))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))

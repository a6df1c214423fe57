"""One node of a TrainJob: `python -m components.training.node s3://.../cache/trainjobs/NAME ATTEMPT`.

Kubeflow Trainer tells torchrun by PET_* variables who the nodes are (trainer v2.3,
`pkg/runtime/framework/plugins/torch`); `accelerate launch` does not read them. The node fetches what is trained,
starts its processes and watches over them as the step does on one machine; the first one leaves the model.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from pathlib import Path

from components.store.errors import TouchstoneError, unexpected
from components.store.events import emit, environment
from components.training.job import Job
from components.training.launch import run
from components.training.parcel import Parcel


def main(address: str, attempt: int) -> int:
    """Train; a typed error is left in the parcel, and told in the log for the case that the state cannot be reached."""
    os.environ.update(environment())
    with tempfile.TemporaryDirectory() as work:
        try:
            _train(Parcel(address), attempt, Path(work))
        except TouchstoneError as error:
            emit("error", str(error), error=error.record())
            return error.exit_code
        except Exception as error:
            sys.stderr.writelines(traceback.format_tb(error.__traceback__))
            emit("error", error=unexpected(error, "on a node").record())
            return 1
    return 0


def _train(parcel: Parcel, attempt: int, work: Path) -> None:
    node = int(os.environ["PET_NODE_RANK"])
    job = parcel.receive(attempt, work)
    try:
        run(command(job), job, leaves_model=node == 0)
    except TouchstoneError as error:
        parcel.fail(job, node, error)
        raise
    if node == 0:
        parcel.deliver(job)


def command(job: Job) -> list[str]:
    """The command line of this node's processes; everything about the others is in PET_* variables."""
    return [sys.executable, "-m", "torch.distributed.run", "-m", "components.training", str(job.write())]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))

"""Two machines of one process each, started as a TrainJob starts them: `python -m tests.training.machines JOB [FAULT]`.

Kubeflow Trainer sets PET_* variables, which torchrun reads in place of arguments (trainer v2.3,
`pkg/runtime/framework/plugins/torch`). The machines share no disk: each has a work folder of its own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from components.training.job import Job


def main(path: str, *fault: str) -> int:
    """Start both and wait; the first leaves its model in the job's folder, the second has `second/` there."""
    job = Job.read(Path(path))
    (job.work / "second").mkdir(exist_ok=True)
    paths = [job.write(), replace(job, work=job.work / "second").write()]
    module = "tests.training.faults" if fault else "components.training"
    torchrun, port = str(Path(sys.executable).with_name("torchrun")), _free_port()
    line = [torchrun, "-m", module]
    machines = [subprocess.Popen([*line, str(one), *fault], env=variables(n, port)) for n, one in enumerate(paths)]
    return max(abs(machine.wait()) for machine in machines)


def variables(machine: int, port: int) -> dict[str, str]:
    """What the controller puts into the container of a machine."""
    given = {"NNODES": "2", "NPROC_PER_NODE": "1", "NODE_RANK": str(machine)}
    given |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    one_thread = {"OMP_NUM_THREADS": "1"}  # as torchrun has it with two processes on a machine: the same sums
    return os.environ | one_thread | {f"PET_{name}": value for name, value in given.items()}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

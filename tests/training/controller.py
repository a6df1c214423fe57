"""What plays Kubeflow Trainer for the API server of the tests: nodes that are told of, or nodes that really run."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from components.training.parcel import Parcel
from tests.servers.kubernetes_api import Kubernetes

ROOT = Path(__file__).parents[2]


def parcel(job: dict[str, Any]) -> tuple[Parcel, int]:
    """The parcel that a TrainJob's command names, and the attempt."""
    *_, address, attempt = job["spec"]["trainer"]["command"]
    return Parcel(address), int(attempt)


def start(server: Kubernetes, job: dict[str, Any], phase: str = "Running") -> str:
    """Have both nodes; the first one's pod."""
    name = job["metadata"]["name"]
    for index in range(2):
        server.has_pod(f"{name}-node-0-{index}", job=name, index=index, phase=phase)
    server.put(job)
    return f"{name}-node-0-0"


def succeed(server: Kubernetes, job: dict[str, Any]) -> None:
    """Nodes that say three things and leave a model."""
    pod = start(server, job)
    for number in range(3):
        server.says(pod, json.dumps({"event": "progress", "message": f"step {number}"}))
    deliver(job)
    server.ends(job, "Complete")


def deliver(job: dict[str, Any]) -> None:
    """Leave a model as the first node does."""
    sent, attempt = parcel(job)
    with tempfile.TemporaryDirectory() as work:
        received = sent.receive(attempt, Path(work))
        received.model.mkdir()
        (received.model / "training.json").write_text("{}")
        sent.deliver(received)


def train(server: Kubernetes, job: dict[str, Any]) -> None:
    """Run the nodes as processes of this machine, with the variables that Trainer's torch plugin sets."""
    trainer, pod = job["spec"]["trainer"], start(server, job)
    given = {"NNODES": trainer["numNodes"], "NPROC_PER_NODE": trainer["numProcPerNode"]}
    given |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    known = {one["name"]: one["value"] for one in trainer["env"] if "value" in one}
    known |= {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    known |= {f"PET_{name}": str(value) for name, value in given.items()}
    nodes = [
        subprocess.Popen(
            trainer["command"],
            env=os.environ | known | {"PET_NODE_RANK": str(rank)},
            cwd=ROOT,
            text=True,
            stdout=subprocess.DEVNULL if rank else subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for rank in range(trainer["numNodes"])
    ]
    with nodes[0]:
        for line in nodes[0].stdout or []:
            server.says(pod, line.rstrip("\n"))
    failed = any(node.wait() for node in nodes)
    server.ends(job, "Failed" if failed else "Complete", "JobsFailed" if failed else "JobsCompleted")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

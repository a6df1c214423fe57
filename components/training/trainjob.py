"""The TrainJob: what a cluster is asked for, and what it answers about it. No client, no cluster: plain objects.

Kubeflow Trainer 2.2 and newer (`trainer.kubeflow.org/v1alpha1`). What a runtime may be patched with is in its API's
`RuntimePatch`; the variables of the container `node` go into `spec.trainer`, everything else of the pod into the patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from components.store.digests import digest
from components.training.config import NodesConfig

GROUP, VERSION, PLURAL = "trainer.kubeflow.org", "v1alpha1", "trainjobs"
COMPONENT = {"touchstone.dev/component": "train-node"}
"""The label by which network policies know the nodes' pods."""
MANAGER = "touchstone.dev/launcher"
SPEC = "touchstone.dev/spec"
"""The annotation that tells one TrainJob of a name from another."""
NODE = "node"
"""What Trainer calls the replicated job, and its container, that train."""
ISTIO = {"sidecar.istio.io/inject": "false"}
"""A sidecar comes between the nodes: their rendezvous fails (kubeflow/trainer issues 2794 and 2872)."""


@dataclass(frozen=True)
class Pod:
    """What the nodes take over from the step's own pod.

    Attributes:
        image: Its image, by digest where the pipeline was compiled so.
        environment: Variables as Kubernetes writes them, secrets by reference.
        pull_secrets: Names of the secrets that images are pulled with.
    """

    image: str
    environment: Sequence[dict[str, Any]] = ()
    pull_secrets: Sequence[str] = ()


def build(name: str, nodes: NodesConfig, gpus: int, command: list[str], pod: Pod) -> dict[str, Any]:
    """The TrainJob of that name.

    Args:
        name: Its name, at most 40 characters: those of pods and services are made of it.
        nodes: The recipe's part.
        gpus: GPUs of each node; 0 for the processor.
        command: What each node runs.
        pod: What is taken over.
    """
    trainer: dict[str, Any] = {"image": pod.image, "command": command, "numNodes": nodes.count}
    trainer |= {"numProcPerNode": max(1, gpus), "env": list(pod.environment)}
    if resources := _resources(nodes, gpus):
        trainer["resourcesPerNode"] = {"requests": resources, "limits": resources}
    spec = {
        "runtimeRef": {"apiGroup": GROUP, "kind": nodes.runtime_kind, "name": nodes.runtime},
        "activeDeadlineSeconds": int(nodes.hours * 3600),
        "trainer": trainer,
        "runtimePatches": [{"manager": MANAGER, "trainingRuntimeSpec": _patch(nodes, pod)}],
    }
    queue = {"kueue.x-k8s.io/queue-name": nodes.queue} if nodes.queue else {}
    labels = {**COMPONENT, **queue}
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "TrainJob",
        "metadata": {"name": name, "labels": labels, "annotations": {SPEC: digest([labels, spec])}},
        "spec": spec,
    }


def same(found: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a TrainJob on the cluster is the one we would make; what admission filled in does not matter."""
    known = found["metadata"].get("annotations") or {}
    return bool(known.get(SPEC) == wanted["metadata"]["annotations"][SPEC])


def condition(job: dict[str, Any], kind: str) -> dict[str, str] | None:
    """The condition of that type, if it holds."""
    known = (job.get("status") or {}).get("conditions") or []
    return next((one for one in known if one["type"] == kind and one["status"] == "True"), None)


def _resources(nodes: NodesConfig, gpus: int) -> dict[str, str]:
    return nodes.resources and nodes.resources | ({"nvidia.com/gpu": str(gpus)} if gpus else {})


def _patch(nodes: NodesConfig, pod: Pod) -> dict[str, Any]:
    """What the runtime's pods are besides: labels, account, secrets to pull with."""
    spec: dict[str, Any] = {"serviceAccountName": nodes.service_account} if nodes.service_account else {}
    if pod.pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in pod.pull_secrets]
    template: dict[str, Any] = {"metadata": {"labels": {**COMPONENT, **ISTIO}}} | ({"spec": spec} if spec else {})
    replicated = {"name": NODE, "template": {"spec": {"template": template}}}
    return {"template": {"spec": {"replicatedJobs": [replicated]}}}

"""The object that a cluster is asked for."""

from __future__ import annotations

from typing import Any

import pytest
from kubeflow_trainer_api.models import TrainerV1alpha1TrainJob

from components.store.errors import UserError
from components.training import trainjob
from components.training.config import NodesConfig, TrainingConfig
from components.training.trainjob import Pod

COMMAND = ["python", "-m", "components.training.node", "s3://state/cache/trainjobs/name", "0"]
SECRET = {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "store", "key": "id", "optional": True}}}
POD = Pod("registry/train@sha256:00", [SECRET, {"name": "AWS_DEFAULT_REGION", "value": "eu-central-1"}], ["pull"])
FULL = NodesConfig(
    count=4,
    runtime="touchstone-torch",
    runtime_kind="TrainingRuntime",
    resources={"cpu": "32", "memory": "256Gi"},
    service_account="touchstone-train",
    queue="gpu",
    hours=36.5,
)


@pytest.mark.parametrize("nodes", [NodesConfig(count=2), FULL])
def test_trainers_own_models_know_every_field(nodes: NodesConfig) -> None:
    job = trainjob.build("touchstone-0123456789abcdef-0", nodes, 8, COMMAND, POD)
    assert TrainerV1alpha1TrainJob.from_dict(job).to_dict() == job, "a field that the models do not know is dropped"


def test_what_is_asked_for() -> None:
    job = trainjob.build("name", FULL, 8, COMMAND, POD)
    spec, pods = job["spec"], pod_patch(job)
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpu"
    assert spec["runtimeRef"] == {"apiGroup": trainjob.GROUP, "kind": "TrainingRuntime", "name": "touchstone-torch"}
    assert (spec["activeDeadlineSeconds"], spec["trainer"]["numNodes"]) == (131_400, 4)
    assert spec["trainer"]["numProcPerNode"] == 8
    assert spec["trainer"]["resourcesPerNode"]["limits"] == {"cpu": "32", "memory": "256Gi", "nvidia.com/gpu": "8"}
    assert pods["metadata"]["labels"]["sidecar.istio.io/inject"] == "false", "a sidecar comes between the nodes"
    assert pods["metadata"]["labels"]["touchstone.dev/component"] == "train-node", "network policies know it by this"
    assert pods["spec"]["serviceAccountName"] == "touchstone-train"


def test_a_processor_is_one_process_whatever_the_runtime_counts() -> None:
    trainer = trainjob.build("name", NodesConfig(count=2), 0, COMMAND, POD)["spec"]["trainer"]
    assert trainer["numProcPerNode"] == 1, "left to itself, Trainer takes the number of cores"
    assert "resourcesPerNode" not in trainer, "it would replace all that the runtime says"


def test_variables_go_to_the_trainer_secrets_by_reference() -> None:
    job = trainjob.build("name", FULL, 8, COMMAND, POD)
    assert job["spec"]["trainer"]["env"][0] == SECRET
    assert "containers" not in pod_patch(job)["spec"], "Trainer refuses variables of the container node there"


def test_one_of_another_spec_is_another() -> None:
    wanted = trainjob.build("name", FULL, 8, COMMAND, POD)
    filled = {**wanted, "spec": wanted["spec"] | {"suspend": False, "managedBy": "somebody"}}
    assert trainjob.same(filled, wanted), "what admission fills in is no difference"
    assert not trainjob.same(trainjob.build("name", NodesConfig(count=2), 8, COMMAND, POD), wanted)
    assert not trainjob.same({"metadata": {"name": "name"}}, wanted)


@pytest.mark.parametrize("nodes", [{"count": 1}, {"count": 2, "runtime": "A B"}, {"count": 2, "queue": "{{x}}"}, {}])
def test_nodes_that_cannot_be(nodes: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="nodes"):
        TrainingConfig.parse({"nodes": nodes}, where="training")


def pod_patch(job: dict[str, Any]) -> dict[str, Any]:
    """What the pods of the job's nodes are patched with."""
    template = job["spec"]["runtimePatches"][0]["trainingRuntimeSpec"]["template"]
    found: dict[str, Any] = template["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]
    return found

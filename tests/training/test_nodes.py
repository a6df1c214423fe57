"""The launcher of TrainJobs, by the real client, against an API server on loopback and a real object store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kubernetes.config import incluster_config

from components.store.errors import TouchstoneError, TransientError, UserError
from components.store.models import Model
from components.store.s3 import Folder
from components.training import cluster, node_log, nodes, waiting
from components.training.config import NodesConfig, TrainingConfig
from components.training.job import Attempt, Data, Job
from components.training.launch import launch
from components.training.nodes import identity, train
from components.training.parcel import Parcel
from tests.servers.kubernetes_api import Fault, Kubernetes, kubernetes
from tests.training import controller

CREATE, TRAINJOB, PODS, LOG = "POST .*/trainjobs", "GET .*/trainjobs/.*", "GET .*/pods", "GET .*/log"
WATCH = r"GET .*/trainjobs\?watch"
QUICK = TrainingConfig(
    steps=4, batch_size=16, learning_rate=3e-3, temperature=0.05, evaluations=2, dev_documents=60, blend=False,
    nodes=NodesConfig(count=2, wait_minutes=0.01),
)  # fmt: skip
VARIABLES = [
    {"name": "AWS_DEFAULT_REGION", "value": "eu-central-1"},
    {"name": "AWS_SECRET_ACCESS_KEY", "valueFrom": {"secretKeyRef": {"name": "store", "key": "key"}}},
    {"name": "AWS_ROLE_ARN", "value": "arn:aws:iam::0:role/run"},
    {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "read"}}},
]

ROOT = Path(__file__).parents[2]
Plays = Callable[[Kubernetes, dict[str, Any]], None]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pauses for people."""
    for module, name, value in [
        (cluster, "PAUSE", 0.01),
        (cluster, "PATIENCE", 1.0),
        (node_log, "PAUSE", 0.05),
        (nodes, "ROUND", 0.5),
        (nodes, "SETTLE", 0.5),
        (waiting, "GRACE", 0.3),
    ]:
        monkeypatch.setattr(module, name, value)
    monkeypatch.setenv("TOUCHSTONE_RUN", "run-1")


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kubernetes]:
    """The API as a pod of a run finds it; every TrainJob leaves a model."""
    with kubernetes(tmp_path / "account", controller.succeed) as server:
        server.has_pod("step")
        server.pods["step"]["spec"]["containers"][0]["env"] = VARIABLES
        for name, value in variables(server).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(tmp_path / "account" / "token"))
        monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(tmp_path / "account" / "ca.crt"))
        yield server


def variables(server: Kubernetes) -> dict[str, str]:
    """What Kubernetes sets in a pod."""
    known = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.server_address[1])}
    return known | {"HOSTNAME": "step"}


@pytest.fixture
def job(data: Data, tmp_path: Path) -> Job:
    """What the step hands to the launcher."""
    (work := tmp_path / "work").mkdir()
    return Job(data, work, 2, 0, QUICK)


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """The events of this process."""
    monkeypatch.setenv("TOUCHSTONE_EVENTS", str(tmp_path / "events"))
    return lambda: [json.loads(line) for line in (tmp_path / "events").read_text().splitlines()]


def steps(events: list[dict[str, Any]]) -> list[str]:
    return [event["message"] for event in events if event["event"] == "progress"]


def test_two_nodes_train_and_the_step_has_the_candidate(
    api: Kubernetes, data: Data, place: str, tmp_path: Path
) -> None:
    api.plays = controller.train
    assert launch(data, "0", QUICK, tmp_path / "candidate", place) == "LEARNED"
    model = Model.open(tmp_path / "candidate")
    known = json.loads((model.path / "training.json").read_text())
    assert (known["processes"], known["true_negatives"], known["steps"]) == (2, 31, 4)
    assert known["dev_best"] > known["dev"][0][1], "it learned"
    assert known["signatures"]["texts"] > 0, "and remembers what it was trained on"
    assert api.deleted == [made["metadata"]["name"] for made in api.made]
    assert not list((Folder(place) / "cache/trainjobs").list()), "nothing is left in the state"


def test_the_nodes_get_the_way_to_the_store_and_no_identity(api: Kubernetes, job: Job, place: str) -> None:
    train(job, place)
    trainer = api.made[0]["spec"]["trainer"]
    assert trainer["image"] == "registry/train@sha256:00", "the step's own"
    found = {one["name"]: one for one in trainer["env"]}
    assert found["AWS_SECRET_ACCESS_KEY"] == VARIABLES[1], "a secret travels by name"
    assert found["TOUCHSTONE_RUN"]["value"] == "run-1"
    assert not found.keys() & {"AWS_ROLE_ARN", "HF_TOKEN"}


def test_the_first_nodes_log_is_told_once_through_lost_connections(
    api: Kubernetes, job: Job, place: str, told: Callable[[], list[dict[str, Any]]]
) -> None:
    def slowly(server: Kubernetes, made: dict[str, Any]) -> None:
        pod = controller.start(server, made)
        server.says(pod.replace("0-0", "0-1"), json.dumps({"event": "progress", "message": "another node"}))
        for number in range(6):
            server.says(pod, json.dumps({"event": "progress", "message": f"step {number}"}))
            time.sleep(0.1)
        controller.deliver(made)
        server.ends(made, "Complete")

    api.plays = slowly
    api.faults = [Fault(LOG, after=2), Fault(LOG, 500), Fault(LOG, 0), Fault(LOG, after=3)]
    train(job, place)
    assert steps(told()) == [f"step {number}" for number in range(6)]
    assert all(not fault.times for fault in api.faults), "each of them happened"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(CREATE, 503, times=3),
        Fault(CREATE, 500, done=True),  # it was made all the same: the second try finds it
        Fault(CREATE, 0, done=True),
        Fault(TRAINJOB, 500, times=4),
        Fault(TRAINJOB, 0),
        Fault(WATCH, 500, times=3),
        Fault(WATCH, after=0, times=3),
        Fault(PODS, 429, times=2),
        Fault("DELETE .*", 500, times=2),
    ],
    ids=lambda fault: f"{fault.where}-{fault.status}-{fault.done}",
)
def test_blips_are_lived_through(api: Kubernetes, job: Job, place: str, fault: Fault) -> None:
    api.faults = [fault]
    train(job, place)
    assert (job.model / "training.json").exists()
    assert len(api.made) == 1
    assert api.deleted == [api.made[0]["metadata"]["name"]]


def test_a_watch_whose_version_is_too_old_begins_again(api: Kubernetes, job: Job, place: str) -> None:
    def aged(server: Kubernetes, made: dict[str, Any]) -> None:
        server.forget()
        time.sleep(0.3)
        controller.succeed(server, made)

    api.plays = aged
    train(job, place)
    assert (job.model / "training.json").exists()


def test_a_change_is_seen_at_once_and_not_only_at_the_next_round(
    api: Kubernetes, job: Job, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "ROUND", 60.0)
    api.plays = lambda server, made: (time.sleep(0.3), controller.succeed(server, made))  # type: ignore[func-returns-value]
    train(job, place)
    assert sum(request.endswith("?watch") for request in api.asked) >= 1


def test_an_api_that_stays_silent(api: Kubernetes, job: Job, place: str) -> None:
    api.faults = [Fault(TRAINJOB, 503, times=1000)]
    with pytest.raises(TransientError, match="does not answer") as found:
        train(job, place)
    assert found.value.code == "CLUSTER_SILENT"


def test_a_try_takes_up_the_trainjob_that_a_killed_one_left(
    api: Kubernetes, job: Job, place: str, tmp_path: Path, told: Callable[[], list[dict[str, Any]]]
) -> None:
    api.plays = controller.start
    first = step_in_a_process(api, job, place, tmp_path)
    first.kill()
    first.communicate()
    threading.Timer(0.5, controller.succeed, (api, api.made[0])).start()
    train(job, place)
    assert (job.model / "training.json").exists()
    assert len(api.made) == 1, "it was not made again"
    assert any("taken up" in event["message"] for event in told())


def step_in_a_process(api: Kubernetes, job: Job, place: str, tmp_path: Path) -> subprocess.Popen[str]:
    """The launcher in a process of its own, which waits for its TrainJob."""
    line = [sys.executable, "-m", "tests.training.in_pod", str(tmp_path / "account"), str(job.write()), place]
    step = subprocess.Popen(line, cwd=ROOT, env=os.environ | variables(api), stderr=subprocess.PIPE, text=True)
    while not any(request.endswith("?watch") for request in api.asked):
        assert step.poll() is None, step.communicate()[1]
        time.sleep(0.05)
    return step


def test_a_trainjob_of_the_same_name_and_another_spec_is_left_alone(api: Kubernetes, job: Job, place: str) -> None:
    name = f"{identity(job)}-0"
    api.put({"metadata": {"name": name}, "spec": {}})
    with pytest.raises(TouchstoneError, match="something else") as found:
        train(job, place)
    assert found.value.code == "TRAINJOB_TAKEN"
    assert (api.deleted, list(api.jobs)) == ([], [name])


def test_a_model_that_an_earlier_try_could_not_collect(api: Kubernetes, job: Job, place: str) -> None:
    parcel = Parcel.of(place, identity(job))
    parcel.send(job)
    job.model.mkdir()
    (job.model / "training.json").write_text("{}")
    parcel.deliver(job)
    train(job, place)
    assert api.made == []


def test_a_damaged_model_is_no_candidate(api: Kubernetes, job: Job, place: str) -> None:
    def damage(server: Kubernetes, made: dict[str, Any]) -> None:
        controller.start(server, made)
        controller.deliver(made)
        sent, _ = controller.parcel(made)
        sha256 = json.loads(sent.folder.read("model-0.json"))["training.json"]
        sent.folder.write(f"files/{sha256}", b"[]")
        server.ends(made, "Complete")

    api.plays = damage
    with pytest.raises(TouchstoneError, match="not what was put there"):
        train(job, place)


def test_names_follow_from_the_run_and_what_is_trained(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    name = identity(job)
    queue = QUICK.model_copy(update={"nodes": NodesConfig(count=2, queue="gpu")})
    assert identity(replace(job, config=queue)) == name, "where it runs is no part of it"
    assert identity(replace(job, config=QUICK.model_copy(update={"seed": 7}))) != name
    monkeypatch.setenv("TOUCHSTONE_RUN", "run-2")
    assert identity(job) != name


def failing(*errors: TouchstoneError) -> Plays:
    """Nodes that leave these errors."""

    def play(server: Kubernetes, made: dict[str, Any]) -> None:
        controller.start(server, made)
        sent, attempt = controller.parcel(made)
        work = Path(server.made[0]["work"])
        received = sent.receive(attempt, work)
        received.plan.write_text(json.dumps({"tokens": 4096}))
        for node, error in enumerate(errors):
            sent.fail(received, node, error)
        server.ends(made, "Failed", "JobsFailed", "jobset failed")

    return play


@pytest.fixture
def work(tmp_path: Path) -> Path:
    (folder := tmp_path / "node").mkdir()
    return folder


def test_the_cause_is_told_and_not_what_it_did_to_the_others(api: Kubernetes, job: Job, place: str, work: Path) -> None:
    died = TouchstoneError("TRAINING_DIED", "another training process died")
    full = TouchstoneError("DISK_FULL", "the disk was full")
    api.plays = placed(work, failing(died, full))
    with pytest.raises(TouchstoneError, match="disk was full"):
        train(job, place)
    assert api.deleted


def test_memory_that_ran_out_is_tried_again_with_less(api: Kubernetes, job: Job, place: str, work: Path) -> None:
    fails = placed(work, failing(TouchstoneError("OUT_OF_MEMORY", "memory ran out")))

    def play(server: Kubernetes, made: dict[str, Any]) -> None:
        (fails if len(server.made) == 1 else controller.succeed)(server, made)

    api.plays = play
    train(job, place)
    assert [made["metadata"]["name"][-2:] for made in api.made] == ["-0", "-1"]
    assert api.deleted == [made["metadata"]["name"] for made in api.made]
    assert json.loads((job.work / "job.json").read_text())["attempt"]["tokens_at_once"] == 2048


def placed(work: Path, plays: Plays) -> Plays:
    """Nodes that have this folder."""

    def play(server: Kubernetes, made: dict[str, Any]) -> None:
        server.made[0]["work"] = str(work)
        plays(server, made)

    return play


def test_the_error_in_the_log_counts_when_the_state_has_none(api: Kubernetes, job: Job, place: str) -> None:
    denied = UserError("S3_DENIED", "the node may not read the state", fix="Give it the right to.")

    def play(server: Kubernetes, made: dict[str, Any]) -> None:
        pod = controller.start(server, made)
        server.says(pod, json.dumps({"event": "error", "message": str(denied), "error": denied.record()}))
        server.ends(made, "Failed", "JobsFailed")

    api.plays = play
    with pytest.raises(UserError, match="may not read the state"):
        train(job, place)


def test_a_pod_that_is_killed_says_why(api: Kubernetes, job: Job, place: str) -> None:
    def play(server: Kubernetes, made: dict[str, Any]) -> None:
        pod = controller.start(server, made, "Failed")
        ended = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
        server.pods[pod]["status"]["containerStatuses"] = [container(ended)]
        server.ends(made, "Failed", "JobsFailed", "jobset failed")

    api.plays = play
    with pytest.raises(TouchstoneError, match="OOMKilled, exit code 137") as found:
        train(job, place)
    assert found.value.code == "TRAINING_DIED"


def test_a_deadline(api: Kubernetes, job: Job, place: str) -> None:
    api.plays = lambda server, made: server.ends(made, "Failed", "DeadlineExceeded")
    with pytest.raises(TouchstoneError, match="longer than 24 hours"):
        train(job, place)


def test_a_trainjob_that_is_never_scheduled(api: Kubernetes, job: Job, place: str) -> None:
    def play(server: Kubernetes, made: dict[str, Any]) -> None:
        pod = controller.start(server, made, "Pending")
        server.warns(pod, "FailedScheduling", "0/3 nodes are available: 3 Insufficient nvidia.com/gpu.")
        server.warns("a-pod-of-others", "FailedScheduling", "not ours")

    api.plays = play
    with pytest.raises(TransientError, match="0 of 2 nodes run") as found:
        train(job, place)
    assert found.value.code == "NOT_SCHEDULED"
    assert found.value.found == "FailedScheduling: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
    assert api.deleted, "it would hold a place in the queue"


def test_an_image_that_cannot_be_pulled(api: Kubernetes, job: Job, place: str) -> None:
    patient = QUICK.model_copy(update={"nodes": NodesConfig(count=2)})

    def play(server: Kubernetes, made: dict[str, Any]) -> None:
        pod = controller.start(server, made, "Pending")
        waits = {"waiting": {"reason": "ImagePullBackOff", "message": "pull access denied"}}
        server.pods[pod]["status"]["containerStatuses"] = [container(waits)]

    api.plays = play
    with pytest.raises(UserError, match="cannot pull registry/train") as found:
        train(replace(job, config=patient), place)
    assert (found.value.code, found.value.found) == ("IMAGE_NOT_PULLED", "ImagePullBackOff: pull access denied")


def container(state: dict[str, Any]) -> dict[str, Any]:
    """The status of a node's container."""
    return {"name": "node", "image": "x", "imageID": "", "ready": False, "restartCount": 0, "state": state}


def test_a_trainjob_that_somebody_removes(api: Kubernetes, job: Job, place: str) -> None:
    def play(server: Kubernetes, made: dict[str, Any]) -> None:
        gone = server.jobs.pop(made["metadata"]["name"])
        server.put(gone, "DELETED")
        server.jobs.pop(made["metadata"]["name"])

    api.plays = play
    with pytest.raises(TransientError, match="somebody removed"):
        train(job, place)


@pytest.mark.parametrize(("verb", "what"), [("create", "trainjobs"), ("get", "pods"), ("list", "pods")])
def test_rights_that_are_missing(api: Kubernetes, job: Job, place: str, verb: str, what: str) -> None:
    api.denied = {f"{verb} {what}"}
    api.plays = controller.start
    with pytest.raises(UserError, match=f"may not {verb} {what} in retraining") as found:
        train(job, place)
    assert found.value.code == "CLUSTER_DENIED"
    assert "Role touchstone-run" in found.value.fix


@pytest.mark.parametrize(("status", "code"), [(404, "NO_TRAINER"), (422, "TRAINJOB_REFUSED")])
def test_a_cluster_that_cannot_or_will_not(api: Kubernetes, job: Job, place: str, status: int, code: str) -> None:
    api.faults = [Fault(CREATE, status)]
    with pytest.raises(UserError, match="the server is not well") as found:
        train(job, place)
    assert found.value.code == code


def test_outside_of_a_cluster(data: Data, tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(UserError, match="on a cluster only"):
        launch(data, "0", QUICK, tmp_path / "candidate", place)


def test_a_step_that_is_told_to_end_removes_its_trainjob(api: Kubernetes, job: Job, place: str, tmp_path: Path) -> None:
    api.plays = controller.start
    step = step_in_a_process(api, job, place, tmp_path)
    step.send_signal(signal.SIGTERM)
    assert "INTERRUPTED" in step.communicate(timeout=20)[1]
    assert api.deleted == [api.made[0]["metadata"]["name"]]
    assert not api.jobs


def test_a_node_leaves_its_error_in_the_state_and_in_its_log(place: str, job: Job) -> None:
    parcel = Parcel.of(place, "name")
    parcel.send(job)
    alone = {"NNODES": "1", "NPROC_PER_NODE": "1", "NODE_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    line = [sys.executable, "-m", "components.training.node", parcel.folder.uri, "0"]
    known = os.environ | {f"PET_{name}": value for name, value in alone.items()}
    done = subprocess.run(line, cwd=ROOT, env=known, capture_output=True, text=True)
    assert done.returncode == 1
    assert [error.code for error, _ in parcel.failures(0)] == ["WORLD_SIZE"]
    events = [json.loads(text) for text in done.stdout.splitlines()]
    assert [event["error"]["code"] for event in events if event["event"] == "error"] == ["WORLD_SIZE"]
    assert not parcel.delivered(0)


def test_attempts_are_counted_by_the_node(place: str, job: Job, tmp_path: Path) -> None:
    parcel = Parcel.of(place, "name")
    tried = replace(job, attempt=Attempt(2, 512, 1))
    parcel.send(tried)
    received = parcel.receive(2, tmp_path / "node")
    assert (received.attempt, received.config, received.processes) == (tried.attempt, QUICK, 2)
    assert Model.open(received.data.base).fingerprint == Model.open(job.data.base).fingerprint

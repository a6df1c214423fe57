"""Training on several nodes: the step starts a TrainJob, follows it, collects the model and removes the TrainJob.

Its name follows from the run and from what is trained, so a step that is tried again finds the TrainJob that an
earlier try has left and takes it up. On success, on failure and on SIGTERM it is removed; whoever ends a run in
Kubeflow ends its pods, and nobody else would end a TrainJob.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NoReturn

from components.store.artifact import Artifact
from components.store.digests import digest
from components.store.errors import TouchstoneError, TransientError
from components.store.events import emit, warn
from components.store.models import Model
from components.training import trainjob
from components.training.cluster import Cluster
from components.training.config import NodesConfig
from components.training.job import Job
from components.training.node_log import NodeLog
from components.training.parcel import Parcel
from components.training.recovery import again
from components.training.termination import on_termination
from components.training.waiting import Waiting, death

ROUND = 10.0
"""Seconds after which it is looked at the pods again, whatever the TrainJob says."""

SETTLE = 15.0
"""Seconds for the nodes to leave their errors after the first has ended them all."""


def train(job: Job, state: str) -> None:
    """Leave the trained model in the job's folder, as training on this machine would.

    Raises:
        TouchstoneError: what the nodes put on record; NOT_SCHEDULED, IMAGE_NOT_PULLED, TRAINING_DIED,
            TRAINING_DEADLINE, TRAINJOB_TAKEN, TRAINJOB_GONE, INTERRUPTED; what `Cluster` raises.
    """
    assert job.config.nodes
    cluster, name = Cluster(), identity(job)
    parcel, pod = Parcel.of(state, name), cluster.own()
    with on_termination(_interrupted):
        while True:
            number = job.attempt.number
            command = [sys.executable, "-m", "components.training.node", parcel.folder.uri, str(number)]
            wanted = trainjob.build(f"{name}-{number}", job.config.nodes, job.gpus, command, pod)
            found = _attempt(cluster, parcel, wanted, job)
            if found is None:
                break
            error, tokens = found
            better = again(error, job.attempt, tokens, cached=job.config.deepspeed is None)
            if better is None:
                raise error
            warn(better[1])
            job = replace(job, attempt=better[0])
    parcel.collect(job)
    parcel.clear()


def identity(job: Job) -> str:
    """The name of this training: the same for every try of the same run, and for no other."""
    run, base = os.environ.get("TOUCHSTONE_RUN", ""), Model.open(job.data.base).fingerprint
    inputs = [Artifact.open(getattr(job.data, kind), kind).digest for kind in ("pairs", "judged", "passages")]
    return f"touchstone-{digest([run, base, inputs, job.config.model_dump(exclude={'nodes'})])[:16]}"


def _attempt(cluster: Cluster, parcel: Parcel, wanted: dict[str, Any], job: Job) -> tuple[TouchstoneError, int] | None:
    """One TrainJob from its start to its end; what went wrong on the nodes, and how many tokens went at once."""
    name, number = wanted["metadata"]["name"], job.attempt.number
    assert job.config.nodes
    with _removed(cluster, name) as mine:
        if parcel.delivered(number):  # by an earlier try, which could not collect it
            return None
        _ensure(cluster, parcel, wanted, job, mine)
        with NodeLog(cluster, name) as log:
            ended = _follow(cluster, parcel, name, job.config.nodes, number)
            log.finish()
        if parcel.delivered(number):
            return None
        return _failure(parcel, number) or (log.error or death(ended, cluster.pods(name), job.config.nodes), 0)


def _ensure(cluster: Cluster, parcel: Parcel, wanted: dict[str, Any], job: Job, mine: list[bool]) -> None:
    """Have the TrainJob on the cluster: made now, or taken up."""
    name = wanted["metadata"]["name"]
    found = _standing(cluster, name)
    if found is None:
        parcel.send(job)
        if cluster.create(wanted):
            return emit("trainjob", f"TrainJob {name} waits for {wanted['spec']['trainer']['numNodes']} nodes")
        found = cluster.trainjob(name) or wanted
    if not trainjob.same(found, wanted):
        mine.clear()
        fix = f"Remove it if nobody needs it: kubectl delete trainjob {name}. It was made with other training.nodes."
        what = f"there is a TrainJob {name} that asks for something else"
        raise TouchstoneError("TRAINJOB_TAKEN", what, fix=fix)
    emit("trainjob", f"TrainJob {name} is there already and is taken up")


def _standing(cluster: Cluster, name: str) -> dict[str, Any] | None:
    """The TrainJob of that name; one that is being removed is waited for, and is none."""
    while (found := cluster.trainjob(name)) and found["metadata"].get("deletionTimestamp"):
        cluster.change(found, ROUND)
    return found


def _follow(cluster: Cluster, parcel: Parcel, name: str, nodes: NodesConfig, number: int) -> dict[str, str]:
    """Until the TrainJob is over: what it says of its end."""
    waiting = Waiting(cluster, name, nodes)
    while found := cluster.trainjob(name):
        if ended := trainjob.condition(found, "Complete") or trainjob.condition(found, "Failed"):
            return ended
        waiting.look(found)
        cluster.change(found, ROUND)
    if parcel.delivered(number):
        return {}
    fix = "Run it again. A run's TrainJob is removed by the run alone."
    raise TransientError("TRAINJOB_GONE", f"somebody removed the TrainJob {name}", fix=fix)


def _failure(parcel: Parcel, number: int) -> tuple[TouchstoneError, int] | None:
    """What the nodes left: the cause, if it comes in time, before what it did to the others."""
    end = time.monotonic() + SETTLE
    while True:
        found = parcel.failures(number)
        causes = [one for one in found if one[0].code not in ("TRAINING_DIED", "TRAINING_HANGS", "INTERRUPTED")]
        if causes or time.monotonic() > end:
            return next(iter(causes or found), None)
        time.sleep(1)


@contextlib.contextmanager
def _removed(cluster: Cluster, name: str) -> Iterator[list[bool]]:
    """Remove the TrainJob in the end, however it comes; not one that turned out to be another's."""
    mine = [True]
    try:
        yield mine
    finally:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # being told to end may wait for this
        try:
            if mine:
                cluster.delete(name)
        except TouchstoneError as error:
            warn(f"TrainJob {name} is still there: {error.what}. Remove it: kubectl delete trainjob {name}")
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


def _interrupted() -> NoReturn:
    """SIGTERM ends the training like any other failure; only once, so that what is left to do is done."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    fix = "Run it again: with training.mirror_checkpoints it goes on from there."
    raise TouchstoneError("INTERRUPTED", "the step was told to end", fix=fix)

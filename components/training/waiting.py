"""Nodes that do not start, or that died: what the cluster knows about it."""

from __future__ import annotations

import time
from typing import Any

from components.store.errors import TouchstoneError, TransientError, UserError
from components.store.events import emit
from components.training.cluster import Cluster
from components.training.config import NodesConfig

STUCK = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
UNMADE = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
GRACE = 120.0
"""Seconds that a pod may be unable to start: a registry has blips, a secret may come a little later."""


class Waiting:
    """Looks at a TrainJob's pods until all of them run."""

    def __init__(self, cluster: Cluster, name: str, nodes: NodesConfig) -> None:
        """Start the clock."""
        self.cluster, self.name, self.nodes = cluster, name, nodes
        self._since = time.monotonic()
        self._stuck: float | None = None
        self._running = 0

    def look(self, job: dict[str, Any]) -> None:
        """Tell how many nodes run, and refuse what will not start.

        Raises:
            TransientError: NOT_SCHEDULED after `wait_minutes`.
            UserError: IMAGE_NOT_PULLED, NODE_NOT_STARTED.
        """
        pods, now = self.cluster.pods(self.name), time.monotonic()
        running = sum(pod.status.phase in ("Running", "Succeeded") for pod in pods)
        if running != self._running:
            emit("trainjob", f"{running} of {self.nodes.count} nodes run")
        self._running = running
        if running >= self.nodes.count:
            self._since, self._stuck = now, None
            return
        found = _stuck(pods)
        self._stuck = (self._stuck or now) if found else None
        if found and self._stuck is not None and now - self._stuck > GRACE:
            raise self._unable(*found)
        if now - self._since > self.nodes.wait_minutes * 60:
            raise self._lost(pods, suspended=bool(job["spec"].get("suspend")))

    def _unable(self, pod: Any, state: Any) -> UserError:
        image = next((one.image for one in pod.spec.containers), "")
        said = f"{state.reason}: {state.message or ''}"[:300]
        if state.reason in STUCK:
            fix = "Push the image, or name a secret that may pull it (cluster.pull_secrets)."
            return UserError("IMAGE_NOT_PULLED", f"a node cannot pull {image}", found=said, fix=fix)
        fix = "Mend what the runtime or the recipe names: a secret, a volume, an account."
        return UserError("NODE_NOT_STARTED", f"the node {pod.metadata.name} cannot start", found=said, fix=fix)

    def _lost(self, pods: list[Any], *, suspended: bool) -> TransientError:
        names = {self.name, *(pod.metadata.name for pod in pods)}
        names |= {f"{self.name}-node-0"}  # the Job between the TrainJob and its pods: quotas speak there
        said = "; ".join(self.cluster.warnings(names)[-3:]) or "no events"
        where = f" in the queue {self.nodes.queue}" if suspended else ""
        what = f"{self._running} of {self.nodes.count} nodes run after {self.nodes.wait_minutes:g} minutes{where}"
        fix = "Ask for less (training.nodes), make room on the cluster, or raise training.nodes.wait_minutes."
        return TransientError("NOT_SCHEDULED", what, found=said[:800], fix=fix)


def death(ended: dict[str, str], pods: list[Any], nodes: NodesConfig) -> TouchstoneError:
    """What a TrainJob says that failed without a word from its processes."""
    if ended.get("reason") == "DeadlineExceeded":
        fix = "Raise training.nodes.hours, or train less; with training.mirror_checkpoints it goes on from there."
        what = f"training took longer than {nodes.hours:g} hours"
        return TouchstoneError("TRAINING_DEADLINE", what, fix=fix)
    died = [text for pod in pods for text in _ends(pod)]
    found = "; ".join([*died[:3], f"{ended.get('reason', '')}: {ended.get('message', '')}"])[:500]
    fix = "See the nodes' logs; OOMKilled means that a node's memory ran out: raise training.nodes.resources."
    return TouchstoneError("TRAINING_DIED", "the nodes ended without a word", found=found, fix=fix)


def _stuck(pods: list[Any]) -> tuple[Any, Any] | None:
    """A pod whose container waits for something that does not come by itself, and what the container says."""
    for pod in pods:
        for status in pod.status.container_statuses or []:
            waiting = status.state.waiting if status.state else None
            if waiting and waiting.reason in STUCK | UNMADE:
                return pod, waiting
    return None


def _ends(pod: Any) -> list[str]:
    ends = [one.state.terminated for one in pod.status.container_statuses or [] if one.state and one.state.terminated]
    texts = [f"{pod.metadata.name}: {one.reason}, exit code {one.exit_code}" for one in ends if one.exit_code]
    return texts or ([f"{pod.metadata.name}: {pod.status.reason}"] if pod.status.reason else [])

"""The first node's log, told as if it were the step's own: through lost connections and pods that start again."""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from datetime import datetime
from typing import Any

from components.store.errors import TouchstoneError
from components.store.events import relay
from components.training.cluster import Cluster
from components.training.trainjob import NODE

PAUSE = 2.0
"""Seconds between connections."""

OVERLAP = 60
"""Seconds that are read again after a lost connection: clocks differ. Lines that were told are not told twice."""

FIRST = "batch.kubernetes.io/job-completion-index"


class NodeLog:
    """Tells the log of a TrainJob's first node while the block lasts; nothing that goes wrong with it matters.

    Attributes:
        error: The last typed error in it.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        """Follow the TrainJob of that name."""
        self.cluster, self.name = cluster, name
        self.error: TouchstoneError | None = None
        self._told: dict[str, str] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> NodeLog:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Go on without it."""
        self._over.set()

    def finish(self) -> None:
        """Read what is left, for a moment."""
        self._over.set()
        self._thread.join(timeout=10)

    def _follow(self) -> None:
        while True:
            last = self._over.is_set()
            with contextlib.suppress(TouchstoneError):
                for pod in self.cluster.pods(self.name):
                    if first(pod) and pod.status.phase != "Pending":
                        self._read(pod.metadata.name)
            if last:
                return
            self._over.wait(PAUSE)

    def _read(self, pod: str) -> None:
        told = self._told.get(pod, "")
        since = int(time.time() - datetime.fromisoformat(told[:19] + "+00:00").timestamp()) + OVERLAP if told else None
        for line in self.cluster.log(pod, NODE, since):
            when, _, text = line.partition(" ")
            stamp = when.rstrip("Z").ljust(29, "0")  # in nanoseconds, of which the server may leave zeros out
            if stamp > self._told.get(pod, ""):
                self._told[pod] = stamp
                self._tell(text)

    def _tell(self, text: str) -> None:
        known = _event(text)
        if known is None:
            sys.stderr.write(f"{text}\n")
            return
        relay(text)
        if known["event"] == "error" and isinstance(known.get("error"), dict):
            self.error = TouchstoneError.from_record(known["error"])


def first(pod: Any) -> bool:
    """Whether it is a pod of the first node."""
    labels = pod.metadata.labels or {}
    return labels.get("jobset.sigs.k8s.io/replicatedjob-name") == NODE and labels.get(FIRST) == "0"


def _event(text: str) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError):
        known = json.loads(text)
        if isinstance(known, dict) and "event" in known:
            return known
    return None

"""The door to Kubernetes: the few calls that a TrainJob needs, from inside a pod, by the real client.

Every call has timeouts. What may pass by itself (no connection, 429, 5xx) is tried again, with jitter, for as long as
a cluster's upgrade takes; what a person must mend comes back as a typed error that names the call and the fix.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.config import incluster_config

from components.store.errors import TouchstoneError, TransientError, UserError
from components.training.trainjob import GROUP, PLURAL, VERSION, Pod

PATIENCE = 600.0
"""Seconds without an answer before the API is given up: an upgrade of a control plane takes minutes."""

PAUSE = 2.0
"""Seconds between tries, at first."""

TIMEOUT = (5, 30)
"""Seconds to connect, and without a byte."""

BLIPS = (urllib3.exceptions.HTTPError, OSError)

COPIED = re.compile(
    r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN|DEFAULT_REGION|REGION|ENDPOINT_URL|ENDPOINT_URL_S3|CA_BUNDLE)"
    r"|(NCCL|TORCH)_[A-Z0-9_]+"
)
"""Variables of the step's pod that the nodes get too: the way to the store. Not a web identity: that is a pod's own."""


class Cluster:
    """The Kubernetes API as this pod may use it, in this pod's namespace."""

    def __init__(self) -> None:
        """Take address, token and namespace from where Kubernetes puts them into a pod; nothing is asked yet.

        Raises:
            UserError: NO_CLUSTER outside of a pod.
        """
        settings = client.Configuration()
        try:
            config.load_incluster_config(settings)
            home = Path(incluster_config.SERVICE_TOKEN_FILENAME)
            self.namespace = home.with_name("namespace").read_text().strip()
        except (config.ConfigException, OSError):
            fix = "Leave training.nodes out to train on this machine, or give the step's pod its service account token."
            raise UserError("NO_CLUSTER", "several nodes train on a cluster only", found="no pod", fix=fix) from None
        settings.retries = False  # ours know what may be sent twice
        api = client.ApiClient(settings)
        self.core, self.custom = client.CoreV1Api(api), client.CustomObjectsApi(api)
        self._plain = api.sanitize_for_serialization
        self._kind = {"group": GROUP, "version": VERSION, "plural": PLURAL, "namespace": self.namespace}

    def own(self) -> Pod:
        """What this pod is."""
        name = os.environ.get("HOSTNAME") or socket.gethostname()
        found = self._asked("get pods", lambda: self.core.read_namespaced_pod(name, self.namespace, **_timed()))
        main = next(one for one in found.spec.containers if one.name == "main")
        variables = [self._plain(one) for one in main.env or [] if COPIED.fullmatch(one.name)]
        run = {"TOUCHSTONE_STEP": "train", "TOUCHSTONE_RUN": os.environ.get("TOUCHSTONE_RUN", "")}
        variables += [{"name": key, "value": value} for key, value in run.items()]
        return Pod(main.image, variables, [one.name for one in found.spec.image_pull_secrets or []])

    def trainjob(self, name: str) -> dict[str, Any] | None:
        """The TrainJob of that name, or None."""
        got: dict[str, Any] | None = self._asked(
            "get trainjobs",
            lambda: self.custom.get_namespaced_custom_object(name=name, **self._kind, **_timed()),
            or_none=404,
        )
        return got

    def create(self, body: dict[str, Any]) -> bool:
        """Make a TrainJob; False when there is one of that name, which after a lost answer may be this one."""
        made = self._asked(
            "create trainjobs",
            lambda: self.custom.create_namespaced_custom_object(body=body, **self._kind, **_timed()),
            or_none=409,
        )
        return made is not None

    def delete(self, name: str) -> None:
        """Remove a TrainJob and its pods; one that is gone is no error."""
        how = client.V1DeleteOptions(propagation_policy="Foreground")
        self._asked(
            "delete trainjobs",
            lambda: self.custom.delete_namespaced_custom_object(name=name, body=how, **self._kind, **_timed()),
            or_none=404,
        )

    def change(self, job: dict[str, Any], seconds: float) -> None:
        """Return when the TrainJob is not any more as it was read, or after some time; at once when a watch is refused.

        Who calls reads it again in any case: a watch that ends, expires (410) or breaks tells nothing.
        """
        meta = job["metadata"]
        what = {"field_selector": f"metadata.name={meta['name']}", "resource_version": meta["resourceVersion"]}
        limits = {"timeout_seconds": max(1, int(seconds)), "_request_timeout": (TIMEOUT[0], seconds + 10)}
        known = {**self._kind, **what, **limits}
        start = time.monotonic()
        try:
            next(iter(watch.Watch().stream(self.custom.list_namespaced_custom_object, **known)), None)
        except (ApiException, *BLIPS):
            time.sleep(max(0.0, min(PAUSE, seconds - (time.monotonic() - start))))

    def pods(self, name: str) -> list[Any]:
        """The pods of a TrainJob."""
        label = f"jobset.sigs.k8s.io/jobset-name={name}"
        found = self._asked(
            "list pods",
            lambda: self.core.list_namespaced_pod(self.namespace, label_selector=label, **_timed()),
        )
        return list(found.items)

    def log(self, pod: str, container: str, seconds: int | None) -> Iterator[str]:
        """The lines of a pod's log as they come, each after its time; ends with the container, or as a connection does.

        Args:
            pod: Its name.
            container: Its container.
            seconds: Only the lines of so many last seconds.
        """
        since = {"since_seconds": seconds} if seconds else {}
        known = {"container": container, "timestamps": True, **since, "_request_timeout": (TIMEOUT[0], 60)}
        with contextlib.suppress(ApiException, *BLIPS):
            yield from watch.Watch().stream(self.core.read_namespaced_pod_log, pod, self.namespace, **known)

    def warnings(self, names: set[str]) -> list[str]:
        """What the cluster says is wrong with these objects, the newest last, each once."""
        found = self._asked(
            "list events",
            lambda: self.core.list_namespaced_event(self.namespace, field_selector="type=Warning", **_timed()),
        )
        about = [one for one in found.items if one.involved_object.name in names]
        about.sort(key=lambda one: str(one.last_timestamp or one.event_time or one.metadata.creation_timestamp))
        return list(dict.fromkeys(f"{one.reason}: {one.message}" for one in about))

    def _asked(self, what: str, call: Callable[[], Any], or_none: int = 0) -> Any:
        """What the API answers; None for the status `or_none`."""
        end, pause = time.monotonic() + PATIENCE, PAUSE
        while True:
            try:
                return call()
            except ApiException as error:
                if error.status == or_none:
                    return None
                if error.status != 429 and error.status < 500:
                    raise _refused(what, self.namespace, error) from None
                found = f"{error.status} {error.reason}"
            except BLIPS as error:
                found = type(error).__name__
            if time.monotonic() > end:
                fix = "Run it again: the TrainJob is taken up if it is still there."
                raise TransientError("CLUSTER_SILENT", "the Kubernetes API does not answer", found=found, fix=fix)
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, 15 * PAUSE)


def _timed() -> dict[str, Any]:
    return {"_request_timeout": TIMEOUT}


def _refused(what: str, namespace: str, error: ApiException) -> TouchstoneError:
    """What an answer means for a person; the server's own words where they are what is to be mended."""
    said = re.search(r'"message":\s*"((?:[^"\\]|\\.)*)"', str(error.body or ""))
    found = f"{error.status}: {said.group(1) if said else error.reason}"[:500]
    if error.status in (401, 403):
        fix = "Bind the run's service account to the Role touchstone-run (manifests/base/roles.yaml)."
        return UserError("CLUSTER_DENIED", f"the step may not {what} in {namespace}", found=found, fix=fix)
    if error.status == 404 and what == "create trainjobs":
        fix = "Install Kubeflow Trainer 2.2 or newer, or leave training.nodes out."
        return UserError("NO_TRAINER", "the cluster knows no TrainJobs", found=found, fix=fix)
    return UserError("TRAINJOB_REFUSED", f"the cluster refuses to {what}", found=found, fix="Mend training.nodes.")

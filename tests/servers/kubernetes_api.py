"""A Kubernetes API server on loopback: TrainJobs, their pods, logs and events; TLS and a bearer token, as in a cluster.

No controller runs in it: whoever tests gives a function that plays one (`plays`), called for each TrainJob made.
Copied from Kubernetes (kubernetes.io/docs/reference/using-api/api-concepts):

    watch           one JSON object a line, chunked, from a resource version; ends after `timeoutSeconds`
    expired         a version that is too old: status 200 and an event ERROR that holds a Status 410 "Expired"
    409             an object of that name exists: Status with reason AlreadyExists
    403, 404, 422   Status with reason and message
    log             `follow`, `timestamps` (nanoseconds, RFC 3339), `sinceSeconds`; 400 while the container waits

Faults (`Fault`) hit requests that match: a status, a connection that is cut before an answer, or after some lines.

It is a test's server: passing it is not having run on a cluster.
"""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers.certificates import self_signed
from tests.servers.loopback import Handler, Loopback

TRAINJOBS = "/apis/trainer.kubeflow.org/v1alpha1/namespaces/(?P<ns>[^/]+)/trainjobs"
ROUTES = {
    "trainjobs": rf"{TRAINJOBS}(/(?P<name>[^/]+))?",
    "log": r"/api/v1/namespaces/(?P<ns>[^/]+)/pods/(?P<name>[^/]+)/log",
    "pods": r"/api/v1/namespaces/(?P<ns>[^/]+)/pods(/(?P<name>[^/]+))?",
    "events": r"/api/v1/namespaces/(?P<ns>[^/]+)/events",
    "reviews": r"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
}
TOKEN, NAMESPACE = "a-pods-token", "retraining"


@dataclass
class Fault:
    """What happens to the next `times` requests that match, such as `POST .*/trainjobs`.

    Attributes:
        status: The answer; 0 cuts the connection.
        after: A stream is cut after so many lines instead.
        done: Whether the request is carried out first.
    """

    where: str
    status: int = 500
    times: int = 1
    after: int | None = None
    done: bool = False


class Kubernetes(Loopback):
    """The server and what it keeps; every change wakes the watches."""

    def __init__(self, plays: Callable[[Kubernetes, dict[str, Any]], None]) -> None:
        super().__init__(_Handler)
        self.plays, self.faults, self.asked = plays, [], []
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: dict[str, dict[str, Any]] = {}
        self.logs: dict[str, list[str]] = {}
        self.events: list[dict[str, Any]] = []
        self.history: list[tuple[int, dict[str, Any]]] = []
        self.made: list[dict[str, Any]] = []
        self.deleted: list[str] = []
        self.denied: set[str] = set()
        self.version, self.oldest = 1, 0
        self.changed = threading.Condition()

    faults: list[Fault]
    asked: list[str]

    def put(self, job: dict[str, Any], kind: str = "MODIFIED") -> None:
        """Keep a TrainJob as it is now."""
        with self.changed:
            self.version += 1
            job["metadata"]["resourceVersion"] = str(self.version)
            self.jobs[job["metadata"]["name"]] = job
            self.history.append((self.version, {"type": kind, "object": json.loads(json.dumps(job))}))
            self.changed.notify_all()

    def ends(self, job: dict[str, Any], kind: str, reason: str = "", message: str = "") -> None:
        """Set the condition that ends a TrainJob; its pods have ended before."""
        for pod in self.pods.values():
            if job["metadata"]["name"] in pod["metadata"]["labels"].values():
                pod["status"]["phase"] = "Succeeded" if kind == "Complete" else "Failed"
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        held = {"type": kind, "status": "True", "reason": reason or kind, "message": message, "lastTransitionTime": now}
        self.put(job | {"status": {"conditions": [held]}})

    def forget(self) -> None:
        """Let every version that a client may know be too old."""
        self.oldest = self.version + 1

    def has_pod(self, name: str, *, job: str = "", index: int = 0, phase: str = "Running", **status: Any) -> None:
        """Have a pod; one of a TrainJob has the labels that JobSet gives it."""
        labels = {"jobset.sigs.k8s.io/jobset-name": job, "jobset.sigs.k8s.io/replicatedjob-name": "node"}
        labels["batch.kubernetes.io/job-completion-index"] = str(index)
        meta = {"name": name, "namespace": NAMESPACE, "labels": labels if job else {}}
        container = {"name": "node" if job else "main", "image": "registry/train@sha256:00"}
        self.pods[name] = {"metadata": meta, "spec": {"containers": [container]}, "status": {"phase": phase, **status}}

    def says(self, pod: str, line: str) -> None:
        """Write a line of a pod's log."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.time_ns() % 10**9:09d}Z"
        with self.changed:
            self.logs.setdefault(pod, []).append(f"{stamp} {line}")
            self.changed.notify_all()

    def warns(self, name: str, reason: str, message: str) -> None:
        """Have an event about an object."""
        known = {"reason": reason, "message": message, "type": "Warning", "involvedObject": {"name": name}}
        self.events.append({"metadata": {"name": f"{name}.1"}, "lastTimestamp": "2026-01-01T00:00:00Z", **known})

    def fault(self, request: str) -> Fault | None:
        """The misdeed for this request, counted off."""
        found = next((one for one in self.faults if one.times and re.fullmatch(one.where, request)), None)
        if found:
            found.times -= 1
        return found


class _Handler(Handler):
    """Answers one connection."""

    server: Kubernetes

    def respond(self) -> None:
        parts = urlsplit(self.path)
        self.query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        body = self.body()
        self.sent = json.loads(body) if body else {}
        request = f"{self.command} {parts.path}" + ("?watch" if "watch" in self.query else "")
        self.server.asked.append(request)
        self.fault = self.server.fault(request)
        if self.fault and not self.fault.done and self.fault.after is None:
            return self._misbehave(self.fault.status)
        if self.headers.get("Authorization") != f"bearer {TOKEN}":
            return self._status(401, "Unauthorized", "Unauthorized")
        for kind, pattern in ROUTES.items():
            if found := re.fullmatch(pattern, parts.path):
                return self._route(kind, found.groupdict())
        self._status(404, "NotFound", "the server could not find the requested resource")

    def _misbehave(self, status: int) -> None:
        if status:
            return self._status(status, "InternalError", "the server is not well")
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _route(self, kind: str, known: dict[str, Any]) -> None:
        verb = {"POST": "create", "DELETE": "delete"}.get(self.command, "get" if known.get("name") else "list")
        if f"{verb} {kind}" in self.server.denied:
            said = f'{kind} is forbidden: User "run" cannot {verb} resource "{kind}"'
            return self._status(403, "Forbidden", said)
        getattr(self, f"_{kind}")(verb, known.get("name"))

    def _trainjobs(self, verb: str, name: str | None) -> None:
        server = self.server
        if verb == "create":
            return self._create()
        if verb == "list":
            return self._watch() if "watch" in self.query else self.answer(200, {"items": list(server.jobs.values())})
        if name not in server.jobs:
            return self._status(404, "NotFound", f'trainjobs "{name}" not found')
        if verb == "get":
            return self.answer(200, server.jobs[name])
        server.deleted.append(name)
        gone = server.jobs.pop(name)
        server.pods = {key: pod for key, pod in server.pods.items() if name not in pod["metadata"]["labels"].values()}
        server.put(gone, "DELETED")
        server.jobs.pop(name)
        self.answer(200, {"kind": "Status", "status": "Success"})

    def _create(self) -> None:
        server, name = self.server, self.sent["metadata"]["name"]
        if name in server.jobs:
            return self._status(409, "AlreadyExists", f'trainjobs "{name}" already exists')
        self.sent["metadata"] |= {"uid": f"uid-{len(server.made)}", "creationTimestamp": "2026-01-01T00:00:00Z"}
        server.made.append(self.sent)
        server.put(self.sent, "ADDED")
        threading.Thread(target=server.plays, args=(server, self.sent), daemon=True).start()
        if self.fault:
            return self._misbehave(self.fault.status)
        self.answer(201, self.sent)

    def _watch(self) -> None:
        server, version = self.server, int(self.query["resourceVersion"])
        name = self.query.get("fieldSelector", "").removeprefix("metadata.name=")
        if version < server.oldest:
            said = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            return self._stream(iter([json.dumps({"type": "ERROR", "object": said})]))

        def news() -> Iterator[str]:
            end, seen = time.monotonic() + float(self.query.get("timeoutSeconds", 60)), version
            while (left := end - time.monotonic()) > 0 and not server.stopped.is_set():
                with server.changed:
                    new = [(number, event) for number, event in server.history if number > seen]
                    if not new:
                        server.changed.wait(min(left, 0.5))
                for number, event in new:
                    seen = number
                    if event["object"]["metadata"]["name"] == name:
                        yield json.dumps(event)

        self._stream(news())

    def _pods(self, verb: str, name: str | None) -> None:
        if verb == "get":
            if name not in self.server.pods:
                return self._status(404, "NotFound", f'pods "{name}" not found')
            return self.answer(200, self.server.pods[name])
        key, _, value = self.query.get("labelSelector", "=").partition("=")
        found = [pod for pod in list(self.server.pods.values()) if pod["metadata"]["labels"].get(key) == value]
        self.answer(200, {"items": found})

    def _log(self, verb: str, name: str | None) -> None:
        server = self.server
        pod = server.pods.get(name or "")
        if pod is None:
            return self._status(404, "NotFound", f'pods "{name}" not found')
        if pod["status"]["phase"] == "Pending":
            return self._status(400, "BadRequest", "container node is waiting to start: ContainerCreating")
        since = time.time() - float(self.query.get("sinceSeconds", 1e9)) - 1
        self._stream(line for line in self._lines(pod) if _when(line) >= since)

    def _lines(self, pod: dict[str, Any]) -> Iterator[str]:
        server, name, told = self.server, pod["metadata"]["name"], 0
        while not server.stopped.is_set():
            now = server.pods.get(name)
            goes_on = "follow" in self.query and now and now["status"]["phase"] == "Running"
            found = server.logs.get(name, [])
            yield from found[told:]
            told = len(found)
            if not goes_on:
                return
            with server.changed:
                server.changed.wait(0.1)

    def _events(self, *_: object) -> None:
        self.answer(200, {"items": self.server.events})

    def _reviews(self, *_: object) -> None:
        asked = self.sent["spec"]["resourceAttributes"]
        allowed = f"{asked['verb']} {asked['resource']}" not in self.server.denied
        self.answer(201, self.sent | {"status": {"allowed": allowed}})

    def _stream(self, lines: Iterator[str]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, line in enumerate(lines):
            if self.fault and self.fault.after == number:
                self.close_connection = True
                return self.connection.shutdown(socket.SHUT_RDWR)
            data = (line + "\n").encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def _status(self, code: int, reason: str, message: str) -> None:
        known = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
        self.answer(code, known | {"message": message})


def _when(line: str) -> float:
    return datetime.fromisoformat(line[:19] + "+00:00").timestamp()


@contextlib.contextmanager
def kubernetes(folder: Path, plays: Callable[[Kubernetes, dict[str, Any]], None]) -> Iterator[Kubernetes]:
    """A running API server, and below `folder` what a pod finds of it: `token`, `ca.crt`, `namespace`."""
    certificate, key = self_signed(folder)
    certificate.rename(folder / "ca.crt")
    (folder / "token").write_text(TOKEN)
    (folder / "namespace").write_text(NAMESPACE)
    server = Kubernetes(plays)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "ca.crt", key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with contextlib.closing(server.socket), server.serving():
        yield server

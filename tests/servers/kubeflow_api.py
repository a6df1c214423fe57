"""A Kubeflow Pipelines API server on loopback, as far as the real kfp client is led through it, and its bad days.

It serves the v2beta1 REST API (https://www.kubeflow.org/docs/components/pipelines/reference/api/kubeflow-pipeline-api-spec/;
the paths are those of kfp-server-api 2.17). What it copies, and from where in github.com/kubeflow/pipelines:

    identity        random ids, times in whole seconds (backend/src/apiserver/model)
    names           pipelines and versions are unique by name (409, backend/src/apiserver/server/
                    pipeline_upload_server.go: AlreadyExists is Conflict); runs and recurring runs are not
    namespaces      one user: naming a namespace in a list is refused with 400 (experiment_server.go); several: none is
                    refused with 400, a foreign or missing one with 403 (resource_manager.go, IsAuthorized)
    recurring runs  status and mode follow from whether it is enabled (api_converter.go, toApiRecurringRun); none can
                    be changed but by :enable, :disable and DELETE (issue 3789)
    paging          page_token and next_page_token, a page at most page_size
    filter          JSON of filter.proto: EQUALS on display_name
    errors          {"error", "code", "message"} from the gateway, {"error_message", "error_details"} from uploads

and what it may be told to do instead of answering:

    who             401: the token ran out (an OIDC proxy)
    nobody          500 "Unauthenticated: Request header error: there is no user identity header" (issues 7133, 7777)
    login           302 to the page of a login (dex, oauth2-proxy)
    page            that page, with status 200
    denied          403 with the SubjectAccessReview's words
    away            503 of the mesh while the pod restarts
    broken          500 of the database
    lost            does as asked, then the connection ends without an answer
    hang            no answer

It is a test's server: passing it is not having run on Kubeflow.
"""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.servers.loopback import Handler, Loopback

BASE = "/apis/v2beta1"
SAYS = {
    "who": (401, "Jwt is expired"),
    "nobody": (
        500,
        "Internal error: Unauthenticated: Request header error: there is no user identity header.\nFailed to authorize",
    ),
    "denied": (403, "PermissionDenied: User 'ann' is not authorized with reason:  (request: &ResourceAttributes{})"),
    "away": (503, "upstream connect error or disconnect/reset before headers"),
    "broken": (500, "InternalServerError: Failed to begin transaction: dial tcp: connect: connection refused"),
}
UNIQUE = {"pipelines", "versions", "experiments"}
IDS = {
    "pipelines": "pipeline_id",
    "versions": "pipeline_version_id",
    "experiments": "experiment_id",
    "runs": "run_id",
    "recurringruns": "recurring_run_id",
}
LISTS = {"versions": "pipeline_versions", "recurringruns": "recurringRuns", "experiments": "experiments"}


@dataclass
class Does:
    """What happens to some of the requests: `kind` of the module's list, to those whose `METHOD path` holds `match`."""

    kind: str
    match: str = ""
    after: int = 0
    times: int = 1 << 30
    seen: int = 0

    def hit(self) -> bool:
        """Count one that fits; whether it is due."""
        self.seen += 1
        return self.after < self.seen <= self.after + self.times


@dataclass
class Server:
    """What the server knows, and was asked."""

    address: str = ""
    multi_user: bool = False
    token: str = ""
    cookie: str = ""
    namespaces: tuple[str, ...] = ("retraining",)
    does: list[Does] = field(default_factory=list)
    kept: dict[str, dict[str, dict[str, Any]]] = field(default_factory=lambda: {kind: {} for kind in IDS})
    asked: list[str] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    gaps: list[str] = field(default_factory=list)
    """Requests after which recurring runs were there and none was enabled, once one had been."""

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Everything of a kind, in the order it was made."""
        return list(self.kept[kind].values())

    def enabled(self) -> list[str]:
        """Names of the recurring runs that fire."""
        return [one["display_name"] for one in self.all("recurringruns") if one["status"] == "ENABLED"]

    def changes(self) -> list[str]:
        """The requests that were to change something."""
        return [one for one in self.asked if not one.startswith("GET")]

    def make(self, kind: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Keep one more."""
        same = [one for one in self.all(kind) if _same(one, body)]
        if kind in UNIQUE and same:
            return 409, {"error": f"AlreadyExistError: {body['display_name']} already exists", "code": 6}
        made = body | {IDS[kind]: str(uuid.uuid4()), "created_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
        if kind == "recurringruns":
            made |= {"status": f"{made['mode']}D"}
        if kind == "runs":
            made |= {"state": "PENDING"}
        self.kept[kind][made[IDS[kind]]] = made
        return 200, made


def _same(one: dict[str, Any], body: dict[str, Any]) -> bool:
    return all(one.get(name) == body.get(name) for name in ("display_name", "namespace", "pipeline_id"))


@contextlib.contextmanager
def kubeflow(*does: Does, **known: Any) -> Iterator[Server]:
    """A running server."""
    server = Server(does=list(does), **known)
    handler = type("Handler", (_Handler,), {"known": server})
    with Loopback(handler) as loopback, loopback.serving():
        server.address = f"http://127.0.0.1:{loopback.server_port}"
        yield server


class _Handler(Handler):
    known: Server

    def respond(self) -> None:
        body = self.body()
        parts = urlsplit(self.path)
        line = f"{self.command} {parts.path.removeprefix(BASE)}"
        with self.known.lock:
            self.known.asked.append(line)
            due = next((one for one in self.known.does if one.match in line and one.hit()), None)
        if due and due.kind != "lost":
            return self._misbehave(due.kind)
        if not self._let_in():
            return self._tell(*SAYS["who"])
        fired = bool(self.known.enabled())
        with self.known.lock:
            status, told = self._do(line.split(" ")[1].strip("/").split("/"), parse_qs(parts.query), body)
            if fired and self.known.all("recurringruns") and not self.known.enabled():
                self.known.gaps.append(line)
        if due:
            self.close_connection = True
            return self.connection.close()
        return self.answer(status, told)

    def _let_in(self) -> bool:
        known = self.known
        given = (self.headers.get("Authorization"), self.headers.get("Cookie"))
        return not (known.token or known.cookie) or given in ((f"Bearer {known.token}", None), (None, known.cookie))

    def _misbehave(self, kind: str) -> None:
        if kind == "hang":
            return self.hang()
        if kind == "login":
            return self.answer(302, headers={"Location": "/dex/auth"})
        if kind == "page":
            return self.answer(200, b"<!doctype html><title>Log in</title>", {"Content-Type": "text/html"})
        return self._tell(*SAYS[kind])

    def _tell(self, status: int, message: str) -> None:
        self.answer(status, {"error": message, "code": 13, "message": message})

    def _do(self, path: list[str], query: dict[str, list[str]], body: bytes) -> tuple[int, dict[str, Any]]:
        if path == ["healthz"]:
            return 200, {"multi_user": self.known.multi_user}
        if path[-1] == "upload_version":
            return self._upload(query, body)
        if path[0] == "pipelines" and path[2:] == ["versions"]:
            return self._list("versions", query, pipeline_id=path[1])
        kind, identity = path[0], path[1] if len(path) > 1 else ""
        if identity:
            return self._one(kind, identity)
        if self.command == "POST":
            made = json.loads(body)
            return self._refused(made.get("namespace", ""), kind) or self.known.make(kind, made)
        known = {name: query[name][0] for name in ("experiment_id", "namespace") if name in query}
        return self._refused(known.get("namespace", ""), kind) or self._list(kind, query, **known)

    def _refused(self, namespace: str, kind: str) -> tuple[int, dict[str, Any]] | None:
        """Runs hang on an experiment, and what that one's namespace allows."""
        if kind in ("runs", "recurringruns"):
            return None
        if not self.known.multi_user:
            told = {"error": "Invalid input error: In single-user mode, ListExperiment cannot filter by namespace."}
            return (400, told) if namespace else None
        if not namespace:
            return 400, {"error": "Invalid input error: a namespace is required in multi-user mode"}
        return None if namespace in self.known.namespaces else (403, {"error": SAYS["denied"][1]})

    def _list(self, kind: str, query: dict[str, list[str]], **known: str) -> tuple[int, dict[str, Any]]:
        wanted = json.loads(query.get("filter", ['{"predicates": []}'])[0])["predicates"]
        known |= {one["key"]: one["string_value"] for one in wanted if one["operation"] == "EQUALS"}
        found = [one for one in self.known.all(kind) if all(one.get(name) == value for name, value in known.items())]
        start, size = int(query.get("page_token", ["0"])[0] or 0), int(query["page_size"][0])
        page = {LISTS.get(kind, kind): found[start : start + size]}
        return 200, page | ({"next_page_token": str(start + size)} if len(found) > start + size else {})

    def _upload(self, query: dict[str, list[str]], body: bytes) -> tuple[int, dict[str, Any]]:
        parent, name = query["pipelineid"][0], query["name"][0]
        if parent not in self.known.kept["pipelines"]:
            return 400, {"error_message": f"ResourceNotFoundError: Pipeline {parent} not found", "error_details": "..."}
        self.known.uploads.append(body)
        status, told = self.known.make("versions", {"display_name": name, "name": name, "pipeline_id": parent})
        return status, {"error_message": told["error"], "error_details": ""} if status == 409 else told

    def _one(self, kind: str, identity: str) -> tuple[int, dict[str, Any]]:
        identity, _, verb = identity.partition(":")
        found = self.known.kept[kind].get(identity)
        if found is None:
            return 404, {"error": f"ResourceNotFoundError: {identity} not found", "code": 5}
        if self.command == "DELETE":
            del self.known.kept[kind][identity]
        if verb in ("enable", "disable"):
            found |= {"mode": verb.upper(), "status": f"{verb.upper()}D"}
        if verb == "terminate":
            found |= {"state": "CANCELING"}
        return 200, {} if self.command == "DELETE" or verb else found

"""A Hugging Face Hub on loopback with one data set, which misbehaves as a script says.

It copies what huggingface_hub 2.4 asks of the Hub (https://huggingface.co/docs/hub/api, "GET /api/datasets/{repo_id}
/revision/{revision}"; https://huggingface.co/docs/huggingface_hub/package_reference/file_download: HEAD and GET of
`resolve`, with X-Repo-Commit, ETag, X-Linked-Size and X-Linked-Etag, the sha256 of a large file). Behaviours:

    busy        503 for the first two requests
    damaged     a file's last byte is another one
    gated       401 with X-Error-Code: RepoNotFound, as for what is private or not there
    down        500 always

It is a test's server: passing it is not having run on the Hub.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from urllib.parse import unquote, urlsplit

from tests.servers.loopback import Loopback

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """The data set and what was asked."""

    repository: str
    files: dict[str, bytes]
    licence: str = "cc-by-sa-4.0"
    behaviour: str = ""
    asked: list[str] = field(default_factory=list)
    address: str = ""

    def answer(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body."""
        self.asked.append(f"{method} {path}")
        if self.behaviour == "down" or (self.behaviour == "busy" and len(self.asked) <= 2):
            return 500 if self.behaviour == "down" else 503, {}, b""
        if self.behaviour == "gated" or self.repository not in path:
            return 401, {"X-Error-Code": "RepoNotFound"}, b"{}"
        if path.startswith("/api/"):
            return self._described(path.rpartition("/revision/")[2] if "/revision/" in path else "main")
        revision, _, name = path.partition("/resolve/")[2].partition("/")
        return self._file(name) if revision == COMMIT else (404, {"X-Error-Code": "RevisionNotFound"}, b"")

    def _described(self, revision: str) -> tuple[int, dict[str, str], bytes]:
        if revision not in ("main", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        siblings = [
            {"rfilename": name, "size": len(body), "blobId": "b" * 40}
            | {"lfs": {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body), "pointerSize": 130}}
            for name, body in self.files.items()
        ]
        told = {"id": self.repository, "sha": COMMIT, "siblings": siblings, "cardData": {"license": self.licence}}
        return 200, {"Content-Type": "application/json"}, json.dumps(told).encode()

    def _file(self, name: str) -> tuple[int, dict[str, str], bytes]:
        body = self.files.get(name)
        if body is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        digest = hashlib.sha256(body).hexdigest()
        if self.behaviour == "damaged":
            body = body[:-1] + bytes([body[-1] ^ 1])
        known = {"X-Repo-Commit": COMMIT, "ETag": f'"{digest}"', "X-Linked-Etag": f'"{digest}"'}
        return 200, known | {"X-Linked-Size": str(len(body))}, body


@contextlib.contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    """Answer for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        """One request after another."""

        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            """Answer; without the body to HEAD."""
            status, headers, body = hub.answer(self.command, unquote(urlsplit(self.path).path))
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(body))}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET  # noqa: N815

    with Loopback(Handler) as server, server.serving():
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        yield hub

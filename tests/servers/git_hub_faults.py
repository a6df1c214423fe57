"""What goes wrong between a client and the Hub of git_hub.py, and the sockets that it is served on.

    before a request is done    409 "Another commit operation is in progress" (every_eval_ever#263), 429 with
                                `RateLimit` or `Retry-After` (huggingface.co/docs/hub/rate-limits), 413, 500, 502, 503,
                                no answer, a connection that is reset
    after it is done            500 although the commit landed (datasets#7708), no answer, a reset: nobody can know
    lag                         a branch is read as it was one commit ago, its head is no commit yet, for some reads

A large commit that stops half way leaves nothing: the Hub makes a commit or none, and so does git_hub.py.
"""

from __future__ import annotations

import contextlib
import re
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

from tests.servers.loopback import Loopback

if TYPE_CHECKING:
    from tests.servers.git_hub import GitHub

COMMIT = r"POST /api/models/.*/commit/main"


@dataclass
class Fault:
    """One misdeed, done to the next `times` requests that match.

    Attributes:
        status: The answer; 0 closes the connection, -1 never answers.
        done: Whether the request is carried out first.
    """

    where: str = COMMIT
    status: int = 500
    done: bool = False
    times: int = 1
    headers: dict[str, str] = field(default_factory=dict)


class Script:
    """The misdeeds to come."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.lag = 0

    def add(self, *faults: Fault) -> None:
        self.faults.extend(faults)

    def next(self, request: str) -> Fault | None:
        """The misdeed for this request, counted off."""
        found = next((one for one in self.faults if one.times and re.fullmatch(one.where, request)), None)
        if found:
            found.times -= 1
        return found

    def lags(self) -> bool:
        """Whether this read of a branch sees it as it was."""
        behind, self.lag = self.lag > 0, max(self.lag - 1, 0)
        return behind


class Handler(BaseHTTPRequestHandler):
    """One request after another; `hub` is set by a subclass."""

    hub: GitHub
    server: Server
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = f"{self.command} {self.path}"
        with self.hub.lock:
            self.hub.asked.append(request)
            fault = self.hub.script.next(request)
            answer = self.hub.answer(self.command, self.path, self.headers, body) if not fault or fault.done else None
        if fault is None and answer:
            self._send(*answer)
        elif fault and fault.status > 0:
            self._send(fault.status, fault.headers, b"{}")
        elif fault:
            self._leave(fault.status)

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()

    def _leave(self, status: int) -> None:
        """Say nothing until nobody waits, or send a reset."""
        if status == -1:
            self.server.stopped.wait(60)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


class Server(Loopback):
    """Many clients come at once."""

    request_queue_size = 128


@contextlib.contextmanager
def serving(hub: GitHub) -> Iterator[GitHub]:
    """Answer for as long as the block lasts."""
    with Server(type("Bound", (Handler,), {"hub": hub})) as server, server.serving():
        hub.address = f"http://127.0.0.1:{server.server_address[1]}"
        yield hub

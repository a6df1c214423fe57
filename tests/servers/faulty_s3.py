"""A proxy on loopback in front of the real S3 server that does to requests and answers what a script says.

What it does not touch goes through as it is, the signed Host header too, so signatures, conditions and versions are
the real server's. Each kind of fault copies what a store or a network is known to do:

    status        an S3 error, as XML (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html)
    silence       the connection is reset before an answer
    reset         the connection is reset in the middle of the body
    truncate      it ends in the middle of the body (RFC 9112, section 8: an incomplete message)
    flip          one bit of the body differs: what Content-MD5 and x-amz-checksum-* are there to find
                  (https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html)
    flip_request  the same on the way there
    length        Content-Length says something else than the body (RFC 9112, section 6.3)
    headers       headers replaced or added, x-amz-checksum-* or x-amz-server-side-encryption for one
    delay         the answer comes late
    drip          the body comes a byte at a time (Hadoop S3A and s5cmd tune timeouts against it)
    drip_headers  the headers do
    lost          the request is carried out, its answer is lost: why conditional writes can fail after success
                  (https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html)
    answer        a body of the script's, the server is not asked
    edit          the server's body, changed by the script: listings that repeat or lose keys
                  (https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html)
    run           nothing, but the script does something first: replaces or deletes an object

It is a test's server: passing it is not having run on the service.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.servers.loopback import Loopback

ALWAYS = 1 << 30


@dataclass
class Fault:
    """What happens to some of the requests.

    Attributes:
        kind: One of the module's list.
        method: Of the requests meant, a pattern.
        match: A pattern that their unquoted `path?query` holds.
        after: So many of them are left alone first.
        times: Then so many are hit.
        at: Which byte of the body, for truncate, reset and flip; what to add to Content-Length, for length.
        status, code: The answer, for status.
        seconds: For delay, and between the bytes of a drip.
        headers, respond, change, action: What the kinds headers, answer, edit and run use; `respond` makes a body of
            the request's `path?query` as it came.
    """

    kind: str
    method: str = "GET"
    match: str = ""
    after: int = 0
    times: int = 1
    at: int = 0
    status: int = 503
    code: str = "SlowDown"
    seconds: float = 0.2
    headers: dict[str, str] = field(default_factory=dict)
    respond: Callable[[str], bytes] = str.encode
    change: Callable[[bytes], bytes] = bytes
    action: Callable[[], object] = int
    hits: int = 0
    seen: int = 0


@dataclass
class Answer:
    """What the real server said, before it is sent on."""

    status: int
    headers: dict[str, str]
    body: bytes


class FaultyS3:
    """A running proxy: where it listens, what it was asked (`headers` by lower-case name), what it did."""

    def __init__(self, endpoint: str, faults: tuple[Fault, ...]) -> None:
        self.endpoint = endpoint
        self.faults = faults
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()

    @property
    def hits(self) -> int:
        return sum(fault.hits for fault in self.faults)

    def asked(self, method: str, match: str = "") -> int:
        """How many requests there were whose unquoted `METHOD path?query` holds the pattern."""
        return sum(bool(re.search(f"^{method} .*{match}", request)) for request in list(self.requests))

    def due(self, method: str, target: str, headers: dict[str, str]) -> list[Fault]:
        """The faults that hit this request."""
        with self._lock:
            self.requests.append(f"{method} {target}")
            self.headers.append(headers)
            return [fault for fault in self.faults if re.fullmatch(fault.method, method) and self._hit(fault, target)]

    @staticmethod
    def _hit(fault: Fault, target: str) -> bool:
        if not re.search(fault.match, target):
            return False
        fault.seen += 1
        hit = fault.after < fault.seen <= fault.after + fault.times
        fault.hits += hit
        return hit


@contextlib.contextmanager
def faulty(real: str, *faults: Fault, certificate: tuple[Path, Path] | None = None) -> Iterator[FaultyS3]:
    """A proxy for as long as the block lasts.

    Args:
        real: The endpoint of the server behind it.
        faults: The script.
        certificate: Files of a certificate and its key, to speak TLS.
    """
    with _Server(_Handler) as server:
        scheme = "http"
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            scheme = "https"
        server.real = urlsplit(real).netloc
        server.script = FaultyS3(f"{scheme}://127.0.0.1:{server.server_port}", faults)
        with server.serving():
            yield server.script


class _Server(Loopback):
    real: str
    script: FaultyS3


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server
    behind: http.client.HTTPConnection | None = None

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        faults = self.server.script.due(
            self.command, unquote(self.path), {n.lower(): v for n, v in self.headers.items()}
        )
        for fault in faults:
            if fault.kind == "run":
                fault.action()
            if fault.kind == "delay":
                self.server.stopped.wait(fault.seconds)
            if fault.kind == "flip_request" and body:
                body = _flipped(body, fault.at)
            if fault.kind == "silence":
                return self._reset()
        answer = self._answer(body, faults)
        if any(fault.kind == "lost" for fault in faults):
            return self._reset()
        self._send(answer, faults)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = handle_any  # noqa: N815 - http.server's names

    def _answer(self, body: bytes, faults: list[Fault]) -> Answer:
        for fault in faults:
            if fault.kind == "status":
                return _error(fault)
            if fault.kind == "answer":
                return Answer(200, {"Content-Type": "application/xml"} | fault.headers, fault.respond(self.path))
        answer = self._forward(body)
        for fault in faults:
            if fault.kind == "edit":
                answer.body = fault.change(answer.body)
            if fault.kind == "flip" and answer.body:
                answer.body = _flipped(answer.body, fault.at)
            answer.headers |= fault.headers
        return answer

    def _forward(self, body: bytes) -> Answer:
        """The real server's answer, over one connection for each of the client's."""
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        for fresh in (False, True):
            if fresh and self.behind:
                self.behind.close()
            if fresh or self.behind is None:
                self.behind = http.client.HTTPConnection(self.server.real, timeout=60)
            try:
                self.behind.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in headers.items():
                    self.behind.putheader(name, value)
                self.behind.endheaders(body or None)
                found = self.behind.getresponse()
                return Answer(found.status, _single(found), found.read())
            except (http.client.HTTPException, OSError):
                if fresh:
                    raise
        raise AssertionError

    def _send(self, answer: Answer, faults: list[Fault]) -> None:
        cut = next((fault for fault in faults if fault.kind in {"truncate", "reset"}), None)
        drip = next((fault for fault in faults if fault.kind.startswith("drip")), None)
        extra = sum(fault.at for fault in faults if fault.kind == "length")
        length = answer.headers.get("Content-Length") if self.command == "HEAD" else str(len(answer.body) + extra)
        lines = [f"HTTP/1.1 {answer.status} {http.client.responses.get(answer.status, '')}"]
        bare = answer.status in {204, 304} or length is None
        lines += [f"{n}: {v}" for n, v in answer.headers.items() if n != "Content-Length"]
        lines += [] if bare else [f"Content-Length: {length}"]
        body = b"" if self.command == "HEAD" else answer.body[: cut.at if cut else None]
        self._write("\r\n".join([*lines, "", ""]).encode("latin-1"), drip if drip and "headers" in drip.kind else None)
        self._write(body, drip)
        if cut and cut.kind == "reset":
            return self._reset()
        self.close_connection = bool(cut or extra > 0) or self.headers.get("Connection", "").lower() == "close"

    def _write(self, part: bytes, drip: Fault | None) -> None:
        if not drip:
            self.wfile.write(part)
            return
        for n in range(len(part)):
            self.wfile.write(part[n : n + 1])
            if self.server.stopped.wait(drip.seconds):
                raise ConnectionAbortedError

    def _reset(self) -> None:
        """End the connection with a reset instead of an end (a linger of no time)."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()
        if self.behind:
            self.behind.close()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def _single(found: http.client.HTTPResponse) -> dict[str, str]:
    """The headers that are sent on; the body arrives whole here."""
    hop = {"connection", "transfer-encoding", "keep-alive"}
    return {"-".join(p.capitalize() for p in n.split("-")): v for n, v in found.getheaders() if n.lower() not in hop}


def _flipped(body: bytes, at: int) -> bytes:
    changed = bytearray(body)
    changed[at % len(changed)] ^= 1
    return bytes(changed)


def _error(fault: Fault) -> Answer:
    text = f"<Error><Code>{fault.code}</Code><Message>{fault.headers.get('message', 'as told')}</Message></Error>"
    headers = {"Content-Type": "application/xml"}
    return Answer(fault.status, headers, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode())

"""What the test servers share: threads, loopback, and an end that waits for nobody."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Loopback(ThreadingHTTPServer):
    """A server; `stopped` tells handlers that wait on purpose that nobody waits for them any more."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, handler: type) -> None:
        self.stopped = threading.Event()
        super().__init__(("127.0.0.1", 0), handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news here."""

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Answer for as long as the block lasts."""
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield
        finally:
            self.stopped.set()
            self.shutdown()


class Handler(BaseHTTPRequestHandler):
    """What their handlers share: quiet, with kept connections, and all ways to answer badly."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Loopback

    def respond(self) -> None:
        """Answer one request, of whatever method."""
        raise NotImplementedError

    def do_GET(self) -> None:
        self.respond()

    def do_POST(self) -> None:
        self.respond()

    def do_DELETE(self) -> None:
        self.respond()

    def body(self) -> bytes:
        """What was sent."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(
        self,
        status: int,
        body: bytes | dict[str, Any] | list[Any] = b"",
        headers: Mapping[str, str] | None = None,
        *,
        pause: float = 0,
    ) -> None:
        """Send bytes, or what becomes JSON; with a pause in seconds after every byte."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        told = {"Content-Type": "application/json", "Content-Length": str(len(data)), **(headers or {})}
        for name, value in told.items():
            self.send_header(name, value)
        self.end_headers()
        step = 1 if pause else 1 << 16
        for begin in range(0, len(data), step):
            self.wfile.write(data[begin : begin + step])
            if pause and self.server.stopped.wait(pause):
                return

    def hang(self) -> None:
        """Say nothing until the server ends."""
        self.server.stopped.wait(60)

    def reset(self) -> None:
        """End the connection as a crash does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""

"""What the test servers share: threads, loopback, and an end that waits for nobody."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer


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

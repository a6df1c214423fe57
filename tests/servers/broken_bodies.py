"""An S3 look-alike whose first answers break off in the middle of the body.

It copies one documented behaviour: a GetObject response whose connection closes before Content-Length bytes came
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html gives the header; the break is the network's).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

BODY = b"whole body"


@contextmanager
def breaking_off(times: int) -> Iterator[str]:
    """The endpoint of a server that breaks off so many times, then answers whole."""
    left = iter(range(times))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(BODY)))
            self.send_header("ETag", '"1"')
            self.end_headers()
            self.wfile.write(BODY[:4] if next(left, None) is not None else BODY)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()

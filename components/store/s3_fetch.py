"""Reading many small objects fast: obstore reads, boto3 decides.

boto3 spends 1.5 ms of Python on an object, obstore (Rust) a fifth of that, so objects are read through obstore
first. Whatever goes wrong there, an answer that proves nothing included, is read again by `s3_read`, which retries,
verifies and names the error: the fast way never decides that something is missing, denied or damaged.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import obstore
from obstore.auth.boto3 import Boto3CredentialProvider
from obstore.store import S3Store

from components.store.connection import USUAL, Connection
from components.store.errors import TouchstoneError
from components.store.s3_client import CONNECTIONS, client, session_of
from components.store.s3_errors import typed
from components.store.s3_read import Pinned, looks_like_md5, md5, read_exact, split

if TYPE_CHECKING:
    from obstore.store import ClientConfig

MEMORY = 64 << 20
"""Bytes of bodies that are on their way or wait for their consumer; one larger object goes alone."""

AHEAD = 4
"""Objects read or in reading for each thread, so that a slow one does not stop the others."""

FAST_SECONDS = 20
"""For one object on the fast way, which does not retry."""

MISSES, REST = 16, 30.0
"""After so many failures in a row, nobody tries the fast way for so many seconds."""

KEPT = timedelta(minutes=10)
"""Credentials are asked for again well before the 10 minutes that botocore keeps them fresh ahead."""

_SPELLED = re.compile(r"(?!\.{1,2}(/|$))[^/\x00-\x1f\x7f\\]+(/(?!\.{1,2}(/|$))[^/\x00-\x1f\x7f\\]+)*")
"""Keys that obstore's Path takes as they are: no empty segment, no `.` or `..`, no control character."""

T = TypeVar("T", bound=Pinned)


def fetch(
    items: Iterable[T], connection: Connection = USUAL, *, in_flight: int = CONNECTIONS, memory: int = MEMORY
) -> Iterator[tuple[T, bytes | TouchstoneError]]:
    """Read objects in the versions listed, in the given order.

    Args:
        items: What to read; taken as needed, so a generator may be long.
        connection: Where all of them lie.
        in_flight: Requests at once.
        memory: Bytes held at once, however slow the consumer is.

    Yields:
        Each item with its bytes, whole and verified, or with the error that `s3_read.read_exact` would raise.
    """
    waiting: deque[tuple[T, Future[bytes | TouchstoneError]]] = deque()
    held = 0
    pool = ThreadPoolExecutor(in_flight, thread_name_prefix="fetch")
    try:
        for item in items:
            while waiting and (held + item.size > memory or len(waiting) >= in_flight * AHEAD):
                first, body = waiting.popleft()
                yield first, body.result()
                held -= first.size
            waiting.append((item, pool.submit(_read, item, connection)))
            held += item.size
        while waiting:
            first, body = waiting.popleft()
            yield first, body.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _read(item: Pinned, connection: Connection) -> bytes | TouchstoneError:
    bucket, key = split(item.uri)
    try:
        with typed(item.uri, action="GetObject"):
            lane = lane_to(connection, bucket)
        body = lane.read(key, item)
        if body is None:
            got = read_exact(item, connection)
            lane.learn(item, got.etag_is_md5)
            body = got.body
        return body
    except TouchstoneError as error:
        return error


class Lane:
    """The fast way to one bucket, and what was learnt about it."""

    def __init__(self, connection: Connection, bucket: str) -> None:
        """Open it; where obstore cannot, everything is read carefully."""
        self._bucket = bucket
        self._tls = client(connection).meta.endpoint_url.startswith("https:")
        self._etags_are_md5 = True
        self._misses = 0
        self._rests_until = 0.0
        self._store = _store(connection, bucket)

    def read(self, key: str, item: Pinned) -> bytes | None:
        """The object's bytes, or None when the careful way has to decide."""
        proof = self._etags_are_md5 and looks_like_md5(self._bucket, item.etag)
        rests = time.monotonic() < self._rests_until
        if self._store is None or rests or not _SPELLED.fullmatch(key) or not (proof or self._tls):
            return None
        body = self._get(self._store, key, item)
        if body is None or len(body) != item.size or (proof and md5(body).hexdigest() != item.etag):
            return None
        return body

    def _get(self, store: S3Store, key: str, item: Pinned) -> bytes | None:
        try:
            answer = obstore.get(store, key, options={"if_match": f'"{item.etag}"'})
            same = answer.meta["size"] == item.size and (answer.meta["e_tag"] or "").strip('"') == item.etag
            body = answer.bytes().to_bytes() if same else None
        except Exception:
            self._misses += 1
            if self._misses >= MISSES:
                self._misses, self._rests_until = 0, time.monotonic() + REST
            return None
        self._misses = 0
        return body

    def learn(self, item: Pinned, etag_is_md5: bool) -> None:
        """Take note of a bucket whose ETags only look like MD5s, because a key encrypts its objects.

        Over TLS its objects go on being read fast, with nothing but TLS and their length to prove them.
        """
        if looks_like_md5(self._bucket, item.etag) and not etag_is_md5:
            self._etags_are_md5 = False


_lanes: WeakKeyDictionary[Any, dict[str, Lane]] = WeakKeyDictionary()
_lock = Lock()
_process = 0
"""The one that obstore's threads run in: they do not survive a fork, and a child that called them would hang."""


def lane_to(connection: Connection, bucket: str) -> Lane:
    """The lane of this process; it lives as long as the connection's client."""
    with _lock:  # around the client too: threads that begin together would each make one
        lanes = _lanes.setdefault(client(connection), {})
        if bucket not in lanes:
            lanes[bucket] = Lane(connection, bucket)
        return lanes[bucket]


def _after_fork() -> None:
    global _lock
    _lock = Lock()


os.register_at_fork(after_in_child=_after_fork)


def _store(connection: Connection, bucket: str) -> S3Store | None:
    """A client of obstore with boto3's address and credentials, whatever variables it would read itself."""
    global _process
    if _process not in {0, os.getpid()}:
        return None
    _process = os.getpid()
    session = session_of(client(connection))
    endpoint, hosted = address(connection, bucket)
    options: ClientConfig = {"allow_http": True, "timeout": timedelta(seconds=FAST_SECONDS)}
    trusted = connection.ca_bundle or session.get_config_variable("ca_bundle")
    try:
        if trusted:
            options["root_certificate"] = Path(trusted).read_bytes()
        return S3Store(
            bucket,
            aws_endpoint_url_s3=endpoint,  # goes before the variable of that name, which `endpoint` does not
            virtual_hosted_style_request=hosted,
            region=client(connection).meta.region_name or "us-east-1",
            skip_signature=False,
            credential_provider=Boto3CredentialProvider(session, ttl=KEPT),
            client_options=options,
            retry_config={"max_retries": 0},
        )
    except Exception:
        return None


def address(connection: Connection, bucket: str) -> tuple[str, bool]:
    """The endpoint that boto3 resolved, and whether it would put the bucket into the host name (then it is there)."""
    used = client(connection)
    signed = urlsplit(used.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}))
    endpoint = urlsplit(used.meta.endpoint_url.rstrip("/"))
    hosted = not signed.path.startswith(f"/{bucket}/")
    return endpoint._replace(netloc=f"{bucket}.{endpoint.netloc}").geturl() if hosted else endpoint.geturl(), hosted

"""Clients of object stores: one for each connection and process, made when first needed.

A client is thread-safe and may be shared; it may not cross a fork, so a child starts with none.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from functools import cache
from threading import Thread
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

import boto3
import botocore.session
from botocore import exceptions as aws
from botocore.config import Config as ClientConfig
from botocore.utils import parse_timestamp

from components.store.connection import USUAL, Connection

CONNECTIONS = 32
"""Requests in flight at most; more are no faster (docs/decisions/0004-obstore-reads-boto3-decides.md)."""

READ_TIMEOUT = 60
"""Seconds without a byte."""

DEADLINE = 60.0
"""Seconds for one small answer, its retries included; a large one gets more by its size."""

SLOWEST = 100_000
"""Bytes a second that a large answer must bring."""

EXPIRED = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
_STYLES: dict[bool | None, Literal["auto", "path", "virtual"]] = {None: "auto", True: "path", False: "virtual"}
_sessions: WeakKeyDictionary[Any, botocore.session.Session] = WeakKeyDictionary()

T = TypeVar("T")


class TooSlowError(aws.HTTPClientError):
    """An answer that was given up; to whoever retries, one more way of breaking off."""

    fmt = "The answer took longer than {seconds} s."


@cache
def client(connection: Connection = USUAL) -> Any:
    """The boto3 client of a connection: 32 connections, 5 tries with backoff and jitter (botocore's standard mode)."""
    session = botocore.session.get_session()
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_time)
    made: Any = boto3.Session(botocore_session=session).client(
        "s3",
        endpoint_url=connection.endpoint,
        region_name=connection.region,
        verify=connection.ca_bundle,
        config=ClientConfig(
            retries={"mode": "standard", "total_max_attempts": 5},
            connect_timeout=5,
            read_timeout=READ_TIMEOUT,
            max_pool_connections=CONNECTIONS,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": _STYLES[connection.path_style]},
        ),
    )
    _sessions[made] = session
    return made


def _time(value: Any) -> datetime:
    """A time in an answer; botocore's own parser takes half of a listing's time."""
    try:
        return datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return parse_timestamp(value)


os.register_at_fork(after_in_child=client.cache_clear)


def session_of(made: Any) -> botocore.session.Session:
    """The session that a client came from: it holds the settings, and the credentials, which it keeps fresh."""
    return _sessions[made]


def code(error: aws.ClientError) -> str:
    """S3's name for what went wrong, or the HTTP status where an answer has no body."""
    return str(error.response.get("Error", {}).get("Code", ""))


def asked(connection: Connection, request: Callable[[Any], T], *, seconds: float | None = None) -> T:
    """What `request(client)` answers, within a deadline.

    Where the credentials ran out before their time, the chain is asked once more: somebody may have renewed the
    file or the variables that they came from.

    Raises:
        TooSlowError: After `seconds` (`DEADLINE`), and whatever `request` raises.
    """
    used = client(connection)
    try:
        return within(seconds, lambda: request(used))
    except aws.ClientError as error:
        if code(error) not in EXPIRED:
            raise
    if client(connection) is used:
        client.cache_clear()
    return within(seconds, lambda: request(client(connection)))


def within(seconds: float | None, call: Callable[[], T]) -> T:
    """`call()`, given up after `seconds`.

    A socket's timeout ends silence; an answer that brings a byte a second would keep its reader for days. So the
    call runs in a thread of its own, which is left to itself when time is up; it holds nobody at exit.
    """
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, name="s3", daemon=True).start()
    seconds = DEADLINE if seconds is None else seconds
    try:
        return future.result(seconds)
    except TimeoutError:
        raise TooSlowError(seconds=round(seconds)) from None

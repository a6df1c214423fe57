"""The careful way of reading: through boto3, verified, tried a bounded number of times, typed where it fails.

What proves an object's bytes: a checksum of the whole object that it was uploaded with, or its ETag, which is the
MD5 of an object put in one piece unless a key service or a customer's key encrypted it
(https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html). Otherwise the length, and TLS on the way.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar

from botocore import exceptions as aws
from botocore.httpchecksum import StreamingChecksumBody

from components.store import s3_client as clients
from components.store.connection import USUAL, Connection
from components.store.errors import TouchstoneError
from components.store.s3_errors import BROKEN_OFF, MISSING, PRECONDITION, DamagedError, typed

READS = 3
"""Tries for a body that breaks off or arrives damaged; of a large one, tries without a piece more than before."""

PIECE = 1 << 20
"""Bytes of a large object in memory."""

_AGAIN = (*BROKEN_OFF, DamagedError, aws.FlexibleChecksumError)
_MD5 = re.compile(r"[0-9a-f]{32}")

T = TypeVar("T")


class Pinned(Protocol):
    """One object in one version, as a listing gave it; `version_id` is empty where there are none."""

    @property
    def uri(self) -> str:
        """`s3://bucket/key`, the key as it is."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def etag(self) -> str:
        """Without quotes."""

    @property
    def version_id(self) -> str:
        """Of the version that was listed."""


@dataclass(frozen=True)
class Got:
    """An object as it was read; `etag_is_md5` says whether its ETag is the MD5 of its bytes."""

    body: bytes
    etag: str
    etag_is_md5: bool


def split(uri: str) -> tuple[str, str]:
    """Bucket and key; the key may hold anything, `//` too."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def looks_like_md5(bucket: str, etag: str) -> bool:
    """Whether an ETag may be an MD5; the digits of a directory bucket's are random."""
    return bool(_MD5.fullmatch(etag)) and not bucket.endswith("--x-s3")


def md5(body: bytes = b"") -> Any:
    """A digest against accidents; allowed where FIPS forbids MD5 for security."""
    return hashlib.md5(body, usedforsecurity=False)


def read_exact(item: Pinned, connection: Connection = USUAL) -> Got:
    """The object's bytes in the version listed.

    By its ETag, which the right to s3:GetObject is enough for; by its version where the object was replaced since.

    Raises:
        TouchstoneError: SNAPSHOT_CHANGED when that version is gone, else what `typed` says.
    """
    bucket, key = split(item.uri)
    with _pinned(item):
        return _in_version(item, lambda wanted: get(connection, bucket, key, wanted, size=item.size))


def get(connection: Connection, bucket: str, key: str, wanted: dict[str, str], *, size: int | None = None) -> Got:
    """One object, whole and verified, or whatever boto3 raises; botocore retries requests, this retries bodies.

    Args:
        connection: Where.
        bucket: Its name.
        key: The whole key.
        wanted: IfMatch or VersionId, or nothing.
        size: Bytes, where they are known.
    """
    until = time.monotonic() + clients.DEADLINE
    for tries in count(1):
        try:
            return _once(connection, bucket, key, size, until, wanted)
        except (*_AGAIN, aws.ClientError) as error:
            if tries == READS or time.monotonic() > until or not _passes(error):
                raise
        time.sleep(random.uniform(0, tries))
    raise AssertionError


def _passes(error: Exception) -> bool:
    """Whether it may be over soon; of a busy server's answers botocore's quota of retries leaves some unretried."""
    if not isinstance(error, aws.ClientError):
        return True
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0) >= 500


def _once(connection: Connection, bucket: str, key: str, size: int | None, until: float, wanted: dict[str, str]) -> Got:
    answer = _open(connection, bucket, key, wanted, seconds=max(until - time.monotonic(), 1))
    length = answer.get("ContentLength", 0)
    if size is not None and length != size:
        answer["Body"].close()
        raise DamagedError(f"an answer of {length:,} bytes instead of {size:,}")
    body = clients.within(max(until - time.monotonic(), 1) + length / clients.SLOWEST, answer["Body"].read)
    etag = answer["ETag"].strip('"')
    matches = looks_like_md5(bucket, etag) and bool(md5(body).hexdigest() == etag)
    if _must_match(bucket, answer) and not matches and not isinstance(answer["Body"], StreamingChecksumBody):
        raise DamagedError("bytes with another MD5 than its ETag")
    return Got(body, etag, matches)


def _open(
    connection: Connection, bucket: str, key: str, wanted: dict[str, str], *, seconds: float | None = None
) -> Any:
    """GetObject's answer, the body unread. A range has no checksum of its own."""
    mode = {} if "Range" in wanted else {"ChecksumMode": "ENABLED"}
    answer = clients.asked(
        connection, lambda s3: s3.get_object(Bucket=bucket, Key=key, **mode, **wanted), seconds=seconds
    )
    if wanted.get("IfMatch", answer["ETag"]) != answer["ETag"]:
        answer["Body"].close()  # there are servers that do not know the condition
        raise aws.ClientError({"Error": {"Code": "PreconditionFailed"}}, "GetObject")
    return answer


def _must_match(bucket: str, answer: Any) -> bool:
    """Whether the ETag has to be the MD5 of the bytes."""
    by_key = answer.get("SSECustomerAlgorithm") or answer.get("ServerSideEncryption", "").startswith("aws:")
    return looks_like_md5(bucket, answer["ETag"].strip('"')) and not by_key


def _in_version(item: Pinned, read: Callable[[dict[str, str]], T]) -> T:
    try:
        return read({"IfMatch": f'"{item.etag}"'})
    except aws.ClientError as error:
        if not item.version_id or clients.code(error) not in MISSING | PRECONDITION:
            raise
    return read({"VersionId": item.version_id})


@contextlib.contextmanager
def _pinned(item: Pinned) -> Iterator[None]:
    """As `typed`; what was listed and is no more has changed since."""
    try:
        with typed(item.uri, action="GetObject"):
            yield
    except TouchstoneError as error:
        if error.code != "NO_SUCH_OBJECT":
            raise
        fix = "Run again: a new snapshot is taken."
        raise TouchstoneError("SNAPSHOT_CHANGED", f"{item.uri} was deleted after the snapshot", fix=fix) from None


def download_exact(item: Pinned, file: Path, connection: Connection = USUAL) -> None:
    """Fetch a large object in the version listed into `file`, a piece in memory; nothing appears unless all of it came.

    A transfer that breaks off goes on where it stopped.

    Raises:
        TouchstoneError: as `read_exact`.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    try:
        with _pinned(item), part.open("wb") as out:
            _whole(item, out, connection)
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)


def _whole(item: Pinned, out: IO[bytes], connection: Connection) -> None:
    for tries in count(1):
        try:
            return _Download(item, out, connection).run()
        except (DamagedError, aws.FlexibleChecksumError):
            if tries == READS:
                raise


class _Download:
    """One object on its way into a file, from its first byte."""

    def __init__(self, item: Pinned, out: IO[bytes], connection: Connection) -> None:
        self.item, self.out, self.connection = item, out, connection
        self.at, self.digest, self.must_match = 0, md5(), False
        out.seek(0)
        out.truncate()

    def run(self) -> None:
        failures = 0
        while True:
            before = self.at
            try:
                self._go_on()
                break
            except BROKEN_OFF:
                failures = 1 if self.at - before >= PIECE else failures + 1
                if failures == READS:
                    raise
            time.sleep(random.uniform(0, failures))
        if self.at != self.item.size or (self.must_match and self.digest.hexdigest() != self.item.etag):
            raise DamagedError(f"{self.at:,} bytes, which are not those of its ETag")

    def _go_on(self) -> None:
        """Read from where the last try stopped to the end."""
        if self.at and self.at == self.item.size:
            return
        bucket, key = split(self.item.uri)
        part = {"Range": f"bytes={self.at}-"} if self.at else {}
        answer = _in_version(self.item, lambda wanted: _open(self.connection, bucket, key, wanted | part))
        if self.at and not answer.get("ContentRange", "").startswith(f"bytes {self.at}-"):
            raise DamagedError("another range than the one asked for")
        self.must_match = _must_match(bucket, answer)
        body = answer["Body"]  # not closed when it is too slow: that would wait for the thread that reads it
        while piece := clients.within(None, lambda: body.read(PIECE)):
            if self.at + len(piece) > self.item.size:
                body.close()
                raise DamagedError(f"more than {self.item.size:,} bytes")
            self._take(piece)

    def _take(self, piece: bytes) -> None:
        self.at += len(piece)
        self.digest.update(piece)
        self.out.write(piece)

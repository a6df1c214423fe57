"""The S3 door: objects below an address, read, written and listed.

Beside it lie its parts, `s3_client` (clients and deadlines), `s3_errors`, `s3_listing`, `s3_read` (verified reading)
and `s3_fetch` (many small objects, fast); nobody else speaks to an object store.

Credentials come from the default AWS chain and from nowhere else, region and endpoint from it or from a
`Connection`. Every call has timeouts, a deadline and bounded retries with jitter; every failure comes back as a
typed error that names the object and what to do.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

from boto3.exceptions import S3UploadFailedError
from botocore import exceptions as aws

from components.store import s3_client
from components.store.connection import USUAL, Connection
from components.store.errors import UserError
from components.store.s3_client import asked, code
from components.store.s3_client import client as _client
from components.store.s3_errors import DAMAGED_ON_THE_WAY, MISSING, PRECONDITION, typed
from components.store.s3_listing import Entry, Listing, everything
from components.store.s3_read import READS, Got, download_exact, get, md5

_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
"""What botocore lets pass as a name; access points (ARNs) are no buckets of ours."""

T = TypeVar("T")

__all__ = ["Entry", "Folder"]


class Folder:
    """The objects below `s3://bucket/prefix`; all keys are relative to it."""

    def __init__(self, uri: str, connection: Connection | None = None) -> None:
        """Take the address apart.

        Args:
            uri: `s3://bucket[/prefix]`.
            connection: How to reach it, where the usual AWS settings do not say.

        Raises:
            UserError: BAD_ADDRESS when it is not `s3://bucket[/prefix]`.
        """
        scheme, _, rest = uri.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme != "s3" or not _BUCKET.fullmatch(bucket):
            shown = re.sub("//.*@", "//...@", uri)  # some write their keys there
            raise UserError("BAD_ADDRESS", f"{shown} is no S3 address", expected="s3://bucket/prefix")
        self.connection = connection or USUAL
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self.uri = f"s3://{bucket}/{self.prefix}".rstrip("/")

    def __truediv__(self, name: str) -> Folder:
        """The folder `name` inside this one."""
        return Folder(f"{self.uri}/{name}", self.connection)

    def address(self, key: str) -> str:
        """The full URI of `key`."""
        return f"{self.uri}/{key}"

    def _key(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key

    @property
    def _start(self) -> str:
        return f"{self.prefix}/" if self.prefix else ""

    def ensure_bucket(self) -> None:
        """Create the bucket unless it exists."""
        with typed(f"s3://{self.bucket}"):
            try:
                asked(self.connection, lambda s3: s3.head_bucket(Bucket=self.bucket))
            except aws.ClientError as error:
                if code(error) not in {"404", "NoSuchBucket"}:
                    raise
                asked(self.connection, lambda s3: s3.create_bucket(Bucket=self.bucket))

    def list(self) -> Iterator[Entry]:
        """Every object below this folder in the server's order, page by page; without versions."""
        with typed(self.uri):
            for page in Listing(self.connection, self.bucket, self._start).pages(self._start):
                yield from page.entries

    def entries(self) -> Sequence[Entry]:
        """Every object below this folder, once, sorted by key, with its version where the bucket keeps versions.

        Large folders are listed over several prefixes at once.

        Raises:
            TouchstoneError: LISTING_BROKEN when the server contradicts itself.
        """
        return everything(self.connection, self.bucket, self._start)

    def read(self, key: str, *, etag: str | None = None) -> bytes:
        """The object's bytes, verified; with `etag`, only if it is still that version.

        Raises:
            TouchstoneError: NO_SUCH_OBJECT, SNAPSHOT_CHANGED when the object is not the version asked for, or
                OBJECT_DAMAGED.
        """
        condition = {"IfMatch": f'"{etag}"'} if etag else {}
        with typed(self.address(key), action="GetObject"):
            return self._get(key, **condition).body

    def _get(self, key: str, **condition: str) -> Got:
        return get(self.connection, self.bucket, self._key(key), condition)

    def find(self, key: str) -> tuple[bytes, str] | None:
        """The object's bytes and ETag, or None when there is no such object (any other failure raises)."""
        with typed(self.address(key), action="GetObject"):
            try:
                got = self._get(key)
            except aws.ClientError as error:
                if code(error) in MISSING:
                    return None
                raise
        return got.body, got.etag

    def exists(self, key: str) -> bool:
        """Whether there is an object of that name."""
        with typed(self.address(key), action="GetObject"):
            try:
                asked(self.connection, lambda s3: s3.head_object(Bucket=self.bucket, Key=self._key(key)))
            except aws.ClientError as error:
                if code(error) in MISSING:
                    return False
                raise
        return True

    def write(self, key: str, body: bytes) -> str:
        """Put the object, whatever was there; its ETag."""
        with typed(self.address(key), action="PutObject"):
            return str(self._put(key, body)["ETag"]).strip('"')

    def _put(self, key: str, body: bytes, **condition: str) -> Any:
        """The server compares the bytes with their MD5 and takes no others; then they are sent again."""
        proof = base64.b64encode(md5(body).digest()).decode()
        names = {"Bucket": self.bucket, "Key": self._key(key), "ContentMD5": proof, **condition}
        seconds = s3_client.DEADLINE + len(body) / s3_client.SLOWEST
        return _sent(lambda: asked(self.connection, lambda s3: s3.put_object(Body=body, **names), seconds=seconds))

    def swap(self, key: str, body: bytes, *, expected: str | None) -> bool:
        """Put the object only if its ETag is still `expected` (None: only if there is none).

        The one compare-and-swap of the project (conditional writes: PutObject with If-Match, If-None-Match). Where
        the answer to the first try was lost, the second is refused because of the first: the bytes tell.

        Returns:
            False when somebody else was first.
        """
        condition = {"IfMatch": f'"{expected}"'} if expected else {"IfNoneMatch": "*"}
        with typed(self.address(key), action="PutObject"):
            try:
                self._put(key, body, **condition)
            except aws.ClientError as error:
                if code(error) not in PRECONDITION | (MISSING if expected else set()):
                    raise
                lost = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
                return bool(lost) and (self.find(key) or (None,))[0] == body
        return True

    def delete(self, key: str) -> None:
        """Delete the object; one that is not there is no error."""
        with typed(self.address(key), action="DeleteObject"):
            asked(self.connection, lambda s3: s3.delete_object(Bucket=self.bucket, Key=self._key(key)))

    def upload(self, key: str, file: Path) -> None:
        """Put a file of any size (multipart above 8 MiB)."""
        used = _client(self.connection)
        # Over TLS nothing changes bytes, and there checksums would travel in a form that not every server reads.
        proof = {} if used.meta.endpoint_url.startswith("https:") else {"ChecksumAlgorithm": "CRC32"}

        def send() -> None:
            try:
                used.upload_file(str(file), self.bucket, self._key(key), ExtraArgs=proof)
            except S3UploadFailedError as error:  # boto3 wraps the server's answer
                raise (error.__context__ or error) from None

        with typed(self.address(key), action="PutObject"):
            _sent(send)

    def download(self, key: str, file: Path) -> None:
        """Fetch an object of any size into `file`, verified; nothing appears unless all of it came."""
        with typed(self.address(key), action="GetObject"):
            found = asked(self.connection, lambda s3: s3.head_object(Bucket=self.bucket, Key=self._key(key)))
        entry = Entry(key, self.address(key), found["ContentLength"], found["ETag"].strip('"'))
        download_exact(entry, file, self.connection)


def _sent(send: Callable[[], T]) -> T:
    """What `send()` returns; bytes that the server refuses because they changed on the way are sent again."""
    for tries in count(1):
        try:
            return send()
        except aws.ClientError as error:
            if code(error) not in DAMAGED_ON_THE_WAY or tries == READS:
                raise
    raise AssertionError

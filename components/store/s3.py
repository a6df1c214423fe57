"""The S3 door: the only module that speaks to an object store.

Credentials, region and endpoint come from boto3's default chain (environment, profile, IRSA) and from nowhere
else. Every call has timeouts and bounded retries with jitter (botocore's standard mode); every failure comes
back as a typed error that names the object and what to do.
"""

from __future__ import annotations

import contextlib
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import RetriesExceededError, S3UploadFailedError
from botocore import exceptions as aws
from botocore.config import Config as ClientConfig

from components.store.errors import TouchstoneError, TransientError, UserError

CONNECTIONS = 32
"""Requests in flight at most; other gains wait for the corpus benchmark."""

READS = 3
"""Tries for a body that breaks off."""

_BROKEN_OFF = (aws.HTTPClientError, aws.IncompleteReadError, aws.ResponseStreamingError)
_BUCKET = re.compile(r"[A-Za-z0-9._-]{1,255}")
"""What botocore lets pass as a name; access points (ARNs) are no buckets of ours."""

_DENIED = {"AccessDenied", "AllAccessDisabled", "403"}
_BAD_CREDENTIALS = {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "AuthFailure"}
_MISSING = {"NoSuchKey", "404", "NotFound"}
_PRECONDITION = {"PreconditionFailed", "412", "ConditionalRequestConflict", "409"}


@dataclass(frozen=True)
class Entry:
    """One listed object. `key` is relative to the folder it was listed in; `etag` has no quotes."""

    key: str
    uri: str
    size: int
    etag: str


@cache
def _client() -> Any:
    """One client for the process: thread-safe, 32 connections, 5 tries, seconds rather than minutes."""
    return boto3.Session().client(
        "s3",
        config=ClientConfig(
            retries={"mode": "standard", "total_max_attempts": 5},
            connect_timeout=5,
            read_timeout=60,
            max_pool_connections=CONNECTIONS,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "auto"},
        ),
    )


class Folder:
    """The objects below `s3://bucket/prefix`; all keys are relative to it."""

    def __init__(self, uri: str) -> None:
        """Take the address apart.

        Raises:
            UserError: BAD_ADDRESS when it is not `s3://bucket[/prefix]`.
        """
        scheme, _, rest = uri.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme != "s3" or not _BUCKET.fullmatch(bucket):
            shown = re.sub("//.*@", "//...@", uri)  # some write their keys there
            raise UserError("BAD_ADDRESS", f"{shown} is no S3 address", expected="s3://bucket/prefix")
        self.bucket = bucket
        self.prefix = prefix.strip("/")
        self.uri = f"s3://{bucket}/{self.prefix}".rstrip("/")

    def __truediv__(self, name: str) -> Folder:
        """The folder `name` inside this one."""
        return Folder(f"{self.uri}/{name}")

    def address(self, key: str) -> str:
        """The full URI of `key`."""
        return f"{self.uri}/{key}"

    def _key(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key

    def ensure_bucket(self) -> None:
        """Create the bucket unless it exists."""
        with _typed(f"s3://{self.bucket}"):
            try:
                _client().head_bucket(Bucket=self.bucket)
            except aws.ClientError as error:
                if _code(error) not in {"404", "NoSuchBucket"}:
                    raise
                _client().create_bucket(Bucket=self.bucket)

    def list(self) -> Iterator[Entry]:
        """Every object below this folder in key order, page by page."""
        start = f"{self.prefix}/" if self.prefix else ""
        with _typed(self.uri, action="ListBucket"):
            for page in _client().get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start):
                for item in page.get("Contents", []):
                    key = item["Key"].removeprefix(start)
                    yield Entry(key, self.address(key), item["Size"], item["ETag"].strip('"'))

    def read(self, key: str, *, etag: str | None = None) -> bytes:
        """The object's bytes; with `etag`, only if it is still that version.

        Raises:
            TouchstoneError: NO_SUCH_OBJECT, or SNAPSHOT_CHANGED when the object is not the version asked for.
        """
        condition = {"IfMatch": f'"{etag}"'} if etag else {}
        with _typed(self.address(key), action="GetObject"):
            return self._get(key, **condition)[0]

    def _get(self, key: str, **condition: str) -> tuple[bytes, str]:
        """Bytes and ETag; botocore retries requests, not bodies that break off, so those are read again here."""
        tries = 0
        while True:
            answer = _client().get_object(Bucket=self.bucket, Key=self._key(key), **condition)
            try:
                return answer["Body"].read(), answer["ETag"].strip('"')
            except _BROKEN_OFF:
                tries += 1
                if tries == READS:
                    raise
                time.sleep(random.uniform(0, tries))

    def find(self, key: str) -> tuple[bytes, str] | None:
        """The object's bytes and ETag, or None when there is no such object (any other failure raises)."""
        with _typed(self.address(key), action="GetObject"):
            try:
                return self._get(key)
            except aws.ClientError as error:
                if _code(error) in _MISSING:
                    return None
                raise

    def exists(self, key: str) -> bool:
        """Whether there is an object of that name."""
        with _typed(self.address(key), action="GetObject"):
            try:
                _client().head_object(Bucket=self.bucket, Key=self._key(key))
            except aws.ClientError as error:
                if _code(error) in _MISSING:
                    return False
                raise
        return True

    def write(self, key: str, body: bytes) -> str:
        """Put the object, whatever was there; its ETag."""
        with _typed(self.address(key), action="PutObject"):
            answer = _client().put_object(Bucket=self.bucket, Key=self._key(key), Body=body)
        return str(answer["ETag"]).strip('"')

    def swap(self, key: str, body: bytes, *, expected: str | None) -> bool:
        """Put the object only if its ETag is still `expected` (None: only if there is none).

        The one compare-and-swap of the project (conditional writes: PutObject with If-Match, If-None-Match).

        Returns:
            False when somebody else was first.
        """
        condition = {"IfMatch": f'"{expected}"'} if expected else {"IfNoneMatch": "*"}
        with _typed(self.address(key), action="PutObject"):
            try:
                _client().put_object(Bucket=self.bucket, Key=self._key(key), Body=body, **condition)
            except aws.ClientError as error:
                if _code(error) in _PRECONDITION or (expected and _code(error) in _MISSING):
                    return False
                raise
        return True

    def upload(self, key: str, file: Path) -> None:
        """Put a file of any size (multipart above 8 MiB)."""
        with _typed(self.address(key), action="PutObject"):
            try:
                _client().upload_file(str(file), self.bucket, self._key(key))
            except S3UploadFailedError as error:  # boto3 wraps the server's answer
                raise (error.__context__ or error) from None

    def download(self, key: str, file: Path) -> None:
        """Fetch an object of any size into `file`."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with _typed(self.address(key), action="GetObject"):
            _client().download_file(self.bucket, self._key(key), str(file))


def _code(error: aws.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


@contextlib.contextmanager
def _typed(uri: str, *, action: str = "ListBucket") -> Iterator[None]:
    """Turn boto3's exceptions into ours, naming the address and the fix, never a credential."""
    try:
        yield
    except aws.ClientError as error:
        raise _answer(uri, action, error) from None
    except (aws.NoCredentialsError, aws.PartialCredentialsError, aws.ProfileNotFound):
        raise UserError(
            "NO_CREDENTIALS",
            f"{uri}: no AWS credentials found",
            fix="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or give the pod a role.",
        ) from None
    except (aws.EndpointConnectionError, aws.ConnectTimeoutError) as error:
        raise UserError(
            "S3_UNREACHABLE",
            f"{uri}: nobody answers at {error.kwargs.get('endpoint_url', 'the endpoint')}",
            fix="Check AWS_ENDPOINT_URL_S3 and that the server is up.",
        ) from None
    except (*_BROKEN_OFF, RetriesExceededError) as error:
        raise TransientError("S3_INTERRUPTED", f"{uri}: the transfer broke off", found=type(error).__name__) from None
    except (aws.NoRegionError, aws.InvalidRegionError, ValueError) as error:
        raise UserError("S3_SETTINGS", f"{uri}: the S3 client cannot be set up", found=str(error)) from None


def _answer(uri: str, action: str, error: aws.ClientError) -> TouchstoneError:
    """The typed error for what the server answered."""
    code = _code(error)
    if code == "NoSuchBucket" or (action == "ListBucket" and code in _MISSING):
        return UserError("NO_SUCH_BUCKET", f"{uri}: there is no such bucket", fix="Create it, or correct the recipe.")
    if code in _BAD_CREDENTIALS:
        return UserError("BAD_CREDENTIALS", f"{uri}: the credentials were refused", found=code, fix="Renew them.")
    if code in _DENIED:
        return UserError(
            "ACCESS_DENIED", f"{uri}: access denied", found=f"no s3:{action}", fix=f"Allow s3:{action} on {uri}."
        )
    if code in _PRECONDITION:
        return TouchstoneError(
            "SNAPSHOT_CHANGED", f"{uri} was replaced after the snapshot", fix="Run again: a new snapshot is taken."
        )
    if code in _MISSING:
        return TouchstoneError("NO_SUCH_OBJECT", f"{uri} does not exist")
    return TransientError("S3_FAILED", f"{uri}: the server answered {code or 'an error'} to {action}")

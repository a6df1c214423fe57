"""Listing a bucket: page by page in the server's order, or everything at once, sorted, over several prefixes.

Pages carry their keys percent-encoded (EncodingType=url, which boto3 asks for and undoes): XML cannot hold every
character that a key may have. Keys are compared as they are: NFC and NFD, upper and lower case are different keys.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import count
from typing import Any

from botocore import exceptions as aws
from botocore.parsers import ResponseParserError

from components.store.connection import Connection
from components.store.errors import TouchstoneError
from components.store.s3_client import asked, code
from components.store.s3_errors import BROKEN_OFF, typed
from components.store.s3_read import READS

THREADS = 16
"""Pages asked for at once."""

PATIENCE = 3
"""Pages of a prefix read one after the other before it is worth asking what it is divided into."""

CROWD = 8
"""Where a page goes over more divisions than this, they are too small to be asked for one by one."""

REPEATED = 1000
"""Pages that begin with no key or one that another page began with, before the server is not believed any longer:
an object with as many thousands of old versions has them too."""

UNSAID = {"AccessDenied", "403", "MethodNotAllowed", "405", "NotImplemented", "501"}
"""How servers say that they do not tell about versions."""

Token = dict[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed object.

    Attributes:
        key: Relative to the folder it was listed in.
        uri: `s3://bucket/` and the whole key.
        size: Bytes.
        etag: Without quotes.
        version_id: Where the bucket keeps versions and this one cannot be replaced, otherwise empty.
    """

    key: str
    uri: str
    size: int
    etag: str
    version_id: str = ""


@dataclass(frozen=True)
class Page:
    """One answer: objects, the prefixes below (with a delimiter), and what to ask next with."""

    entries: list[Entry]
    prefixes: list[str]
    token: Token | None


@dataclass(frozen=True)
class Listing:
    """How the objects below `s3://bucket/start` are asked for; `start` is empty or ends with a slash."""

    connection: Connection
    bucket: str
    start: str
    versions: bool = False

    @property
    def uri(self) -> str:
        """For messages."""
        return f"s3://{self.bucket}/{self.start}".rstrip("/")

    def pages(self, prefix: str, token: Token | None = None) -> Iterator[Page]:
        """The pages of everything below `prefix`, from `token` on.

        Raises:
            TouchstoneError: LISTING_BROKEN when the server repeats itself or leaves the prefix.
        """
        seen: set[str] = set()
        repeated = 0
        while True:
            page = self.page(prefix, token=token)
            yield page
            token = page.token
            if token is None:
                return
            first = page.entries[0].uri if page.entries else ""
            repeated += first in seen
            if str(token) in seen or repeated > REPEATED:
                raise self._broken("the same page again")
            seen |= {str(token), first}

    def page(self, prefix: str, delimiter: str = "", token: Token | None = None) -> Page:
        """One page; a body that breaks off is asked for again."""
        for tries in count(1):
            try:
                return self._read(self._ask(prefix, delimiter, token), prefix)
            except BROKEN_OFF:
                if tries == READS:
                    raise
            time.sleep(random.uniform(0, tries))
        raise AssertionError

    def _ask(self, prefix: str, delimiter: str, token: Token | None) -> dict[str, Any]:
        wanted = {"Bucket": self.bucket, "Prefix": prefix, **(token or {})}
        if delimiter:
            wanted["Delimiter"] = delimiter
        name = "list_object_versions" if self.versions else "list_objects_v2"
        answer: dict[str, Any] = asked(self.connection, lambda s3: getattr(s3, name)(**wanted))
        return answer

    def _read(self, answer: dict[str, Any], prefix: str) -> Page:
        if "IsTruncated" not in answer:  # what botocore makes of a body that broke off before its first byte
            raise ResponseParserError("an answer that is no listing")
        found = answer.get("Versions" if self.versions else "Contents", [])
        entries = [self._entry(item) for item in found if item.get("IsLatest", True)]
        prefixes = [item["Prefix"] for item in answer.get("CommonPrefixes", [])]
        keys = [item["Key"] for item in found]
        if not all(key.startswith(prefix) for key in keys) or not all(self._below(prefix, p) for p in prefixes):
            raise self._broken(f"keys outside of the prefix {prefix!r}")
        return Page(entries, prefixes, self._next(answer))

    @staticmethod
    def _below(prefix: str, division: str) -> bool:
        return division.startswith(prefix) and division != prefix

    def _entry(self, item: dict[str, Any]) -> Entry:
        key, version = item["Key"], item.get("VersionId", "null")
        uri = f"s3://{self.bucket}/{key}"
        # A "null" version is the one that the next write replaces once versioning is suspended.
        pinned = "" if version == "null" else version
        return Entry(key.removeprefix(self.start), uri, item["Size"], item["ETag"].strip('"'), pinned)

    def _next(self, answer: dict[str, Any]) -> Token | None:
        if not answer.get("IsTruncated"):
            return None
        names = {"NextContinuationToken": "ContinuationToken"}
        if self.versions:
            names = {"NextKeyMarker": "KeyMarker", "NextVersionIdMarker": "VersionIdMarker"}
        token = {name: answer[given] for given, name in names.items() if answer.get(given)}
        if not token:
            raise self._broken("a page that is not the last, with no way to the next")
        return token

    def _broken(self, found: str) -> TouchstoneError:
        fix = "This is the server's fault: tell whoever runs it, and run again."
        return TouchstoneError("LISTING_BROKEN", f"{self.uri} cannot be listed", found=found, fix=fix)


def everything(connection: Connection, bucket: str, start: str) -> list[Entry]:
    """Every object below `start`, in its current version, once, sorted by key (code points, which is S3's order).

    Raises:
        TouchstoneError: LISTING_BROKEN, and what `typed` says.
    """
    plain = Listing(connection, bucket, start)
    with typed(plain.uri):
        try:
            status = asked(connection, lambda s3: s3.get_bucket_versioning(Bucket=bucket)).get("Status")
            found = _Search(dataclasses.replace(plain, versions=bool(status))).run()
        except aws.ClientError as error:
            if code(error) not in UNSAID:
                raise
            found = _Search(plain).run()
    return sorted(found.values(), key=lambda entry: entry.key)


class _Search:
    """Divides a listing over threads where that pays.

    A folder of up to `PATIENCE` pages is read as ever, one page after the other. A larger one is asked for the
    prefixes that divide it at the next slash, and each of them becomes a task that may divide again, as long as there
    are threads with nothing to do. Prefixes are used rather than ranges of keys: not every server lists in order.
    """

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._busy = 0

    def run(self) -> dict[str, Entry]:
        found: dict[str, Entry] = {}
        pool = ThreadPoolExecutor(THREADS, thread_name_prefix="list")
        try:
            pending = {pool.submit(self._branch, self._listing.start)}
            while pending:
                self._busy = len(pending)
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for entries, prefixes in map(Future.result, done):
                    found.update((entry.uri, entry) for entry in entries)
                    pending |= {pool.submit(self._branch, prefix) for prefix in prefixes}
        finally:
            pool.shutdown(cancel_futures=True)
        return found

    def _branch(self, prefix: str) -> tuple[list[Entry], list[str]]:
        """What lies below `prefix`: all entries, or some and the prefixes that hold the others."""
        entries: list[Entry] = []
        for number, page in enumerate(self._listing.pages(prefix), 1):
            entries += page.entries
            if number == PATIENCE and page.token and self._pays(prefix, entries):
                divided = self._divide(prefix)
                if divided:
                    return divided
        return entries, []

    def _pays(self, prefix: str, entries: list[Entry]) -> bool:
        """Whether threads are free and the divisions, judged by the first pages, are large."""
        below = len(prefix) - len(self._listing.start)
        divisions = {entry.key[below:].partition("/")[0] for entry in entries if "/" in entry.key[below:]}
        return self._busy < THREADS and 0 < len(divisions) <= CROWD * PATIENCE

    def _divide(self, prefix: str) -> tuple[list[Entry], list[str]] | None:
        """The objects directly below `prefix` and its divisions; None when those alone go over a page."""
        while True:
            page = self._listing.page(prefix, "/")
            if page.token:
                return None
            if page.entries or len(page.prefixes) != 1:
                return page.entries, page.prefixes
            (prefix,) = page.prefixes

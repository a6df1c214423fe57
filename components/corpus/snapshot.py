"""The frozen listing that a run is about: what lies where, in which version, as one digest."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.corpus.config import Source
from components.corpus.document import SNAPSHOT_SCHEMA
from components.store.digests import canonical
from components.store.errors import TouchstoneError, UserError
from components.store.s3 import Entry, Folder
from components.store.s3_read import read_exact
from components.store.state import State
from components.store.tables import TableWriter


@dataclass(frozen=True, order=True)
class Item:
    """One object of the snapshot; `role` says what it is for (documents, judged, guard:<name>).

    Attributes:
        version_id: Its version where the bucket is versioned, else nothing.
        size: In bytes.
    """

    role: str
    uri: str
    etag: str
    version_id: str
    size: int

    @property
    def version(self) -> str:
        """What names the content: the versionId, else the ETag."""
        return self.version_id or self.etag

    def read(self) -> bytes:
        """The object's bytes in exactly the version listed, by the usual AWS settings.

        Raises:
            TouchstoneError: SNAPSHOT_CHANGED, and what else keeps it from being read.
        """
        return read_exact(self).body


@dataclass(frozen=True)
class Taken:
    """What was listed: the digest, and how many objects are in it, how many bytes, how many were left out and why."""

    digest: str
    objects: int
    bytes: int
    skipped: dict[str, int]

    @property
    def left_out(self) -> str:
        """A few words on what was skipped, or nothing."""
        return f" ({sum(self.skipped.values()):,} left out)" if self.skipped else ""


def take(state: str, places: Mapping[str, Sequence[Source]]) -> Taken:
    """List every place and keep the listing in the state.

    Args:
        state: The line's state, `s3://bucket/prefix`.
        places: Role -> where to list. The digest (64 hex digits) does not depend on their order.

    Raises:
        UserError: EMPTY_SOURCE when a place holds no object, or its patterns leave none.
    """
    skipped: Counter[str] = Counter()
    seal, size = hashlib.sha256(), 0
    with TemporaryDirectory() as work:
        file = Path(work) / "listing.parquet"
        with TableWriter(file, SNAPSHOT_SCHEMA) as table:
            for item in _items(places, skipped):
                seal.update(_line(vars(item)))
                table.add(vars(item))
                size += item.size
        State(state).folder.upload(_name(seal.hexdigest()), file)
    return Taken(seal.hexdigest(), table.rows, size, dict(sorted(skipped.items())))


def read(state: str, digest: str, role: str) -> list[Item]:
    """The items of one role, in the order of the listing."""
    return items(table(state, digest, role))


def table(state: str, digest: str, role: str) -> pa.Table:
    """The rows of one role: a million of them fit where a million Items would not.

    Raises:
        TouchstoneError: SNAPSHOT_DAMAGED when the listing is not the one that the digest names; EMPTY_SOURCE.
    """
    with TemporaryDirectory() as work:
        file = Path(work) / "listing.parquet"
        State(state).folder.download(_name(digest), file)
        if _digest(file) != digest:
            fix = "Run again: a new snapshot is taken."
            raise TouchstoneError("SNAPSHOT_DAMAGED", f"the listing {digest[:8]} in the state was changed", fix=fix)
        found = pq.read_table(file, filters=pc.field("role") == role)
    if not len(found):
        raise TouchstoneError("EMPTY_SOURCE", f"the snapshot {digest[:8]} holds nothing for {role}")
    return found


def items(table: pa.Table) -> list[Item]:
    """Rows as Items."""
    return [Item(**row) for row in table.to_pylist()]


def _items(places: Mapping[str, Sequence[Source]], skipped: Counter[str]) -> Iterator[Item]:
    for role, sources in sorted(places.items()):
        for source in sorted(sources, key=lambda one: one.uri):
            found = 0
            for entry in Folder(source.uri, source.connection).entries():
                if reason := _left_out(entry, source):
                    skipped[reason] += 1
                else:
                    found += 1
                    yield Item(role, entry.uri, entry.etag, entry.version_id, entry.size)
            if not found:
                raise _empty(role, source)


def _left_out(entry: Entry, source: Source) -> str:
    """Why an object is no part of the snapshot; nothing if it is."""
    if entry.key.endswith("/") and not entry.size:
        return "FOLDER_MARKER"
    included = not source.include or _matches(entry.key, source.include)
    return "" if included and not _matches(entry.key, source.exclude) else "EXCLUDED"


def _matches(key: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns)


def _empty(role: str, source: Source) -> UserError:
    fix = f"Put objects there, or correct the recipe's address or patterns for {role}."
    return UserError("EMPTY_SOURCE", f"{source.uri} holds no object", fix=fix)


def _digest(file: Path) -> str:
    seal = hashlib.sha256()
    with pq.ParquetFile(file) as listing:
        for part in listing.iter_batches(batch_size=4096):
            for row in part.to_pylist():
                seal.update(_line(row))
    return seal.hexdigest()


def _line(row: Mapping[str, object]) -> bytes:
    return canonical([row[name] for name in SNAPSHOT_SCHEMA.names])


def _name(digest: str) -> str:
    return f"snapshots/{digest}.parquet"

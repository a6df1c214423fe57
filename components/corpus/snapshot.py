"""The frozen listing that a run is about: what lies where, in which version, as one digest."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from components.corpus.document import SNAPSHOT_SCHEMA
from components.store.errors import TouchstoneError, UserError
from components.store.s3 import Folder
from components.store.state import State

MAX_SHARDS = 128
"""Collected artifacts travel as one command-line argument on a cluster; more would not fit."""


@dataclass(frozen=True, order=True)
class Item:
    """One object of the snapshot; `role` says what it is for (documents, judged, guard:<name>)."""

    role: str
    uri: str
    etag: str
    size: int

    def read(self) -> bytes:
        """The object's bytes in exactly the version listed.

        Raises:
            TouchstoneError: SNAPSHOT_CHANGED or NO_SUCH_OBJECT.
        """
        bucket, _, key = self.uri.removeprefix("s3://").partition("/")  # the whole key: it may hold "//"
        return Folder(f"s3://{bucket}").read(key, etag=self.etag)


def take(state: str, places: dict[str, list[str]]) -> tuple[str, list[Item]]:
    """List every place and keep the listing in the state.

    Args:
        state: The line's state, `s3://bucket/prefix`.
        places: Role -> addresses (`s3://bucket/prefix`).

    Returns:
        The digest (64 hex digits, independent of the order of listing) and the items, sorted.

    Raises:
        UserError: EMPTY_SOURCE when a place holds no object.
    """
    items = sorted({item for role, uris in places.items() for uri in uris for item in _list(role, uri)})
    lines = "".join(f"{i.role}\t{i.uri}\t{i.etag}\t{i.size}\n" for i in items)
    digest = hashlib.sha256(lines.encode()).hexdigest()
    body = io.BytesIO()
    pq.write_table(pa.Table.from_pylist([vars(i) for i in items], schema=SNAPSHOT_SCHEMA), body, compression="zstd")
    State(state).folder.write(_name(digest), body.getvalue())
    return digest, items


def read(state: str, digest: str, role: str) -> list[Item]:
    """The items of one role, sorted by URI."""
    table = pq.read_table(io.BytesIO(State(state).folder.read(_name(digest))))
    items = [Item(**row) for row in table.to_pylist() if row["role"] == role]
    if not items:
        raise TouchstoneError("EMPTY_SOURCE", f"the snapshot {digest[:8]} holds nothing for {role}")
    return items


def cut(items: list[Item], shard_bytes: int) -> list[list[Item]]:
    """Split the items, in order, into shards of about `shard_bytes`, at most `MAX_SHARDS`."""
    size = max(shard_bytes, sum(i.size for i in items) // MAX_SHARDS + 1)
    shards: dict[int, list[Item]] = {}
    before = 0
    for item in items:
        shards.setdefault(before // size, []).append(item)
        before += item.size
    return list(shards.values())


def _list(role: str, uri: str) -> Iterator[Item]:
    empty = True
    for entry in Folder(uri).list():
        if entry.size or not entry.key.endswith("/"):
            empty = False
            yield Item(role, entry.uri, entry.etag, entry.size)
    if empty:
        fix = f"Put objects there, or correct the recipe's address for {role}."
        raise UserError("EMPTY_SOURCE", f"{uri} holds no object", fix=fix)


def _name(digest: str) -> str:
    return f"snapshots/{digest}.parquet"

"""Every document that was ever on a side, as the line's state remembers it: gone and older versions too.

`split.json` lists the segments, which are Parquet files that are never changed; each run appends one with what is new
to it. A later row for the same version of a document overrides an earlier one: it was moved, or found to belong to a
group that is older; both stay on record.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.corpus.document import SKETCH_SCHEMA
from components.corpus.duplicates import PERMUTATIONS
from components.store.artifact import Artifact
from components.store.digests import file_digest
from components.store.errors import TouchstoneError
from components.store.s3 import Folder
from components.store.tables import TableWriter, fixed

Bytes = npt.NDArray[np.uint8]
Sides = npt.NDArray[np.int8]
"""Positions in `split.PRECEDENCE`; `NONE` for no side."""
Births = npt.NDArray[np.int32]
"""Numbers of segments, from 0; `UNBORN` for what is in none."""

NONE = np.int8(127)
UNBORN = 2**31 - 1
SEGMENT_SCHEMA = pa.schema([*SKETCH_SCHEMA, ("side", pa.int8()), ("born", pa.int32())])


@dataclass(frozen=True)
class Known:
    """Versions of documents (n): ids and digests (n x 32), sketches (n x 128), sides (n), their groups' births (n)."""

    ids: Bytes
    digests: Bytes
    sketches: Bytes
    sides: Sides
    born: Births

    def __len__(self) -> int:
        """How many."""
        return len(self.sides)

    @classmethod
    def empty(cls) -> Known:
        """Nothing."""
        wide = [np.empty((0, width), np.uint8) for width in (32, 32, PERMUTATIONS)]
        return cls(wide[0], wide[1], wide[2], np.empty(0, np.int8), np.empty(0, np.int32))

    @classmethod
    def of(cls, documents: Artifact) -> Known:
        """What the artifact `documents` holds, without sides."""
        parts = [_segment(path) for path in documents.files("sketches")]
        return cls.join([cls.empty(), *parts])

    @classmethod
    def read(cls, state: Folder, segments: list[str]) -> Known:
        """What the segments say, the latest row of each version.

        Raises:
            TouchstoneError: STATE_CORRUPT when a segment is not the one that was written.
        """
        with tempfile.TemporaryDirectory() as work:
            parts = [_segment(_fetched(state, name, Path(work)), number) for number, name in enumerate(segments)]
        return cls.join([cls.empty(), *parts]).latest()

    @classmethod
    def join(cls, parts: list[Known]) -> Known:
        """One after the other."""
        names = ("ids", "digests", "sketches", "sides", "born")
        columns: list[Any] = [np.concatenate([getattr(part, name) for part in parts]) for name in names]
        return cls(*columns)

    def latest(self) -> Known:
        """The last row of every version, as old as the oldest, in the order of their first ones."""
        _, first, number = np.unique(self.versions, return_index=True, return_inverse=True)
        last = np.zeros(len(first), np.int64)
        np.maximum.at(last, number, np.arange(len(self)))
        born = np.full(len(first), UNBORN, np.int32)
        np.minimum.at(born, number, self.born)
        order = np.argsort(first)
        return replace(self.take(last[order]), born=born[order])

    def take(self, rows: npt.NDArray[Any]) -> Known:
        """Some of the rows."""
        return Known(self.ids[rows], self.digests[rows], self.sketches[rows], self.sides[rows], self.born[rows])

    @property
    def versions(self) -> npt.NDArray[np.void]:
        """Id and digest as one value each."""
        return np.ascontiguousarray(np.hstack([self.ids, self.digests])).view("V64").reshape(-1)

    def append(self, state: Folder, rows: npt.NDArray[Any]) -> str:
        """Write some of the rows as a segment; its name is returned."""
        with tempfile.TemporaryDirectory() as work:
            file = Path(work) / "segment.parquet"
            with TableWriter(file, SEGMENT_SCHEMA) as table:
                for row in rows.tolist():
                    values = (self.ids[row], self.digests[row], self.sketches[row])
                    known = dict(zip(SKETCH_SCHEMA.names, map(bytes, values), strict=True))
                    table.add(known | {"side": int(self.sides[row]), "born": int(self.born[row])})
            name = file_digest(file)
            (state / "split").upload(f"{name}.parquet", file)
        return name


def _fetched(state: Folder, segment: str, work: Path) -> Path:
    path = work / f"{segment}.parquet"
    (state / "split").download(path.name, path)
    if file_digest(path) != segment:
        fix = "Restore it from a backup: without it documents would change sides."
        raise TouchstoneError("STATE_CORRUPT", f"the split's segment {segment[:8]} was changed", fix=fix)
    return path


def _segment(path: Path, number: int = UNBORN) -> Known:
    """The rows of a table; `number` is when they were born where it does not say, as segments once did not."""
    table = pq.read_table(path, partitioning=None).combine_chunks()
    ids, digests, sketches = (_bytes(table[name]) for name in SKETCH_SCHEMA.names)
    known = set(table.column_names)
    sides = table["side"].to_numpy().astype(np.int8) if "side" in known else np.full(len(table), NONE)
    born = table["born"].to_numpy().astype(np.int32) if "born" in known else np.full(len(table), number, np.int32)
    return Known(ids, digests, sketches, sides, born)


def _bytes(column: pa.ChunkedArray) -> Bytes:
    return np.concatenate([np.empty((0, column.type.byte_width), np.uint8), *map(fixed, column.chunks)])

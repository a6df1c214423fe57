"""Writing Parquet tables of any length in bounded memory, and the same rows always as the same bytes."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP_BYTES = 64 << 20
BATCH_ROWS = 1024
BATCH_BYTES = 8 << 20


def fixed(column: pa.FixedSizeBinaryArray) -> npt.NDArray[np.uint8]:
    """A column of values of one width as bytes (n x width), without a copy."""
    width = column.type.byte_width
    flat = np.frombuffer(column.buffers()[1], np.uint8)
    return flat[column.offset * width : (column.offset + len(column)) * width].reshape(-1, width)


class TableWriter:
    """One Parquet file (zstd) in row groups of about 64 MiB; where they end depends on the rows alone.

    Use it as a context manager; what an exception leaves behind is no table.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        """Open the file at `path`, whose folder must exist or can be made."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.rows = 0
        self._schema = schema
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._batch: list[dict[str, Any]] = []
        self._weight = 0
        self._group: list[pa.Table] = []
        self._size = 0

    def __enter__(self) -> TableWriter:
        """The writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        """Write what is left."""
        try:
            if kind is None:
                self._gather()
                self._write()
        finally:
            self._writer.close()

    def add(self, row: dict[str, Any], weight: int = 0) -> None:
        """Append a row that holds about `weight` bytes (only long rows need to say so)."""
        self._batch.append(row)
        self._weight += weight
        self.rows += 1
        if len(self._batch) == BATCH_ROWS or self._weight > BATCH_BYTES:
            self._gather()
            if self._size > ROW_GROUP_BYTES:
                self._write()

    def _gather(self) -> None:
        """Rows to columns."""
        self._group.append(pa.Table.from_pylist(self._batch, schema=self._schema))
        self._size += self._group[-1].nbytes
        self._batch, self._weight = [], 0

    def _write(self) -> None:
        """Columns to a row group."""
        self._writer.write_table(pa.concat_tables(self._group).combine_chunks())
        self._group, self._size = [], 0

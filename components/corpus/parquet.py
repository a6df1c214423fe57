"""Parquet: one document a row, read a few rows at a time.

A file of 42 kB can hold petabytes, since a dictionary writes a value once and names it a billion times. So the footer
is checked before anything is decoded, rows come a few at a time, and what they hold is counted against the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from components.corpus.config import Fields
from components.corpus.document import Parsed, Rejected
from components.corpus.limits import BOMB_BYTES, BOMB_RATIO, MAX_RECORD, MIB, Refused, bomb
from components.corpus.records import BadRecord, Records
from components.corpus.text import printable

MAX_FOOTER = 32 * MIB
"""Bytes of the footer; decoded it takes ten times that."""
BATCH = 64 * MIB
"""Bytes in memory at once, if each row names the largest value of its dictionary."""
MIN_ROWS, MAX_ROWS = 4, 1_024
"""Rows in memory at once."""
ROW_COST = 64
"""Bytes that a row counts for, however little it holds."""

_BROKEN = (pa.ArrowException, OSError, ValueError, MemoryError)


def read(body: BinaryIO, size: int, records: Records, fields: Fields) -> Iterator[Parsed | Rejected]:
    """The documents of the rows, numbered from 1.

    Raises:
        Refused: BROKEN, MISSING_COLUMN, ENCRYPTED, TOO_LARGE or BOMB; the last also after some documents.
    """
    file = _open(body, size)
    columns = _columns(file.schema_arrow, fields)
    largest = max(_chunks(file, list(columns.values())), default=1)
    rows = max(MIN_ROWS, min(MAX_ROWS, BATCH // max(1, largest)))
    spent = 0
    for number, row in enumerate(_rows(file, columns, rows), start=1):
        spent += ROW_COST + sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if bomb(spent, size):
            raise Refused("BOMB", f"rows of more than {BOMB_RATIO} times the size of the file")
        yield _document(row, number, records)


def _open(body: BinaryIO, size: int) -> pq.ParquetFile:
    """The file, its footer read.

    Raises:
        Refused: BROKEN, ENCRYPTED or TOO_LARGE.
    """
    body.seek(max(0, size - 8))
    tail = body.read(8)
    if tail[4:] == b"PARE":
        raise Refused("ENCRYPTED", "an encrypted Parquet file")
    if len(tail) < 8 or tail[4:] != b"PAR1":
        raise Refused("BROKEN", "a Parquet file that ends early")
    if struct.unpack("<I", tail[:4])[0] > min(MAX_FOOTER, size):
        raise Refused("BROKEN", f"a footer longer than the file, or than {MAX_FOOTER} bytes")
    try:
        return pq.ParquetFile(body, pre_buffer=False, buffer_size=MIB)
    except _BROKEN as error:
        encrypted = "encrypt" in str(error).lower()
        raise Refused("ENCRYPTED" if encrypted else "BROKEN", f"no readable footer ({type(error).__name__})") from None


def _columns(schema: Any, fields: Fields) -> dict[str, str]:
    """Role -> column, for the columns that are there.

    Raises:
        Refused: MISSING_COLUMN when there is no text, or no key though the recipe names one.
    """
    names = schema.names
    if names.count(fields.text) != 1 or not _is_text(schema.field(fields.text).type):
        raise Refused("MISSING_COLUMN", "no column of strings where the recipe looks for the text")
    if fields.id and names.count(fields.id) != 1:
        raise Refused("MISSING_COLUMN", "no column where the recipe looks for the key")
    key = fields.id or next((name for name in ("id", "_id") if names.count(name) == 1), "")
    columns = {"text": fields.text, "title": fields.title, "key": key}
    return {role: name for role, name in columns.items() if names.count(name) == 1}


def _is_text(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return any(is_kind(kind) for is_kind in (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view))


def _chunks(file: pq.ParquetFile, columns: list[str]) -> Iterator[int]:
    """The decompressed size of each piece of these columns; no value in it can be larger.

    Raises:
        Refused: BOMB, or TOO_LARGE for a dictionary that would be gathered in memory whole.
    """
    for group in range(file.num_row_groups):
        row_group = file.metadata.row_group(group)
        for at in range(row_group.num_columns):
            chunk = row_group.column(at)
            if chunk.path_in_schema not in columns:
                continue
            yield chunk.total_uncompressed_size
            if chunk.total_uncompressed_size <= BOMB_BYTES:
                continue
            if bomb(chunk.total_uncompressed_size, chunk.total_compressed_size):
                raise Refused("BOMB", f"decompresses to more than {BOMB_RATIO} times its size")
            if pa.types.is_dictionary(file.schema_arrow.field(chunk.path_in_schema).type):
                raise Refused("TOO_LARGE", f"a dictionary of more than {BOMB_BYTES} bytes")


def _rows(file: pq.ParquetFile, columns: dict[str, str], rows: int) -> Iterator[dict[str, Any]]:
    """Rows as role -> value.

    Raises:
        Refused: BROKEN.
    """
    for group in range(file.num_row_groups):  # one by one: a batch across two would be lost with the second
        batches = file.iter_batches(rows, row_groups=[group], columns=list(columns.values()), use_threads=False)
        while (batch := _next(batches)) is not None:
            values = {role: _values(batch.column(name)) for role, name in columns.items()}
            for at in range(batch.num_rows):
                yield {role: column[at] for role, column in values.items()}


def _next(batches: Iterator[Any]) -> Any:
    try:
        return next(batches, None)
    except _BROKEN as error:
        raise Refused("BROKEN", f"a row group that cannot be read ({type(error).__name__})") from None


def _values(column: Any) -> list[Any]:
    """The column's values; strings that are no UTF-8 as bytes."""
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return column.cast(pa.binary()).to_pylist()  # type: ignore[no-any-return]


def _document(row: dict[str, Any], number: int, records: Records) -> Parsed | Rejected:
    text = row["text"]
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    if not isinstance(text, str):
        return records.rejected(number, "BAD_RECORD", "a row without a text")
    if len(text) > MAX_RECORD:
        return records.rejected(number, "RECORD_TOO_LARGE", f"a text of more than {MAX_RECORD} characters")
    try:
        key, title = (_plain(row.get(role)) for role in ("key", "title"))
        return records.document(key, title, printable(text), number, f"row {number}")
    except BadRecord as error:
        return records.rejected(number, "BAD_RECORD", str(error))


def _plain(value: Any) -> str:
    """A string or number as text, null as nothing."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return printable(value.decode(errors="replace"))
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise BadRecord("a key or title that is neither text nor number")
    return printable(str(value))

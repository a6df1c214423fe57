"""The files of a search log as columns of text: JSON lines and Parquet, told apart by their content.

Both are read a few rows at a time. What the values mean is `components.pairs.logs`' matter.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from components.corpus.limits import BOMB_BYTES, MIB, Refused, bomb
from components.corpus.unwrap import HEAD, unwrap
from components.store.errors import UserError

ROWS = 50_000
"""Rows in memory at once."""

MAX_LINE = MIB
"""Bytes of a line; a log's row is a few hundred."""

BOM = b"\xef\xbb\xbf"
_NOT_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_BAD_PARQUET = (pa.ArrowException, OSError, ValueError)


def rows(file: Path, name: str, columns: list[str]) -> Iterator[pa.Table | int]:
    """The rows of one file: tables of text with `columns` under their names, and numbers of rows that are none.

    A missing value is null, and so is a moment in a column of times: they become milliseconds since 1970.

    Args:
        file: Where the object lies.
        name: Its URI, for errors.
        columns: The columns wanted, each once.

    Raises:
        UserError: MISSING_COLUMN; BAD_LOGS for what is neither JSON lines nor Parquet, or breaks off.
    """
    with file.open("rb", buffering=HEAD) as body:
        try:
            parquet = body.read(4) == b"PAR1"
            body.seek(0)
            yield from _parquet(body, name, columns) if parquet else _jsonl(body, name, columns)
        except Refused as refused:
            raise _bad(name, refused.detail) from None


def _jsonl(body: BinaryIO, name: str, columns: list[str]) -> Iterator[pa.Table | int]:
    stream = unwrap(body) or cast(io.BufferedReader, body)
    head = stream.peek(HEAD)
    stream.read(len(BOM) if head.startswith(BOM) else 0)
    if head.strip():
        _require(name, columns, _keys(name, head.removeprefix(BOM)))
    decode, lines = _decoder(columns), _lines(stream)
    while part := list(islice(lines, ROWS)):
        records = [record for line in part if (record := _record(decode, line))]
        values = zip(*records, strict=True) if records else [()] * len(columns)
        texts = [pa.array([None if v is None else str(v) for v in column], pa.string()) for column in values]
        yield pa.table(texts, columns)
        yield len(part) - len(records)


def _keys(name: str, head: bytes) -> list[str]:
    """The names of all fields in a file's first records; which ones it has is only known from them.

    Raises:
        UserError: BAD_LOGS when there is no record.
    """
    whole, _, _ = head.rpartition(b"\n")
    keys: dict[str, None] = {}
    for line in (whole or head).splitlines():
        try:
            keys |= dict.fromkeys(msgspec.json.decode(line, type=dict[str, msgspec.Raw]))
        except _NOT_JSON:
            continue
    if not keys:
        raise _bad(name, "no JSON object in its first lines")
    return list(keys)


def _decoder(columns: list[str]) -> Callable[[bytes], Any]:
    """Makes nothing of fields that nobody asked for; a value is text, a number, true, false or nothing."""
    names = {f"f{number}": column for number, column in enumerate(columns)}
    fields = [(field, str | int | float | bool | None, None) for field in names]
    return msgspec.json.Decoder(msgspec.defstruct("Row", fields, rename=names)).decode


def _record(decode: Callable[[bytes], Any], line: bytes) -> tuple[Any, ...] | None:
    try:
        return msgspec.structs.astuple(decode(line))
    except _NOT_JSON:
        return None


def _lines(stream: BinaryIO | io.BufferedReader) -> Iterator[bytes]:
    """The lines that are not blank; one that is too long comes as an empty one."""
    while line := stream.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            while (rest := stream.readline(MAX_LINE)) and not rest.endswith(b"\n"):
                pass
            yield b""
        elif not line.isspace():
            yield line


def _parquet(body: BinaryIO, name: str, columns: list[str]) -> Iterator[pa.Table]:
    try:
        schema = pq.read_schema(body)
        _require(name, columns, schema.names)
        texts = [
            field.name for field in schema if _is_text(field.type)
        ]  # a dictionary stays one, however often it is used
        file = pq.ParquetFile(body, read_dictionary=[column for column in columns if column in texts], pre_buffer=False)
        _no_bomb(file.metadata)
        for batch in file.iter_batches(ROWS, columns=columns, use_threads=False):
            batch.validate(full=True)
            yield pa.table([_text(batch.column(column)) for column in columns], columns)
    except _BAD_PARQUET as error:
        raise _bad(name, f"no Parquet file of plain columns ({type(error).__name__})") from None


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind))


def _no_bomb(metadata: Any) -> None:
    """Refuse a piece that would be too much once decompressed, before it is."""
    for group in range(metadata.num_row_groups):
        pieces = (metadata.row_group(group).column(at) for at in range(metadata.num_columns))
        if any(bomb(piece.total_uncompressed_size, piece.total_compressed_size) for piece in pieces):
            raise Refused("BOMB", f"a column of over {BOMB_BYTES} bytes that was compressed too well")


def _text(column: pa.Array) -> pa.Array:
    """The values as text."""
    if pa.types.is_dictionary(column.type):
        return column
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        zone = column.type.tz if pa.types.is_timestamp(column.type) else None
        column = column.cast(pa.timestamp("ms", zone), safe=False).cast(pa.int64())
    return column.cast(pa.string())


def _require(name: str, columns: list[str], found: list[str]) -> None:
    if missing := [column for column in columns if found.count(column) != 1]:
        shown = ", ".join(column[:40] for column in found[:20])
        raise UserError(
            "MISSING_COLUMN",
            f"{name} is without {', '.join(missing)}",
            found=shown,
            expected=", ".join(columns),
            fix="Name the log's columns in the recipe (pairs.logs).",
        )


def _bad(name: str, found: str) -> UserError:
    fix = "Put only JSON lines or Parquet files there; JSON lines may be compressed with gzip or zstd."
    return UserError("BAD_LOGS", f"{name} cannot be read as a search log", found=found, fix=fix)

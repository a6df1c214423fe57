"""Bad inputs of Parquet."""

from __future__ import annotations

import decimal
import io
import struct
from collections.abc import Iterator
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.corpus.bad_file import CANARY, GIVEN_UP, MIB, Bad, Maker, prose


def parquet(columns: dict[str, Any] | pa.Table, **settings: Any) -> bytes:
    """A Parquet file of these columns."""
    body = io.BytesIO()
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), body, **settings)
    return body.getvalue()


def parquet_columns(rng: Random) -> Iterator[Bad]:
    text = [prose(rng) for _ in range(3)]
    yield Bad("fine.parquet", parquet({"id": ["a", "b", "c"], "title": text, "text": text}), "document", 3, says=CANARY)
    yield Bad("text-alone.parquet", parquet({"text": text}), "document", 3, says=CANARY)
    missing = "MISSING_COLUMN"
    yield Bad("other.parquet", parquet({"content": text}), missing)
    yield Bad("other-case.parquet", parquet({"Text": text}), missing)
    yield Bad("nested-below.parquet", parquet({"body": [{"text": one} for one in text]}), missing)
    yield Bad("twice.parquet", parquet(pa.table([text, text], names=["text", "text"])), f"{missing}|document", None)
    yield Bad("wide.parquet", parquet({f"c{n}": [1] for n in range(2_000)}), missing)
    for name, values in {
        "integers": [1, 2, 3],
        "booleans": [True, False, None],
        "lists": [[one] for one in text],
        "structs": [{"text": one} for one in text],
        "times": pa.array([1, 2, 3], pa.timestamp("ns")),
        "nothing": pa.nulls(3),
        "maps": pa.array([[("a", "b")]] * 3, pa.map_(pa.string(), pa.string())),
        "bytes": [one.encode("utf-16") for one in text],
    }.items():
        refused = "MISSING_COLUMN|BAD_RECORD|BAD_ENCODING|NO_TEXT"
        yield Bad(f"{name}.parquet", parquet({"text": values}), refused, None, 0)
    unannotated = parquet({"text": [one.encode() for one in text]})
    yield Bad("utf-8-bytes.parquet", unannotated, f"{refused}|document", None, says=CANARY)


def parquet_strings(rng: Random) -> Iterator[Bad]:
    """Every way in which Arrow spells a string is a string."""
    text = pa.array([prose(rng) for _ in range(3)])
    for name, column in {
        "dictionary": text.dictionary_encode(),
        "large_string": text.cast(pa.large_string()),
        "string_view": text.cast(pa.string_view()),
        "large_dictionary": text.cast(pa.large_string()).dictionary_encode(),
    }.items():
        yield Bad(f"{name}.parquet", parquet({"id": column, "text": column}), "document", 3, says=CANARY)
        without = parquet({"text": column}, store_schema=False)
        yield Bad(f"{name}-without-schema.parquet", without, "document", 3, says=CANARY)
    for codec in ("none", "snappy", "gzip", "brotli", "lz4", "zstd"):
        packed = parquet({"text": text}, compression=codec, row_group_size=1)
        yield Bad(f"{codec}.parquet", packed, "document", 3, says=CANARY)


def parquet_nulls(rng: Random) -> Iterator[Bad]:
    text = [prose(rng), None, "", "  ", prose(rng)]
    rows = "document|BAD_RECORD|NO_TEXT"
    for name, column in {"plain": pa.array(text), "dictionary": pa.array(text).dictionary_encode()}.items():
        yield Bad(f"texts-{name}.parquet", parquet({"text": column}), rows, 5, 2, CANARY)
    all_null = parquet({"text": pa.nulls(3, pa.string())})
    yield Bad("all-texts.parquet", all_null, "BAD_RECORD|NO_TEXT", 3)
    for field in ("id", "title"):
        values = {field: [None, "a", None], "text": [prose(rng) for _ in range(3)]}
        yield Bad(f"{field}s.parquet", parquet(values), "document", 3, says=CANARY)


def parquet_ids(rng: Random) -> Iterator[Bad]:
    text = [prose(rng) for _ in range(3)]
    for name, ids in {
        "integers": [3, 2, 1],
        "floats": [1.5, float("nan"), float("inf")],
        "decimals": [decimal.Decimal(n) / 7 for n in range(3)],
        "times": pa.array([1, 2, 3], pa.timestamp("ns", "UTC")),
        "bytes": [b"\xff", b"\xfe", b"a"],
        "lists": [["a"], ["b"], []],
        "structs": [{"a": 1}, {"a": 2}, None],
        "same": ["a", "a", "a"],
        "booleans": [True, False, True],
    }.items():
        settings = {"id": ids, "text": text}
        yield Bad(f"{name}.parquet", parquet(settings), "document|BAD_RECORD|DUPLICATE_KEY|MISSING_COLUMN", None)


def zero_rows(rng: Random) -> Iterator[Bad]:
    nothing = "EMPTY|NO_TEXT"
    strings = pa.array([], pa.string())
    yield Bad("right-columns.parquet", parquet({"id": strings, "text": strings}), nothing)
    yield Bad("wrong-columns.parquet", parquet({"content": strings}), f"{nothing}|MISSING_COLUMN")
    yield Bad("no-columns.parquet", parquet(pa.table({})), f"{nothing}|MISSING_COLUMN|BROKEN")
    body = io.BytesIO()
    pq.ParquetWriter(body, pa.schema([("text", pa.string())])).close()
    yield Bad("no-row-group.parquet", body.getvalue(), nothing)


def broken_parquet(rng: Random) -> Iterator[Bad]:
    good = parquet({"id": [str(n) for n in range(200)], "text": [prose(rng) for _ in range(200)]}, compression="none")
    broken = "BROKEN|UNKNOWN_FORMAT|BAD_ENCODING"
    for part in (4, 8, len(good) // 2, len(good) - 8, len(good) - 1):
        yield Bad(f"first-{part}.parquet", good[:part], broken)
    for name, body in {
        "magic-twice": b"PAR1PAR1",
        "no-magic-in-front": b"XXXX" + good[4:],
        "encrypted": good[:-4] + b"PARE",
        "footer-too-long": good[:-8] + struct.pack("<I", 2**31 - 1) + b"PAR1",
        "footer-negative": good[:-8] + b"\xff\xff\xff\xffPAR1",
        "footer-empty": good[:-8] + b"\0\0\0\0PAR1",
        "footer-of-noise": good[:4] + rng.randbytes(500) + struct.pack("<I", 500) + b"PAR1",
        "a-tail": good + b"garbage",
        "text": prose(rng).encode(),
    }.items():
        may_be_read = "|document" if name in ("no-magic-in-front", "text") else ""  # by its end, or as the text it is
        yield Bad(f"{name}.parquet", body, f"{broken}|ENCRYPTED{may_be_read}", None if may_be_read else 1)
    for number in range(8):
        start = rng.randrange(4, len(good) // 2)
        flipped = good[:start] + rng.randbytes(40) + good[start + 40 :]
        yield Bad(f"noise-{number}.parquet", flipped, f"{broken}|document|BAD_RECORD|DUPLICATE_KEY", None)
        at = len(good) - 8 - rng.randrange(1, 400)
        footer = good[:at] + bytes([good[at] ^ (1 << rng.randrange(8))]) + good[at + 1 :]
        spoilt = f"{broken}|document|BAD_RECORD|MISSING_COLUMN|BOMB|EMPTY|DUPLICATE_KEY|NO_TEXT"
        yield Bad(f"footer-bit-{number}.parquet", footer, spoilt, None)
    no_strings = pa.array([b"\xff\xfe" + prose(rng).encode()] * 2).view(pa.string())
    yield Bad("no-utf-8.parquet", parquet({"text": no_strings}), "BAD_RECORD|BAD_ENCODING|BROKEN|document", None)


def _dictionary(value: str, rows: int) -> bytes:
    """So many rows of one value that is stored once: DuckDB's "42.parquet" in small."""
    zeros = pa.Array.from_buffers(pa.int8(), rows, [None, pa.py_buffer(bytes(rows))])
    column = pa.DictionaryArray.from_arrays(zeros, [value])
    return parquet({"text": column}, compression="zstd", dictionary_pagesize_limit=2**30, write_statistics=False)


def parquet_bombs(rng: Random) -> Iterator[Bad]:
    """Small on disk, large in memory: by dictionary, by compression, by what the footer says."""
    word = prose(rng)
    bomb = "BOMB|document|DUPLICATE_KEY"
    yield Bad("a-megabyte-a-row.parquet", _dictionary(word * (MIB // len(word)), 2_000_000), bomb, None)
    yield Bad("sixteen-a-row.parquet", _dictionary(word * (16 * MIB // len(word)), 1_000_000), bomb, None)
    yield Bad("a-kilobyte-a-row.parquet", _dictionary(word * 4, 5_000_000), bomb, None)
    large = parquet({"text": [word * (50 * MIB // len(word))]}, compression="zstd")
    yield Bad("fifty-megabytes-once.parquet", large, "RECORD_TOO_LARGE|BOMB")
    zeros = parquet({"text": ["v" * 8 * MIB] * 20}, compression="zstd", use_dictionary=False, row_group_size=20)
    yield Bad("one-row-group.parquet", zeros, bomb, None)
    nulls = parquet({"text": pa.nulls(3_000_000, pa.string())})
    yield Bad("three-million-nulls.parquet", nulls, "BOMB|BAD_RECORD|NO_TEXT", None)
    lists = pa.array([[None] * 3_000_000], pa.list_(pa.int8()))
    yield Bad("a-list-beside.parquet", parquet({"text": [word], "other": lists}), "document|BOMB", 1, says=CANARY)
    deep = pa.string()
    for _ in range(300):
        deep = pa.struct([("a", deep)])
    nested = pa.table({"text": [word], "deep": pa.nulls(1, deep)})
    yield Bad("deep-schema.parquet", parquet(nested), f"{GIVEN_UP}|MISSING_COLUMN", None)
    wide = pa.table({f"c{n}": [1] for n in range(20_000)} | {"text": [word]})
    yield Bad("twenty-thousand-columns.parquet", parquet(wide), "document|BOMB", 1)
    described = pa.table({"text": [word]}).replace_schema_metadata({"a": "v" * 12 * MIB})
    yield Bad("twelve-megabytes-of-footer.parquet", parquet(described), "document|BOMB|TOO_LARGE|BROKEN", 1)
    groups = parquet({"text": [word] * 3_000}, row_group_size=1)
    yield Bad("a-row-group-a-row.parquet", groups, "document", 3_000, says=CANARY)


CLASSES: dict[str, Maker] = {
    "Parquet columns": parquet_columns,
    "Parquet strings": parquet_strings,
    "Parquet nulls": parquet_nulls,
    "Parquet ids": parquet_ids,
    "zero rows": zero_rows,
    "broken Parquet": broken_parquet,
    "Parquet bombs": parquet_bombs,
}

"""General pairs from outside of the corpus, so that the model does not forget what it knew."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from components.corpus.snapshot import Item
from components.pairs.pair import Pair
from components.store.digests import digest
from components.store.errors import UserError
from components.store.s3_read import download_exact

MINER = "general"
BATCH = 4096


def pairs(items: Iterable[Item], count: int) -> list[Pair]:
    """At most `count` pairs of the folder, always the same ones; sorted by a hash of their texts.

    Args:
        items: JSONL and Parquet files with the columns `anchor` and `positive`, as the snapshot lists them.
        count: How many.

    Raises:
        UserError: BAD_GENERAL_PAIRS naming the file and the line or column.
    """
    found = ((digest(pair), pair) for item in items for pair in _read(item))
    return [
        Pair(anchor, positive, MINER, "", "", 0, len(positive))
        for _, (anchor, positive) in heapq.nsmallest(count, found)
    ]


def _read(item: Item) -> Iterator[tuple[str, str]]:
    with TemporaryDirectory() as work:
        file = Path(work) / "object"
        download_exact(item, file)
        if item.uri.endswith(".parquet"):
            yield from _parquet(item.uri, file)
        elif item.uri.endswith((".jsonl", ".json")):
            yield from _lines(item.uri, file)


def _parquet(uri: str, file: Path) -> Iterator[tuple[str, str]]:
    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches(BATCH, columns=["anchor", "positive"]):
                yield from zip(
                    *(batch[name].cast(pa.string()).to_pylist() for name in ("anchor", "positive")), strict=True
                )
    except (pa.ArrowException, KeyError):
        raise _bad(uri, "no table with the text columns anchor and positive") from None


def _lines(uri: str, file: Path) -> Iterator[tuple[str, str]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                record = json.loads(line)
                anchor, positive = record["anchor"], record["positive"]
            except (ValueError, KeyError, TypeError):
                raise _bad(f"{uri} line {number}", "no JSON object with anchor and positive") from None
            if not isinstance(anchor, str) or not isinstance(positive, str):
                raise _bad(f"{uri} line {number}", "anchor or positive is no text")
            yield anchor, positive


def _bad(where: str, found: str) -> UserError:
    return UserError("BAD_GENERAL_PAIRS", where, found=found, fix="Correct the file.")

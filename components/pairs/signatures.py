"""What a model was trained on, as hashes beside its weights: enough to find a copy, too little to read one.

`signatures.parquet` holds a row for each text that the model or an ancestor was trained on: a hash of its words, one of
its document's group, and hashes of one in eight of its runs of 13 words (of a short text at least eight). The sample is
no matter of size alone: with every run, who knows 13 words could guess the next, look it up, and so read on. The hashes
have a fixed key and hide nothing from who holds the text: see docs/decisions/0008-signatures.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ValidationError

from components.pairs.coverage import COMMON
from components.pairs.ngrams import Hashes, Integers, batch
from components.pairs.wording import plain
from components.store.digests import file_digest
from components.store.errors import TouchstoneError
from components.store.intake import SIGNATURES

VERSION: Literal[1] = 1
"""Of the hashes; those of another version cannot be compared."""
LEAST = 8
"""Runs that are kept of every text, if it has as many."""
SAMPLED = np.uint64(1 << 61)
"""Hashes below are always kept: one in eight."""
BITS = np.uint64(0xFFFF_FFFF_FF00_0000)
"""Of each run's hash 40 bits are kept."""
SCHEMA = pa.schema([("exact", pa.uint64()), ("owner", pa.uint32()), ("runs", pa.list_(pa.uint64()))])
AT_ONCE = 256
ROWS = 1 << 16
"""Texts in a row group."""


class Signed(NamedTuple):
    """Signatures of some texts (n): of all words, of the group, how many runs each has, and the runs in a row."""

    exact: Hashes
    owners: npt.NDArray[np.uint32]
    counts: Integers
    runs: Hashes

    def table(self) -> pa.Table:
        """The signatures as rows of `SCHEMA`."""
        ends = np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int32)
        runs = pa.ListArray.from_arrays(pa.array(ends), pa.array(self.runs))
        return pa.table([pa.array(self.exact), pa.array(self.owners), runs], schema=SCHEMA)

    def take(self, rows: npt.NDArray[np.bool_]) -> Signed:
        """Some of them."""
        return Signed(self.exact[rows], self.owners[rows], self.counts[rows], self.runs[np.repeat(rows, self.counts)])


class Ancestor(BaseModel, strict=True, extra="forbid", frozen=True):
    """A model that another comes from, and whether it told what it was trained on."""

    fingerprint: str
    signed: bool


class Record(BaseModel, strict=True, extra="forbid", frozen=True):
    """What `training.json` says of the file: how many texts, and the models it comes from, nearest first."""

    version: Literal[1] = VERSION
    sha256: str
    texts: int
    ancestors: list[Ancestor]


@dataclass(frozen=True)
class Past:
    """What a model tells of the texts that it and its ancestors were trained on, and their signatures."""

    file: Path
    record: Record

    @classmethod
    def of(cls, model: Path) -> Past | None:
        """What the model in a folder tells; None when it was made elsewhere.

        Raises:
            TouchstoneError: BAD_SIGNATURES when it tells of signatures that are not there, not whole or of another
                version.
        """
        file, record = model / SIGNATURES, model / "training.json"
        told = json.loads(record.read_bytes()) if record.is_file() else {}
        known = told.get("signatures") if isinstance(told, dict) else None
        if known is None and not file.is_file():
            return None
        try:
            found = Record.model_validate(known)
        except ValidationError:
            raise _bad(f"training.json names none of version {VERSION}") from None
        if not file.is_file() or file_digest(file) != found.sha256:
            raise _bad("the file is missing" if not file.is_file() else "another sha256 than in training.json")
        return cls(file, found)

    def signatures(self) -> Iterator[Signed]:
        """All of them, some at a time.

        Raises:
            TouchstoneError: BAD_SIGNATURES when the file is no such table.
        """
        try:
            with pq.ParquetFile(self.file) as table:
                if not table.schema_arrow.equals(SCHEMA):
                    raise _bad("other columns")
                yield from map(_signed, table.iter_batches(ROWS))
        except pa.ArrowException:
            raise _bad("no readable Parquet") from None


def _signed(rows: pa.RecordBatch) -> Signed:
    exact, owners, runs = rows.columns
    if exact.null_count or owners.null_count or runs.null_count or runs.flatten().null_count:
        raise _bad("rows with nothing in them")
    counts = runs.value_lengths().to_numpy().astype(np.int64)
    return Signed(exact.to_numpy(), owners.to_numpy(), counts, runs.flatten().to_numpy())


def _bad(found: str) -> TouchstoneError:
    fix = f"Restore {SIGNATURES}, or take `signatures` out of training.json as well: then the model counts as foreign."
    what = "the signatures of what the model was trained on cannot be used"
    return TouchstoneError("BAD_SIGNATURES", what, found=found, fix=fix)


def write(file: Path, texts: Iterable[tuple[str, str]], past: Past | None) -> int:
    """Write the signatures of texts and of what the base was trained on; how many different texts there are.

    Args:
        file: Where they go.
        texts: What trains: its document's group ("" if there is none), and the text.
        past: What the base tells.
    """
    known, encoding = _Known(), {"exact": "PLAIN", "runs.list.element": "BYTE_STREAM_SPLIT"}
    with pq.ParquetWriter(file, SCHEMA, compression="zstd", use_dictionary=["owner"], column_encoding=encoding) as out:
        for table in _gathered(sign(some) for some in _news(texts, known)):
            out.write_table(table)
        for older in past.signatures() if past else ():
            rows = zip(older.exact.tolist(), older.owners.tolist(), strict=True)
            out.write_table(older.take(np.array([known.add(*row) for row in rows], bool)).table())
    return len(known.first)


@dataclass
class _Known:
    """Texts and their owners: a text of many documents comes once for each, until it must be boilerplate."""

    first: dict[int, int] = field(default_factory=dict)
    more: dict[int, set[int]] = field(default_factory=dict)

    def add(self, text: int, owner: int) -> bool:
        """Whether that was not known yet; a text without a word says nothing."""
        if text not in self.first and text != NOTHING:
            self.first[text] = owner
            return True
        if self.first.get(text, owner) == owner:
            return False
        owners = self.more.setdefault(text, {self.first[text]})
        if owner in owners or len(owners) > COMMON:
            return False
        owners.add(owner)
        return True


def _news(texts: Iterable[tuple[str, str]], known: _Known) -> Iterator[list[tuple[int, int, str]]]:
    """Texts that did not come before, with their hash and their owner's."""
    rest = iter(texts)
    while some := list(islice(rest, AT_ONCE)):
        hashed = ((exact(text), group, text) for group, text in some)
        owned = ((one, _owner(group) if group else one & 0xFFFFFFFF, text) for one, group, text in hashed)
        yield [row for row in owned if known.add(row[0], row[1])]


def _gathered(parts: Iterable[Signed]) -> Iterator[pa.Table]:
    """Parts of a few texts together, so that a row group has many."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part.table())
        if len(waiting) * AT_ONCE >= ROWS:
            yield pa.concat_tables(waiting).combine_chunks()
            waiting = []
    if waiting:
        yield pa.concat_tables(waiting).combine_chunks()


def sign(texts: list[tuple[int, int, str]]) -> Signed:
    """The signatures of texts, each given as its hash, its owner's and itself."""
    found = batch([[text] for _, _, text in texts])
    runs, of = sampled(found.hashes & BITS, found.texts[found.windows], LEAST)
    exacts, owners = np.array([row[0] for row in texts], np.uint64), np.array([row[1] for row in texts], np.uint32)
    return Signed(exacts, owners, np.bincount(of, minlength=len(texts)), runs)


def sampled(hashes: Hashes, owners: Integers, least: int) -> tuple[Hashes, Integers]:
    """The runs that are kept of those of several owners, each once, and their owners, in order.

    Args:
        hashes: Of the runs (n).
        owners: What each is in (n).
        least: So many of each owner's smallest hashes are kept in any case.
    """
    order = np.lexsort((hashes, owners))
    hashes, owners = hashes[order], owners[order]
    fresh = np.ones(len(order), bool)
    fresh[1:] = (hashes[1:] != hashes[:-1]) | (owners[1:] != owners[:-1])
    hashes, owners = hashes[fresh], owners[fresh]
    rank = np.arange(len(owners)) - np.searchsorted(owners, owners)
    kept = (hashes < SAMPLED) | (rank < least)
    return hashes[kept], owners[kept]


def exact(text: str) -> int:
    """A hash of a text's words, 64 bits."""
    return int.from_bytes(blake2b(plain(text).encode(), digest_size=8, key=b"touchstone text").digest(), "big")


NOTHING = exact("")
"""The hash of a text without a word."""


@lru_cache(1 << 16)
def _owner(group: str) -> int:
    return int.from_bytes(blake2b(group.encode(), digest_size=4, key=b"touchstone group").digest(), "big")

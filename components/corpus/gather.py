"""All shards joined: exact duplicates set aside, near-duplicates grouped, the laws of conservation checked.

Documents are joined file by file, nothing of them is decoded; only signatures are read.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from components.corpus.block import COUNTED, SUMMED
from components.corpus.config import ReadingConfig
from components.corpus.document import DUPLICATE_SCHEMA, GROUP_SCHEMA, SKETCH_SCHEMA
from components.corpus.duplicates import Signatures, sketches
from components.corpus.kept import KeptBlocks, parser_digest
from components.corpus.load import conserve
from components.store.artifact import Artifact, ArtifactWriter
from components.store.errors import TouchstoneError, UserError
from components.store.tables import fixed

Keys = npt.NDArray[np.uint64]
"""n digests of 32 bytes, as n x 4 numbers that sort as the bytes do."""


@dataclass(frozen=True)
class Gathered:
    """How many of what; `digest` names the artifact."""

    objects: int
    bytes: int
    documents: int
    duplicates: int
    near_duplicates: int
    rejected: dict[str, int]
    languages: dict[str, int]
    media_types: dict[str, int]
    personal: dict[str, int]
    digest: str

    @property
    def told(self) -> str:
        """One line for the screen."""
        copies = f"{self.duplicates:,} exact and {self.near_duplicates:,} near duplicates"
        return f"{self.documents:,} documents, {copies}, {sum(self.rejected.values()):,} rejected"


def gather(state: str, parts: list[Path], config: ReadingConfig, out: Path) -> Gathered:
    """Write the artifact `documents` at `out`: documents, rejected, duplicates, groups, sketches.

    Every document of the parts is in the table `documents`; `documents.rows` leaves the duplicates out.

    Raises:
        UserError: EMPTY_CORPUS when nothing could be read, ACCESS_DENIED when too much was denied.
        TouchstoneError: CORPUS_NOT_CONSERVED.
    """
    opened = _all_shards([Artifact.open(part, "part") for part in parts])
    facts = _facts(opened, config)
    with ArtifactWriter(out, "documents", dict(opened[0].manifest["inputs"])) as result:
        for part in opened:
            for name in ("documents", "rejected"):
                for file in part.files(name):
                    result.adopt(f"{name}/{file.stem}", file)
        ids, first = _keys(opened, "id"), _first(_keys(opened, "digest"))
        kept = first == np.arange(len(first))
        result.table("duplicates", DUPLICATE_SCHEMA, _set_aside(ids, first))
        labels = _labels(opened, kept)
        result.table("groups", GROUP_SCHEMA, _named(ids[kept], labels))
        result.table("sketches", SKETCH_SCHEMA, _sketched(opened))
        facts |= {"documents": int(kept.sum()), "duplicates": int((~kept).sum())}
        facts |= {"languages": _count(opened, "language", kept), "media_types": _count(opened, "media_type", kept)}
        facts |= {"near_duplicates": int(kept.sum()) - len(np.unique(labels))}
        result.facts |= facts
    KeptBlocks(state, parser_digest(config), out.parent).remember(_blocks(opened))
    reported = {name: facts[name] for name in Gathered.__dataclass_fields__ if name in facts}
    return Gathered(**reported, digest=result.digest)


def _all_shards(parts: list[Artifact]) -> list[Artifact]:
    """The parts in the order of their shards, if they are all the shards of one snapshot."""
    ordered = sorted(parts, key=lambda part: int(part.facts["shard"]))
    shards = [(part.facts["shard"], part.facts["shards"], part.manifest["inputs"]) for part in ordered]
    expected = [(number, len(shards), shards[0][2]) for number in range(len(shards))]
    if shards != expected:
        found = f"shards {[number for number, _, _ in shards]} of {shards[0][1]}"
        raise TouchstoneError("CORPUS_NOT_CONSERVED", "the parts are not all shards of one snapshot", found=found)
    return ordered


def _facts(parts: list[Artifact], config: ReadingConfig) -> dict[str, Any]:
    """The parts' counts added up, after a check of each.

    Raises:
        UserError: EMPTY_CORPUS, ACCESS_DENIED.
    """
    for part in parts:
        conserve(part.facts | {name: part.count(name) for name in ("documents", "rejected")})
    facts: dict[str, Any] = {name: sum(part.facts[name] for part in parts) for name in SUMMED}
    for name in COUNTED:
        facts[name] = dict(sorted(sum((Counter(part.facts[name]) for part in parts), Counter()).items()))
    facts["rejected"] = facts.pop("reasons")
    if not sum(part.count("documents") for part in parts):
        raise UserError("EMPTY_CORPUS", "no document could be read", found=str(facts["rejected"]))
    denied = facts["rejected"].get("ACCESS_DENIED", 0)
    if denied > config.denied_share * facts["objects"]:
        found, allowed = f"{denied:,} of {facts['objects']:,}", f"at most {config.denied_share:.2%}"
        fix = "Allow s3:GetObject on the sources, or raise corpus.denied_share."
        raise UserError("ACCESS_DENIED", "too many objects are denied", found=found, expected=allowed, fix=fix)
    return facts


def _signatures(parts: list[Artifact], column: str, batch: int = 8192) -> Iterator[npt.NDArray[np.uint8]]:
    """A column of the signatures, as k x width bytes at a time, in the order of the documents."""
    for part in parts:
        for path in part.files("signatures"):
            with pq.ParquetFile(path) as file:
                for rows in file.iter_batches(batch_size=batch, columns=[column]):
                    yield fixed(rows[column])


def _keys(parts: list[Artifact], column: str) -> Keys:
    return np.concatenate([rows.view(">u8").astype(np.uint64) for rows in _signatures(parts, column)])


def _first(keys: Keys) -> npt.NDArray[np.int64]:
    """For each key the position of the first equal one."""
    order = np.lexsort(keys.T[::-1])  # stable: equal keys stay in the order of their documents
    ordered = keys[order]
    begins = np.concatenate([[True], (ordered[1:] != ordered[:-1]).any(axis=1)])
    first = np.empty(len(keys), np.int64)
    first[order] = order[np.flatnonzero(begins)[np.cumsum(begins) - 1]]
    return first


def _set_aside(ids: Keys, first: npt.NDArray[np.int64]) -> Iterator[dict[str, str]]:
    for row in np.flatnonzero(first != np.arange(len(first))).tolist():
        yield {"id": _hex(ids[row]), "document": _hex(ids[first[row]])}


def _count(parts: list[Artifact], column: str, kept: npt.NDArray[np.bool_]) -> dict[str, int]:
    """How often each value of a column of the documents occurs among the kept ones."""
    found: Counter[str] = Counter()
    row = 0
    for path in (path for part in parts for path in part.files("documents")):
        values = pq.read_table(path, columns=[column], partitioning=None)[column]
        for one in values.filter(pa.array(kept[row : row + len(values)])).value_counts().to_pylist():
            found[one["values"]] += one["counts"]
        row += len(values)
    return dict(sorted(found.items()))


def _labels(parts: list[Artifact], kept: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """The group number of each kept document."""
    with tempfile.TemporaryDirectory() as work:
        signatures, row = Signatures(int(kept.sum()), Path(work)), 0
        for rows in _signatures(parts, "signature"):
            signatures.add(sketches(rows[kept[row : row + len(rows)]]))
            row += len(rows)
        return signatures.groups()


def _sketched(parts: list[Artifact]) -> Iterator[dict[str, bytes]]:
    """Id, digest and sketch of every document, the duplicates too: the split remembers them."""
    columns = (_signatures(parts, name) for name in ("id", "digest", "signature"))
    for ids, digests, signatures in zip(*columns, strict=True):
        for row in zip(ids, digests, sketches(signatures), strict=True):
            yield dict(zip(SKETCH_SCHEMA.names, map(bytes, row), strict=True))


def _named(ids: Keys, labels: npt.NDArray[np.int64]) -> Iterator[dict[str, str]]:
    """Each document's group, named by the smallest id in it, so that names do not depend on the order."""
    order = np.lexsort((*ids.T[::-1], labels))
    smallest = order[np.concatenate([[True], labels[order][1:] != labels[order][:-1]])]
    named = dict(zip(labels[smallest].tolist(), smallest.tolist(), strict=True))
    for row, label in enumerate(labels.tolist()):
        yield {"document": _hex(ids[row]), "group": _hex(ids[named[label]])}


def _hex(key: npt.NDArray[np.uint64]) -> str:
    return key.astype(">u8").tobytes().hex()


def _blocks(parts: list[Artifact]) -> list[list[str]]:
    """First URI, last URI and name of every block that was kept."""
    return [[first, last, name] for part in parts for _, first, last, name in part.facts["blocks"] if name]

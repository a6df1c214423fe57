"""One shard: fetch its objects, parse them, sign their text; every object and record ends somewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from components.corpus import snapshot
from components.corpus.document import DOCUMENT_SCHEMA, REJECTED_SCHEMA, SIGNATURE_SCHEMA, Document, Parsed, Rejected
from components.corpus.duplicates import signature
from components.corpus.formats import parser_for
from components.store.artifact import ArtifactWriter
from components.store.errors import TouchstoneError
from components.store.events import Progress

THREADS = 16
BATCH = 512
"""Objects in memory at once."""


def load(state: str, digest: str, shard: int, shard_bytes: int, out: Path) -> int:
    """Write the artifact `part` of one shard at `out`: documents, rejected, signatures; how many documents.

    Raises:
        TouchstoneError: SNAPSHOT_CHANGED and what else keeps an object from being read; never a partial shard.
    """
    shards = snapshot.cut(snapshot.read(state, digest, "documents"), shard_bytes)
    items = shards[shard]
    count: Counter[str] = Counter(objects=len(items))
    rejected: list[Rejected] = []
    signatures: list[dict[str, object]] = []

    def rows() -> Iterator[dict[str, object]]:
        for found in _read(items):
            documents = [one for one in found if isinstance(one, Document)]
            rejected.extend(one for one in found if isinstance(one, Rejected))
            signatures.extend({"id": one.id, "signature": signature(one)} for one in documents)
            count.update(read=bool(documents), refused=not documents, records=len(found))
            yield from (one.row() for one in documents)

    with ArtifactWriter(out, "part", {"snapshot": digest}) as part:
        count["documents"] = part.table("documents", DOCUMENT_SCHEMA, rows())
        count["rejected"] = part.table("rejected", REJECTED_SCHEMA, map(vars, rejected))
        part.table("signatures", SIGNATURE_SCHEMA, signatures)
        conserve(count)
        part.facts |= count | {"shard": shard, "shards": len(shards)}
    return count["documents"]


def _read(items: list[snapshot.Item]) -> Iterator[list[Document | Rejected]]:
    """What each object holds, in the items' order; a bounded number of objects in memory."""
    progress = Progress(len(items), "objects")
    with ThreadPoolExecutor(THREADS) as pool:
        for start in range(0, len(items), BATCH):
            batch = items[start : start + BATCH]
            for item, body in zip(batch, pool.map(snapshot.Item.read, batch), strict=True):
                yield list(parse(item, body)) or [Rejected(item.uri, "", "EMPTY", "no record")]
            progress.add(len(batch))


def parse(item: snapshot.Item, body: bytes) -> Iterator[Document | Rejected]:
    """The documents and rejections in one object."""
    known = parser_for(item.uri, body)
    if known is None:
        yield Rejected(item.uri, "", "UNKNOWN_FORMAT", "neither the suffix nor the content is known")
        return
    media_type, parser = known
    for found in parser(body, item.uri):
        yield _judge(item, found, media_type)


def _judge(item: snapshot.Item, found: Parsed | Rejected, media_type: str) -> Document | Rejected:
    if isinstance(found, Rejected):
        return found
    if not found.sections:
        return Rejected(item.uri, found.record, "NO_TEXT", "nothing but furniture and white space")
    return Document.of(found, uri=item.uri, version=item.etag, media_type=media_type)


def conserve(count: Mapping[str, int]) -> None:
    """Objects listed = read + refused; records found = documents + rejected. Checked on write and on read."""
    objects = count["objects"] - count["read"] - count["refused"]
    records = count["records"] - count["documents"] - count["rejected"]
    if objects or records:
        found = f"{objects} objects and {records} records unaccounted for"
        raise TouchstoneError("CORPUS_NOT_CONSERVED", "something was lost between listing and documents", found=found)

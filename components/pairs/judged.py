"""Judged queries: people's questions and which documents answer them, read from a BEIR-layout folder.

Layout (https://github.com/beir-cellar/beir): `queries.jsonl` with `_id`, `text` and optional `metadata.slices`;
`qrels/*.tsv` with the header `query-id corpus-id score`. A corpus id is a document's full URI, its address
relative to one of the corpus' sources, or a record's id.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.corpus.snapshot import Item
from components.store.artifact import Artifact, ArtifactWriter
from components.store.errors import UserError

QUERY_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("slices", pa.list_(pa.string())),
        ("cluster", pa.string()),
        ("source", pa.string()),
        ("documents", pa.list_(pa.string())),
        ("grades", pa.list_(pa.int64())),
    ]
)


@dataclass(frozen=True)
class Query:
    """One judged query.

    Attributes:
        relevant: Document id -> grade (1 or more).
        cluster: The connected component of queries and groups that it lies in; the unit of statistics.
        source: Where its first relevant document comes from (the folder of its URI).
    """

    id: str
    text: str
    slices: tuple[str, ...]
    relevant: Mapping[str, int]
    cluster: str = ""
    source: str = ""

    def row(self) -> dict[str, Any]:
        """The query as a row of `QUERY_SCHEMA`."""
        known = {"id": self.id, "text": self.text, "slices": list(self.slices), "cluster": self.cluster}
        return known | {
            "source": self.source,
            "documents": list(self.relevant),
            "grades": list(self.relevant.values()),
        }

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Query:
        """The query of a row."""
        relevant = dict(zip(row["documents"], row["grades"], strict=True))
        return cls(row["id"], row["text"], tuple(row["slices"]), relevant, row["cluster"], row["source"])


def write(path: Path, kind: str, queries: Iterable[Query], facts: dict[str, Any], inputs: dict[str, str]) -> None:
    """Write queries as an artifact of `kind`."""
    with ArtifactWriter(path, kind, inputs) as out:
        out.table("queries", QUERY_SCHEMA, (query.row() for query in queries))
        out.facts |= facts


def read(artifact: Artifact) -> list[Query]:
    """The queries of an artifact that holds the table `queries`."""
    return [Query.from_row(row) for row in artifact.rows("queries")]


def parse(items: list[Item], documents: Mapping[str, str], dropped: Counter[str]) -> list[Query]:
    """The judged queries in a BEIR-layout folder, sorted by id.

    Args:
        items: The folder's objects in the snapshot.
        documents: Every name of a document -> its id.
        dropped: Counts queries that cannot judge, by reason.

    Raises:
        UserError: BAD_JUDGED_QUERIES naming the file and line.
    """
    texts = _queries(items)
    relevant: dict[str, dict[str, int]] = {query: {} for query in texts}
    for query, corpus_id, grade in _qrels(items):
        if query not in texts:
            dropped["QRELS_OF_UNKNOWN_QUERY"] += 1
        elif corpus_id not in documents:
            dropped["QRELS_TO_UNKNOWN_DOCUMENT"] += 1
        elif grade > 0:
            relevant[query][documents[corpus_id]] = max(grade, relevant[query].get(documents[corpus_id], 0))
    dropped["QUERY_WITHOUT_RELEVANT_DOCUMENT"] += sum(not found for found in relevant.values())
    return [
        replace(texts[query], relevant=dict(sorted(found.items())))
        for query, found in sorted(relevant.items())
        if found
    ]


def _queries(items: list[Item]) -> dict[str, Query]:
    found: dict[str, Query] = {}
    for item in items:
        if not item.uri.endswith("/queries.jsonl"):
            continue
        for number, line in enumerate(io.BytesIO(item.read()), start=1):
            query = _query(item.uri, number, line)
            if query.id in found:
                raise _bad(item.uri, number, f"the id {query.id} a second time")
            found[query.id] = query
    if not found:
        raise UserError("BAD_JUDGED_QUERIES", "no judged queries", expected="a queries.jsonl with at least one line")
    return found


def _query(uri: str, number: int, line: bytes) -> Query:
    try:
        record = json.loads(line)
        slices = record.get("metadata", {}).get("slices", [])
        return Query(str(record["_id"]), str(record["text"]), tuple(map(str, slices)), {})
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _bad(uri, number, "no JSON object with _id and text") from None


def _qrels(items: list[Item]) -> Iterable[tuple[str, str, int]]:
    for item in items:
        if "/qrels/" not in item.uri or not item.uri.endswith(".tsv"):
            continue
        rows = csv.reader(io.StringIO(item.read().decode("utf-8-sig", errors="replace")), delimiter="\t")
        for number, row in enumerate(rows, start=1):
            if number == 1 and row[:1] == ["query-id"]:
                continue
            try:
                query, document, grade = row[0], row[1], int(row[2])
            except (ValueError, IndexError):
                raise _bad(item.uri, number, "no query-id, corpus-id and whole-number score") from None
            yield query, document, grade


def _bad(uri: str, number: int, found: str) -> UserError:
    return UserError("BAD_JUDGED_QUERIES", f"{uri} line {number}", found=found, fix="Correct the file.")

"""Judged queries: people's questions and which documents answer them, read from a BEIR-layout folder.

Layout (https://github.com/beir-cellar/beir): `queries.jsonl` with `_id`, `text` and optional `metadata.slices`;
`qrels/*.tsv` with the header `query-id corpus-id score`; or both as Parquet with columns of these names. A corpus id
is a document's full URI, its address relative to one of the corpus' sources, or a record's id.
"""

from __future__ import annotations

import csv
import io
import json
import operator
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

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
        ("group", pa.string()),
        ("born", pa.int64()),
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
        group: The group of its best-graded relevant document, of the smallest id where several are.
        born: The split's segment, from 0, in which the oldest member of its relevant documents' groups came in: a
            model that was trained when the split had no more segments has never seen what it asks about.
    """

    id: str
    text: str
    slices: tuple[str, ...]
    relevant: Mapping[str, int]
    cluster: str = ""
    source: str = ""
    group: str = ""
    born: int = 0

    def row(self) -> dict[str, Any]:
        """The query as a row of `QUERY_SCHEMA`."""
        known = {"id": self.id, "text": self.text, "slices": list(self.slices), "cluster": self.cluster}
        return known | {
            "source": self.source,
            "group": self.group,
            "born": self.born,
            "documents": list(self.relevant),
            "grades": list(self.relevant.values()),
        }

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Query:
        """The query of a row."""
        relevant = dict(zip(row["documents"], row["grades"], strict=True))
        labels = {name: row[name] for name in ("cluster", "source", "group", "born")}
        return cls(row["id"], row["text"], tuple(row["slices"]), relevant, **labels)


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
        dropped: Counts judgements and queries that cannot judge, by reason.

    Raises:
        UserError: BAD_JUDGED_QUERIES naming the file and line.
    """
    texts = _queries(items)
    relevant: dict[str, dict[str, int]] = {query: {} for query in texts}
    for query, corpus_id, grade in _qrels(items):
        if reason := _no_judgement(query in texts, corpus_id in documents, grade):
            dropped[reason] += 1
        else:
            relevant[query][documents[corpus_id]] = max(grade, relevant[query].get(documents[corpus_id], 0))
    dropped["QUERY_WITHOUT_RELEVANT_DOCUMENT"] += sum(not found for found in relevant.values())
    return [
        replace(texts[query], relevant=dict(sorted(found.items())))
        for query, found in sorted(relevant.items())
        if found
    ]


def _no_judgement(query: bool, document: bool, grade: int) -> str:
    """Why a line of the qrels says nothing; nothing if it does."""
    if not query:
        return "QRELS_OF_UNKNOWN_QUERY"
    if not document:
        return "QRELS_TO_UNKNOWN_DOCUMENT"
    return "" if grade > 0 else "NEGATIVE_GRADE" if grade < 0 else "NOT_RELEVANT"


def with_copies(queries: Iterable[Query], groups: Mapping[str, str], dropped: Counter[str]) -> list[Query]:
    """The queries, with the near-duplicates of every relevant document as relevant as it is, unless they are judged.

    Nobody who judges sees all versions of a page; a model that finds another one is not wrong.

    Args:
        queries: Judged by documents.
        groups: Document id -> its group of near-duplicates.
        dropped: Counts what was added as NEAR_COPY_ADDED.
    """
    members: dict[str, list[str]] = defaultdict(list)
    for document, group in sorted(groups.items()):
        members[group].append(document)
    found = []
    for query in queries:
        copies: dict[str, int] = {}
        for document, grade in query.relevant.items():
            for copy in members[groups[document]]:
                copies[copy] = max(grade, copies.get(copy, 0))
        dropped["NEAR_COPY_ADDED"] += len(copies.keys() - query.relevant.keys())
        found.append(replace(query, relevant=dict(sorted((copies | dict(query.relevant)).items()))))
    return found


def _queries(items: list[Item]) -> dict[str, Query]:
    found: dict[str, Query] = {}
    for where, record in _records(items, lambda uri: uri.rpartition("/")[2].startswith("queries.")):
        query = _query(where, record)
        if query.id in found:
            raise _bad(where, f"the id {query.id} a second time")
        found[query.id] = query
    if not found:
        raise UserError("BAD_JUDGED_QUERIES", "no judged queries", expected="a queries.jsonl with at least one line")
    return found


def _query(where: str, record: Any) -> Query:
    try:
        slices = (record.get("metadata") or {}).get("slices") or []
        return Query(str(record["_id"]), str(record["text"]), tuple(map(str, slices)), {})
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _bad(where, "no JSON object with _id and text") from None


def _qrels(items: list[Item]) -> Iterator[tuple[str, str, int]]:
    for where, record in _records(items, lambda uri: "/qrels/" in uri):
        try:
            yield str(record["query-id"]), str(record["corpus-id"]), operator.index(_whole(record["score"]))
        except (ValueError, KeyError, TypeError):
            raise _bad(where, "no query-id, corpus-id and whole-number score") from None


def _whole(score: Any) -> Any:
    """The score as a number; Parquet may hold 1.0."""
    return int(score) if isinstance(score, str) or (isinstance(score, float) and score.is_integer()) else score


def _records(items: list[Item], wanted: Callable[[str], bool]) -> Iterator[tuple[str, Any]]:
    """The records of the files that are wanted, each with where it stands."""
    readers = {".jsonl": _json_lines, ".tsv": _table, ".parquet": _parquet}
    for item in items:
        reader = readers.get(PurePosixPath(item.uri).suffix)
        if reader and wanted(item.uri):
            for number, record in reader(item):
                yield f"{item.uri} line {number}", record


def _json_lines(item: Item) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(io.BytesIO(item.read()), start=1):
        try:
            yield number, json.loads(line)
        except ValueError:
            yield number, None


def _table(item: Item) -> Iterator[tuple[int, Any]]:
    """Three columns; the header may be missing."""
    rows = csv.reader(io.StringIO(item.read().decode("utf-8-sig", errors="replace")), delimiter="\t")
    for number, row in enumerate(rows, start=1):
        if number > 1 or row[:1] != ["query-id"]:
            yield number, dict(zip(("query-id", "corpus-id", "score"), row, strict=False))


def _parquet(item: Item) -> Iterator[tuple[int, Any]]:
    try:
        with pq.ParquetFile(io.BytesIO(item.read())) as table:
            yield from enumerate((row for batch in table.iter_batches() for row in batch.to_pylist()), start=1)
    except pa.ArrowException:
        raise _bad(item.uri, "no Parquet file") from None


def _bad(where: str, found: str) -> UserError:
    return UserError("BAD_JUDGED_QUERIES", where, found=found, fix="Correct the file.")

"""What the models found for each dev query, with texts: for the report. Sealed queries never come here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.evaluation.scores import BASE, CANDIDATE
from components.pairs.judged import Query
from components.retrieval.index import Index, Ranking
from components.store.artifact import Artifact, ArtifactWriter

SCHEMA = pa.schema(
    [
        ("query", pa.string()),
        ("wanted", pa.string()),
        ("base_rank", pa.int64()),
        ("candidate_rank", pa.int64()),
        ("base_found", pa.string()),
        ("candidate_found", pa.string()),
    ]
)
EXCERPT = 400
"""Characters of a passage that are kept."""


@dataclass(frozen=True)
class Example:
    """One dev query.

    Attributes:
        wanted: The first passage of the relevant document that the candidate places best.
        base_rank: Rank (from 1) of the first relevant document with the base; 0 when not among the best 100.
        candidate_rank: The same with the candidate.
        base_found: The first passage of the document that the base puts first.
        candidate_found: The same for the candidate.
    """

    query: str
    wanted: str
    base_rank: int
    candidate_rank: int
    base_found: str
    candidate_found: str


def collect(
    queries: list[Query], relevant: list[dict[int, int]], index: Index, rankings: Mapping[str, Ranking]
) -> Iterator[Example]:
    """One example for each dev query."""
    base, candidate = rankings[BASE].documents, rankings[CANDIDATE].documents
    for i, query in enumerate(queries):
        wanted = relevant[i]
        yield Example(
            query=query.text,
            wanted=_excerpt(index, _best(candidate[i].tolist(), wanted)),
            base_rank=_rank(base[i].tolist(), wanted),
            candidate_rank=_rank(candidate[i].tolist(), wanted),
            base_found=_excerpt(index, int(base[i][0])),
            candidate_found=_excerpt(index, int(candidate[i][0])),
        )


def write(examples: Iterator[Example], facts: Mapping[str, Any], path: Path) -> None:
    """Write the artifact `examples` at `path`, with what `costs` and `churn` have measured."""
    with ArtifactWriter(path, "examples") as out:
        out.facts |= facts
        out.table("examples", SCHEMA, map(vars, examples))


def read(path: Path) -> list[Example]:
    """The examples of an artifact."""
    return [Example(**row) for row in Artifact.open(path, "examples").rows("examples")]


def _best(found: list[int], wanted: Mapping[int, int]) -> int:
    return next((document for document in found if document in wanted), min(wanted))


def _rank(found: list[int], wanted: Mapping[int, int]) -> int:
    return next((rank for rank, document in enumerate(found, start=1) if document in wanted), 0)


def _excerpt(index: Index, document: int) -> str:
    return index.texts[int(index.starts[document])][:EXCERPT]

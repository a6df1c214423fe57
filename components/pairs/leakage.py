"""How much of what trains can be found in what judges: measured once (`proof.py`), read by the gate."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from components.store.artifact import Artifact, ArtifactWriter

Ancestors = Literal["known", "partly", "unknown"]
COVERAGE_SCHEMA = pa.schema([("query", pa.string()), ("coverage", pa.float64())])


@dataclass(frozen=True)
class Leakage:
    """Matches between the training side and the sealed side.

    Attributes:
        sealed_documents: Documents that judge (relevant to a sealed query).
        near: How many of them share a group with a document that trains.
        covered: How many share a passage with a text that trains (`coverage.py`).
        leaked: How many of them do either, or are matched with what an ancestor was trained on: all that the candidate
            has seen.
        anchors_left: Training anchors that equal a sealed query, and train all the same.
        equal_anchors: Training anchors taken out because they equal a judged query of the dev or sealed side.
        bands: Judging documents by the share of their most covered passage: below .25, .5, .8, and the rest.
        nearest: Up to 1,000 judging documents by the Jaccard similarity (MinHash) of the nearest document that
            trains: below .1, .2, ... 1, and 1.
        retired: Queries that were sealed once and whose documents train now.
        retired_share: Their part of all queries that ever were sealed.
        evidence: Where the judged queries come from: judged (people), logs, mined (a language model).
        ancestors: What the base tells of the texts that it and its ancestors were trained on. `unknown`: nothing, it
            was made elsewhere. `partly`: what Touchstone trained is told; the first of them was made elsewhere.
            `known`: every one tells.
        ancestor_texts: How many texts it tells of.
        leaked_by_ancestors: Judging documents matched with one of those (`ancestry.py`).
        asked_by_ancestors: Sealed queries that are one of those.
        coverage: Sealed query, by its hidden name -> the largest share of a passage of its relevant documents found
            in what trains, or the other way round; 1.0 where such a document shares a group with what trains or is
            matched with what an ancestor was trained on. A table of the artifact, not one of its facts; {} when
            unknown.
    """

    sealed_documents: int
    near: int
    covered: int = 0
    leaked: int = 0
    anchors_left: int = 0
    equal_anchors: int = 0
    bands: list[int] = field(default_factory=list)
    nearest: list[int] = field(default_factory=list)
    retired: int = 0
    retired_share: float = 0.0
    evidence: str = "judged"
    ancestors: Ancestors = "unknown"
    ancestor_texts: int = 0
    leaked_by_ancestors: int = 0
    asked_by_ancestors: int = 0
    coverage: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, artifact: Artifact) -> Leakage:
        """What an artifact `leakage` holds."""
        rows = artifact.rows("queries")
        return cls(**artifact.facts, coverage={row["query"]: row["coverage"] for row in rows})

    def seen(self, query: str) -> float:
        """The coverage of a query by its id; no number where it is not known."""
        return self.coverage.get(hidden(query), math.nan)

    @property
    def facts(self) -> dict[str, Any]:
        """All of it but what it says of each query."""
        return {name: value for name, value in vars(self).items() if name != "coverage"}

    @property
    def share(self) -> float:
        """The part of the judging documents that training has seen."""
        return self.leaked / self.sealed_documents if self.sealed_documents else 0.0

    @property
    def inherited(self) -> str:
        """What is known of the candidate's ancestors, in words."""
        if self.ancestors == "unknown":
            return "what the base was trained on is unknown: the base does not tell"
        trained = f"the {self.ancestor_texts:,} texts that the base and its ancestors were trained on"
        found = f"{self.leaked_by_ancestors:,} documents and {self.asked_by_ancestors:,} queries are found in {trained}"
        rest = "; what the first of them was trained on before it came here is unknown"
        return found + (rest if self.ancestors == "partly" else "")


def hidden(query: str) -> str:
    """A judged query's id as records name it, which must not tell what is asked."""
    return hashlib.sha256(query.encode()).hexdigest()[:16]


def write(proof: Leakage, path: Path, inputs: dict[str, str]) -> None:
    """Write the artifact `leakage` at `path`."""
    rows = ({"query": query, "coverage": share} for query, share in sorted(proof.coverage.items()))
    with ArtifactWriter(path, "leakage", inputs) as out:
        out.table("queries", COVERAGE_SCHEMA, rows)
        out.facts |= proof.facts

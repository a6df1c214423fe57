"""Scores as an artifact: `queries.parquet`, `guards.parquet`, and the contenders in the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.evaluation.scores import Contender, Numbers, Scores
from components.retrieval.metrics import METRICS
from components.store.artifact import Artifact, ArtifactWriter

_LABELS = [
    ("query", pa.string()),
    ("cluster", pa.string()),
    ("group", pa.string()),
    ("born", pa.int64()),
    ("source", pa.string()),
    ("slices", pa.list_(pa.string())),
]
_GUARD_SCHEMA = pa.schema(
    [("guard", pa.string()), ("model", pa.string()), ("position", pa.int64()), ("value", pa.float64())]
)


def write(scores: Scores, path: Path) -> None:
    """Write the artifact `scores` at `path`."""
    columns = [f"{model}:{metric}" for model in scores.values for metric in METRICS]
    schema = pa.schema([*_LABELS, *((name, pa.float64()) for name in columns)])
    with ArtifactWriter(path, "scores", scores.inputs) as out:
        out.table("queries", schema, _query_rows(scores))
        out.table("guards", _GUARD_SCHEMA, _guard_rows(scores))
        out.facts |= {
            "contenders": {name: vars(contender) for name, contender in scores.contenders.items()},
            "champion_problem": scores.champion_problem,
            "documents": scores.documents,
            "passages": scores.passages,
        }


def read(path: Path) -> tuple[Scores, str]:
    """The scores of an artifact, and its digest."""
    artifact = Artifact.open(path, "scores")
    table = artifact.table("queries").to_pydict()
    facts = artifact.facts
    scores = Scores(
        queries=table["query"],
        clusters=table["cluster"],
        groups=table["group"],
        born=table["born"],
        sources=table["source"],
        slices=table["slices"],
        values=_values(table),
        guards=_guards(artifact),
        contenders={name: Contender(**known) for name, known in facts["contenders"].items()},
        champion_problem=facts["champion_problem"],
        documents=facts["documents"],
        passages=facts["passages"],
        inputs=artifact.manifest["inputs"],
    )
    return scores, artifact.digest


def _query_rows(scores: Scores) -> Iterator[dict[str, Any]]:
    for i, query in enumerate(scores.queries):
        row = {"query": query, "cluster": scores.clusters[i], "group": scores.groups[i], "born": scores.born[i]}
        yield (
            row
            | {"source": scores.sources[i], "slices": scores.slices[i]}
            | {
                f"{model}:{metric}": float(values[metric][i])
                for model, values in scores.values.items()
                for metric in METRICS
            }
        )


def _guard_rows(scores: Scores) -> Iterator[dict[str, Any]]:
    for guard, models in sorted(scores.guards.items()):
        for model, values in sorted(models.items()):
            for i, value in enumerate(values.tolist()):
                yield {"guard": guard, "model": model, "position": i, "value": value}


def _values(table: dict[str, list[Any]]) -> dict[str, dict[str, Numbers]]:
    values: dict[str, dict[str, Numbers]] = {}
    for name, column in table.items():
        model, _, metric = name.partition(":")
        if metric:
            values.setdefault(model, {})[metric] = np.array(column, dtype=np.float64)
    return values


def _guards(artifact: Artifact) -> dict[str, dict[str, Numbers]]:
    found: dict[str, dict[str, list[float]]] = {}
    for row in artifact.rows("guards"):
        found.setdefault(row["guard"], {}).setdefault(row["model"], []).append(row["value"])
    return {guard: {model: np.array(v) for model, v in models.items()} for guard, models in found.items()}

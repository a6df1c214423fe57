"""Real lines for the tests of the DAG: some hundred operations of the AWS API reference, BERT-tiny, real S3."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.store.s3 import Folder
from pipelines import demo, demo_questions, demo_reference, local
from pipelines.recipe import Recipe
from pipelines.screen import Screen

SERVICES = 12


@dataclass
class Line:
    """One line in a folder and a bucket's prefix of its own."""

    recipe: Recipe
    folder: Path

    def run(self, *, force: bool = False) -> dict[str, Any]:
        """Run the DAG once; the record."""
        return local.run(self.recipe, Screen(io.StringIO()), force=force, servers=[])

    def hub(self) -> dict[str, str]:
        """Every object under the hub's prefix, with its ETag."""
        return {entry.key: entry.etag for entry in Folder(self.recipe.target).list()}

    def with_training(self, **changes: object) -> Line:
        """The same line with other training settings."""
        training = self.recipe.training.model_copy(update=changes)
        return Line(self.recipe.model_copy(update={"training": training}), self.folder)


def pages() -> Iterator[tuple[str, bytes]]:
    """Key and page of every operation of the services."""
    for service in demo_questions.ranked_services()[:SERVICES]:
        for operation in demo_reference.operations(service):
            yield operation.key, operation.page


def make_line(place: str, model: Path, folder: Path, documents: Iterator[tuple[str, bytes]]) -> Line:
    """A line over these documents, judged by the titles of the AWS CLI's examples."""
    demo.upload(Folder(f"{place}/docs"), documents)
    queries = demo_questions.queries(demo_questions.ranked_services()[:SERVICES])
    demo.upload(Folder(f"{place}/judged"), demo_questions.beir(queries))
    values = {
        "name": "test",
        "state": f"{place}/state",
        "target": f"{place}/hub",
        "base_model": str(model),
        "corpus": {"sources": [f"{place}/docs"], "passage_tokens": 96, "shard_bytes": 600_000},
        "pairs": {
            "judged": f"{place}/judged",
            "shares": {"train": 0.5, "dev": 0.1, "sealed": 0.4},
            "min_pairs": 100,
        },
        "training": {"steps": 60, "batch_size": 32, "learning_rate": 3e-4, "max_tokens": 64, "dev_documents": 300},
        "gate": {"min_queries": 200, "min_clusters": 100, "min_differing": 10},
    }
    return Line(Recipe.parse(values, where="test"), folder)


@pytest.fixture
def line(place: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    """A fresh line; the test runs in its folder."""
    monkeypatch.chdir(tmp_path)
    return make_line(place, tiny_model, tmp_path, pages())

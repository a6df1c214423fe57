"""Real lines for the tests of the DAG: some hundred operations of the AWS API reference, BERT-tiny, real S3."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from components.store.s3 import Folder
from components.store.signing import KEY
from components.store.signing_config import SigningConfig
from pipelines import demo, demo_questions, demo_reference, local
from pipelines.recipe import Recipe
from pipelines.screen import Screen
from tests.end_to_end import canaries
from tests.hub.keys import RELEASE, private, public

SERVICES = slice(2, 9)
"""Seven services of middle size: 755 operations, 804 questions."""


@dataclass
class Line:
    """One line in a folder and a bucket's prefix of its own."""

    recipe: Recipe
    folder: Path
    first: dict[str, Any] = field(default_factory=dict)

    def run(self, *, force: bool = False) -> dict[str, Any]:
        """Run the DAG once; the record."""
        return local.run(self.recipe, Screen(io.StringIO()), force=force, servers=[])

    def hub(self) -> dict[str, str]:
        """Every object under the hub's prefix, with its ETag."""
        return {entry.key: entry.etag for entry in Folder(self.recipe.target).list()}


def pages() -> Iterator[tuple[str, bytes]]:
    """Key and page of every operation of the services."""
    for service in demo_questions.ranked_services()[SERVICES]:
        for operation in demo_reference.operations(service):
            yield operation.key, operation.page


def make_line(
    place: str,
    model: Path,
    folder: Path,
    documents: Iterable[tuple[str, bytes]],
    more: Iterable[demo_questions.Query] = (),
) -> Line:
    """A line over these documents, judged by the titles of the AWS CLI's examples, and by some `more` questions."""
    demo.upload(Folder(f"{place}/docs"), documents)
    queries = [*demo_questions.queries(demo_questions.ranked_services()[SERVICES]), *more]
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
            "filters": {"round_trip": 0},  # or nonsense would not even be trained on
        },
        "training": {"steps": 60, "batch_size": 32, "learning_rate": 3e-4, "max_tokens": 64, "dev_documents": 300},
        "gate": {"min_queries": 200, "min_clusters": 100, "min_differing": 10},
    }
    return Line(Recipe.parse(values, where="test"), folder)


@pytest.fixture(scope="module")
def line(s3: object, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    """A line that signs, whose first run is over; tests of the module go on from there, in the line's folder.

    Canaries are planted around it, beside its recipe, in its documents and among its questions.
    """
    folder = tmp_path_factory.mktemp("line")
    known = list(pages())
    asked = canaries.questions([key for key, _ in known[::100]][:6])
    made = make_line("s3://tests/line", tiny_model, folder, [*known, *canaries.documents()], asked)
    signing = SigningConfig(public_keys={"release": public(RELEASE)})
    made.recipe = made.recipe.model_copy(update={"signing": signing})
    for name, content in canaries.BESIDE.items():
        (folder / name).write_text(content)
    with contextlib.chdir(folder), pytest.MonkeyPatch.context() as around:
        around.setenv(KEY, str(private(folder, RELEASE)))
        around.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "credentials"))
        for name, value in canaries.ENVIRONMENT.items():
            around.setenv(name, value)
        made.first = made.run()
        yield made

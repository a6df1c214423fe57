"""A small training: sixty operations of made-up documents, BERT-tiny."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.corpus.passages import PASSAGE_SCHEMA, Passage
from components.pairs import judged
from components.pairs.judged import Query
from components.pairs.pair import PAIR_SCHEMA, Pair
from components.store.artifact import ArtifactWriter
from components.store.models import write_model
from components.training.job import Data

THINGS = ["bucket", "queue", "table", "cluster", "function", "topic", "stream", "volume", "image", "snapshot"]
ASKED = {
    "create": "make",
    "delete": "remove",
    "describe": "explain",
    "list": "show all",
    "update": "change",
    "tag": "label",
}
"""How people ask for what the documentation calls otherwise: something to learn."""

ACTIONS = list(ASKED)


def body(action: str, thing: str) -> str:
    """What the documentation says."""
    return f"Use this operation to {action} one {thing} that your account owns. It needs permission for the {thing}."


@pytest.fixture
def data(tmp_path: Path, tiny_model: Path) -> Data:
    """The artifacts that training reads."""
    return small_training(tmp_path / "data", tiny_model)


def small_training(folder: Path, model: Path) -> Data:
    """Put the artifacts that training reads there."""
    names = [(f"{ASKED[action]} {thing}", body(action, thing)) for thing in THINGS for action in ACTIONS]
    with ArtifactWriter(folder / "pairs", "pairs") as out:
        pairs = [Pair(name, text, "headings", f"d{i}", f"d{i}", 0, len(text)) for i, (name, text) in enumerate(names)]
        out.table("pairs", PAIR_SCHEMA, (pair.row() for pair in pairs))
    with ArtifactWriter(folder / "passages", "passages") as out:
        rows = (Passage(f"d{i}-0", f"d{i}", "", text, 0, len(text)) for i, (_, text) in enumerate(names))
        out.table("passages", PASSAGE_SCHEMA, map(vars, rows))
    queries = [Query(f"q{i}", f"How do I {names[i][0]}?", (), {f"d{i}": 1}) for i in range(0, 60, 4)]
    judged.write(folder / "judged", "judged", queries, {"sealed": "0" * 64, "segments": 3}, {})
    write_model(folder / "base", model, reference="base")
    return Data(*(folder / name for name in ("pairs", "judged", "passages", "base")))

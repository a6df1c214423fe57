"""The example asks as the evaluation did, and a promotion gets an index of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from qdrant_client import QdrantClient

from components.corpus.passages import Passage
from components.evaluation.parity import DOCUMENTS, QUERIES
from components.retrieval.encoder import Encoder
from components.retrieval.index import Index
from examples.search import ALIAS, Search

CORPUS = [Passage(f"p{i}", f"d{i // 2:02d}", "", text, i, i + 1) for i, text in enumerate(DOCUMENTS[:-1])]


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """BERT-tiny with prompts."""
    folder = Path(shutil.copytree(tiny_model, tmp_path / "model"))
    settings = folder / "config_sentence_transformers.json"
    prompts = {"query": "find: ", "document": "text: "}
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"prompts": prompts}))
    return folder


def exact(folder: Path, question: str) -> tuple[list[str], np.ndarray]:
    """Documents and cosines as the evaluation finds them."""
    encoder, index = Encoder.load(folder), Index.of(CORPUS)
    encoder.precision = "fp32"
    found = index.search(encoder.queries([question]), encoder.passages(index.texts), depth=5)
    return [index.documents[place] for place in found.documents[0]], found.scores[0]


def test_it_finds_what_exact_search_with_the_model_s_prompts_finds(model: Path, tmp_path: Path) -> None:
    client = QdrantClient(path=str(tmp_path / "index"))
    search = Search(client, model)
    cost = search.build(CORPUS, "a" * 64)
    assert cost and cost.passages == len(CORPUS) and cost.tokens > 500
    assert "passages a second; a million would take" in str(cost)
    for question in QUERIES[:6]:
        names, scores = exact(model, question)
        found = search.ask(question)
        assert [name for name, _ in found] == names
        np.testing.assert_allclose([score for _, score in found], scores, atol=1e-4)
    client.close()
    again = QdrantClient(path=str(tmp_path / "index"))
    assert Search(again, model).build(CORPUS, "a" * 64) is None, "it lies in the folder"
    again.close()


def test_a_promotion_gets_a_collection_of_its_own_and_the_alias_moves(
    model: Path, tiny_model: Path, tmp_path: Path
) -> None:
    client = QdrantClient(path=str(tmp_path / "index"))
    old, new = Search(client, tiny_model), Search(client, model)
    assert old.build(CORPUS, "a" * 64) and new.build(CORPUS, "a" * 64)
    names = {one.name for one in client.get_collections().collections}
    assert names == {f"{old.name}-{'a' * 12}", f"{new.name}-{'a' * 12}"}
    assert [one.collection_name for one in client.get_aliases().aliases] == [f"{new.name}-{'a' * 12}"]
    assert old.build(CORPUS, "a" * 64) is None, "a rollback costs nothing"
    assert client.get_aliases().aliases[0].collection_name.startswith(old.name)
    assert client.get_aliases().aliases[0].alias_name == ALIAS
    client.close()

"""What a candidate costs, with a real small model."""

import json
import time

import numpy as np
import pytest

from components.corpus.passages import Passage
from components.evaluation import costs
from components.evaluation.costs import Queries
from components.retrieval import vectors
from components.retrieval.encoder import Encoder
from components.retrieval.index import Index
from components.store.models import Model

TOOLS = [
    "hammer", "saw", "level", "chisel", "drill", "plane", "file", "clamp", "wrench", "anvil", "mallet", "pliers"
]  # fmt: skip
INDEX = Index.of([Passage("", f"d{n:02}", "", f"The {tool} hangs on hook {n}.", 0, 0) for n, tool in enumerate(TOOLS)])


@pytest.fixture(scope="module")
def encoder(tiny_model) -> Encoder:
    return Encoder.load(tiny_model)


@pytest.fixture(scope="module")
def known(encoder) -> np.ndarray:
    return encoder.passages(INDEX.texts)


@pytest.fixture(scope="module")
def sides(encoder, known) -> dict[str, Queries]:
    return {"dev": _asked(encoder, known, len(TOOLS)), "sealed": _asked(encoder, known, 3)}


def _asked(encoder: Encoder, known: np.ndarray, count: int) -> Queries:
    texts = [f"where is the {tool}" for tool in TOOLS[:count]]
    asked = encoder.queries(texts)
    return Queries(texts, [{n: 1} for n in range(count)], asked, INDEX.search(asked, known))


def test_every_trained_dimension_is_a_row_the_full_one_first(encoder, known, sides):
    rows = costs.facts(encoder, INDEX, known, sides, [32, 128, 64, 512, 2])["dimensions"]
    assert [row["dimension"] for row in rows] == [128, 64, 32, 2]
    assert [row["bytes_per_million"] for row in rows] == [size * 4_000_000 for size in (128, 64, 32, 2)]
    assert rows[-1]["dev_ndcg"] < rows[0]["dev_ndcg"] <= 1
    assert all(row["sealed_ndcg"] == round(row["sealed_ndcg"], 3) for row in rows)
    assert {row["queries_timed"] for row in rows} == {len(TOOLS)}


def test_the_rate_and_the_tokens_are_of_a_sample_and_told_for_the_corpus(encoder, known, sides, monkeypatch):
    exact = costs.facts(encoder, INDEX, known, sides, [])["costs"]
    counts = [len(encoder.model.tokenizer(text)["input_ids"]) for text in INDEX.texts]
    assert (exact["tokens"], exact["tokens_counted"]) == (sum(counts), 12)
    monkeypatch.setattr(costs, "COUNTED", 2)
    monkeypatch.setattr(costs, "TIMED", {"cpu": 4})
    monkeypatch.setattr(Encoder, "passages", lambda self, texts, unit: time.sleep(0.05 * len(texts)))
    sampled = costs.facts(encoder, INDEX, known, sides, [])["costs"]
    assert (sampled["tokens"], sampled["tokens_counted"]) == (6 * (counts[0] + counts[-1]), 2)
    assert (sampled["passages"], sampled["passages_timed"]) == (12, 4)
    assert 10 < sampled["passages_per_second"] <= 20
    assert sampled["hours"] == pytest.approx(12 / sampled["passages_per_second"] / 3600)


def test_a_prompt_counts_and_what_the_model_cuts_off_does_not(encoder, known, sides, monkeypatch):
    plain = costs.facts(encoder, INDEX, known, sides, [])["costs"]["tokens"]
    monkeypatch.setitem(encoder.model.prompts, "document", "read this: ")
    assert costs.facts(encoder, INDEX, known, sides, [])["costs"]["tokens"] == plain + 12 * 3
    monkeypatch.setattr(encoder.model, "max_seq_length", 5)
    assert costs.facts(encoder, INDEX, known, sides, [])["costs"]["tokens"] == 12 * 5


def test_a_slow_search_is_timed_with_fewer_queries(encoder, known, sides, monkeypatch):
    monkeypatch.setattr(costs, "FEWEST", 3)
    monkeypatch.setattr(costs, "PATIENCE", 0.0)
    assert costs.facts(encoder, INDEX, known, sides, [])["dimensions"][0]["queries_timed"] == 3


@pytest.mark.parametrize(
    ("told", "found"),
    [
        ({"config": {"matryoshka": [64, 32]}}, [64, 32]),
        ({"config": {"matryoshka": []}}, []),
        ({"config": {"matryoshka": [64.5, True, "8", -1]}}, []),
        ({"config": {}}, []),
        ([], []),
        (None, []),
    ],
)
def test_dimensions_come_from_the_models_own_record(tmp_path, told, found):
    if told is not None:
        (tmp_path / "training.json").write_text(json.dumps(told))
    assert costs.dimensions_of(Model(tmp_path, True, "", "", "")) == found


def test_cut_vectors_are_unit_vectors_block_by_block(monkeypatch):
    monkeypatch.setattr(vectors, "AT_ONCE", 3)
    drawn = np.random.default_rng(1).normal(size=(8, 6)).astype(np.float32)
    drawn[4, :2] = 0
    found = vectors.cut(drawn, 2)
    assert np.linalg.norm(found, axis=1) == pytest.approx([1, 1, 1, 1, 0, 1, 1, 1], abs=1e-6)
    assert found[0] == pytest.approx(drawn[0, :2] / np.linalg.norm(drawn[0, :2]))
    assert np.array_equal(found, vectors.shortened(drawn, 2))

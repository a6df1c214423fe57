"""Exact search, against the naive computation."""

import numpy as np
import pytest
import torch

from components.corpus.passages import Passage
from components.retrieval import index as module
from components.retrieval import product
from components.retrieval.index import Index


def corpus(sizes: list[int]) -> Index:
    """An index over documents d0000, d0001, ... with so many passages each."""
    return Index.of(
        [Passage("", f"d{n:04}", "", f"{n}.{k}", k, 0) for n, size in enumerate(sizes) for k in range(size)]
    )


def naive(index: Index, queries: np.ndarray, passages: np.ndarray, depth: int) -> tuple[list, list]:
    """For each query the documents by their best passage, ties to the smaller id; and the scores."""
    ends = [*index.starts[1:].tolist(), len(index.texts)]
    owners = [d for d, (a, b) in enumerate(zip(index.starts.tolist(), ends, strict=True)) for _ in range(a, b)]
    ranked, values = [], []
    for query in queries:
        best: dict[int, float] = {}
        for owner, passage in zip(owners, passages, strict=True):
            best[owner] = max(best.get(owner, -np.inf), float(query @ passage))
        order = sorted(best, key=lambda d: (-best[d], index.documents[d]))[:depth]
        ranked.append(order)
        values.append([best[d] for d in order])
    return ranked, values


def test_passages_are_put_in_the_order_of_documents_and_starts():
    given = [Passage("", document, "", text, start, 0) for document, text, start in
             [("b", "b2", 50), ("a", "a1", 0), ("b", "b1", 0), ("c", "c1", 0), ("a", "a2", 9)]]  # fmt: skip
    index = Index.of(given)
    assert index.documents == ["a", "b", "c"]
    assert index.starts.tolist() == [0, 2, 4]
    assert index.texts == ["a1", "a2", "b1", "b2", "c1"]


@pytest.mark.parametrize("values", ["small integers", "all negative", "real numbers"])
@pytest.mark.parametrize("depth", [1, 10, 1000], ids=lambda depth: f"depth {depth}")
@pytest.mark.parametrize("blocks", [(1, 1), (7, 3), (65_536, 256)], ids=["tiny blocks", "some blocks", "one block"])
def test_search_is_the_naive_computation(monkeypatch, values, depth, blocks):
    passages_at_once, queries_at_once = blocks
    monkeypatch.setattr(module, "PASSAGES_AT_ONCE", passages_at_once)
    monkeypatch.setattr(module, "QUERIES_AT_ONCE", queries_at_once)
    rng = np.random.default_rng(5)
    index = corpus(rng.integers(1, 6, 40).tolist())
    shape = {"queries": (8, 4), "passages": (len(index.texts), 4)}
    if values == "real numbers":
        drawn = {name: rng.normal(size=size) for name, size in shape.items()}
    else:  # so few different scores that most are ties, and all are exact in float32
        drawn = {name: rng.integers(1, 3, size) for name, size in shape.items()}
    queries, passages = (drawn[name].astype(np.float32) for name in shape)
    found = index.search(-queries if values == "all negative" else queries, passages, depth)
    ranked, scores = naive(index, -queries if values == "all negative" else queries, passages, depth)
    assert found.documents.tolist() == ranked
    assert found.scores == pytest.approx(np.array(scores), rel=1e-5, abs=1e-6)


def test_zero_and_minus_zero_are_a_tie():
    index = corpus([1, 1, 1])
    found = index.search(np.array([[1.0]], np.float32), np.array([[-0.0], [0.0], [-1.0]], np.float32), 3)
    assert found.documents.tolist() == [[0, 1, 2]]


def test_a_device_finds_what_the_processor_finds_while_training_computes_in_bf16(monkeypatch):
    """No GPU here: torch's own product, which is what runs on one, on the processor."""
    monkeypatch.setattr(module, "QUERIES_AT_ONCE", 5)
    monkeypatch.setattr(module, "PASSAGES_AT_ONCE", 20)
    rng = np.random.default_rng(6)
    index = corpus(rng.integers(1, 4, 60).tolist())
    queries, passages = (rng.normal(size=(n, 64)).astype(np.float32) for n in (12, len(index.texts)))
    plain = index.search(queries, passages, 10)
    monkeypatch.setattr(product, "multiplier", lambda parts: product.by_torch(parts, "cpu"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = index.search(queries, passages, 10)
    assert np.array_equal(found.documents, plain.documents)
    assert found.scores == pytest.approx(plain.scores, abs=1e-4)


def test_no_queries_find_nothing():
    index = corpus([1, 2])
    assert index.search(np.empty((0, 2), np.float32), np.ones((3, 2), np.float32)).documents.shape == (0, 2)

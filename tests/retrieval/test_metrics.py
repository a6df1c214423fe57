"""The metrics, against ir_measures (trec_eval and the MS MARCO script)."""

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, R, nDCG

from components.retrieval.index import Ranking, merge
from components.retrieval.metrics import METRICS, measure

REFERENCE = {"ndcg@10": nDCG @ 10, "mrr@10": RR @ 10, "recall@10": R @ 10, "recall@100": R @ 100}
QUERIES, DOCUMENTS = 40, 300


def ranking(scores: np.ndarray, depth: int) -> Ranking:
    """The ranking that a search over these scores (queries x documents) gives."""
    nothing = Ranking(np.empty((len(scores), 0), np.int64), np.empty((len(scores), 0), np.float32))
    return merge(nothing, 0, scores.astype(np.float32), depth)


def reference(name: str, found: Ranking, relevant: list[dict[int, int]]) -> list[float]:
    """What ir_measures says; documents are named so that its order of ties is ours, the smaller position first."""
    ascending = name == "mrr@10"  # the MS MARCO script; trec_eval takes the larger name first

    def named(document: int) -> str:
        return f"{document if ascending else 999 - document:03}"

    qrels = {f"{q}": {named(d): grade for d, grade in wanted.items()} for q, wanted in enumerate(relevant)}
    rows = zip(found.documents.tolist(), found.scores.tolist(), strict=True)
    run = {
        f"{q}": {named(d): score for d, score in zip(documents, scores, strict=True) if d >= 0}
        for q, (documents, scores) in enumerate(rows)
    }
    run = {query: documents for query, documents in run.items() if documents}
    values = {m.query_id: m.value for m in ir_measures.iter_calc([REFERENCE[name]], qrels, run)}
    return [values[f"{q}"] for q in range(len(relevant))]


@pytest.fixture(scope="module", params=[(1, 100, 4), (2, 100, 1000), (3, 7, 3)], ids=["ties", "few ties", "shallow"])
def exam(request) -> tuple[Ranking, list[dict[int, int]]]:
    """Random scores at so many levels, graded judgements of 1 to 15 documents, some queries with nothing found."""
    seed, depth, levels = request.param
    rng = np.random.default_rng(seed)
    found = ranking(rng.integers(0, levels, (QUERIES, DOCUMENTS)), depth)
    found.documents[::7] = -1
    found.documents[1::7, depth // 2 :] = -1
    relevant = [
        {int(d): int(rng.integers(1, 4)) for d in rng.choice(DOCUMENTS, rng.integers(1, 16), replace=False)}
        for _ in range(QUERIES)
    ]
    return found, relevant


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_agrees_with_ir_measures(exam, name):
    found, relevant = exam
    ours = measure(found, relevant)[name]
    assert ours == pytest.approx(reference(name, found, relevant), abs=1e-9)
    assert ours[::7].tolist() == [0] * len(ours[::7]), "nothing found"
    assert 0 < ours.max() <= 1


@pytest.mark.parametrize("depth", [100, 10, 8])
def test_a_perfect_retriever_scores_exactly_one(depth):
    rng = np.random.default_rng(4)
    relevant = [
        {int(d): int(rng.integers(1, 4)) for d in rng.choice(50, rng.integers(1, min(depth, 10) + 1), replace=False)}
        for _ in range(200)
    ]
    best = [sorted(wanted, key=lambda d: -wanted[d]) for wanted in relevant]
    documents = np.array([[*row, *[-1] * depth][:depth] for row in best])
    values = measure(Ranking(documents, np.zeros(documents.shape, np.float32)), relevant)
    assert {name: set(of.tolist()) for name, of in values.items()} == {name: {1.0} for name in METRICS}

"""The metrics, against ir_measures (trec_eval and the MS MARCO script), on random scores and on real runs.

`nDCG` of ir_measures is trec_eval's: the grade itself is the gain, as here (`dcg='exp-log2'` would be another one).
"""

import re

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, R, nDCG

from components.corpus.passages import Passage
from components.retrieval.encoder import Encoder
from components.retrieval.fusion import fuse
from components.retrieval.index import Index, Ranking, merge, nothing
from components.retrieval.lexical import Words
from components.retrieval.metrics import METRICS, measure
from pipelines import demo_questions, demo_reference

REFERENCE = {"ndcg@10": nDCG @ 10, "mrr@10": RR @ 10, "recall@10": R @ 10, "recall@100": R @ 100}
SERVICE = "iam"
QUERIES, DOCUMENTS = 40, 300


def ranking(scores: np.ndarray, depth: int) -> Ranking:
    """The ranking that a search over these scores (queries x documents) gives."""
    return merge(nothing(len(scores)), np.arange(scores.shape[1]), scores.astype(np.float32), depth)


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


def grades(query: demo_questions.Query, names: list[str]) -> dict[int, int]:
    """2 for the operations that do the task, 1 for those that do something else with the same thing (GetX, PutX)."""
    things = {thing(answer) for answer in query.answers}
    return {i: 1 + (name in query.answers) for i, name in enumerate(names) if thing(name) in things}


def thing(key: str) -> str:
    """What an operation works on: its name without the verb and without the plural."""
    return re.sub(f"^{SERVICE}/[A-Z][a-z]+", "", key).removesuffix(".html").removesuffix("s")


def plain(page: bytes) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page.decode()))


@pytest.fixture(scope="module")
def runs(tiny_model) -> tuple[dict[str, Ranking], list[dict[int, int]]]:
    """What a model, BM25 and both together find in the reference of a real service for people's titles of tasks."""
    pages = {page.key: plain(page.page) for page in demo_reference.operations(SERVICE)}
    index = Index.of([Passage("", key, "", text[n : n + 400], n, 0) for key, text in pages.items() for n in (0, 400)])
    asked = demo_questions.queries([SERVICE])[:120]
    texts, encoder = [query.text for query in asked], Encoder.load(tiny_model)
    dense = index.search(encoder.queries(texts), encoder.passages(index.texts))
    words = Words(index).search(texts)
    relevant = [grades(query, index.documents) for query in asked]
    return {"dense": dense, "bm25": words, "hybrid": fuse([dense, words])}, relevant


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("run", ["dense", "bm25", "hybrid"])
def test_every_metric_of_a_real_run_agrees_with_ir_measures(runs, run, name):
    found, relevant = runs[0][run], runs[1]
    ours = measure(found, relevant)[name]
    assert ours == pytest.approx(reference(name, found, relevant), abs=1e-9)
    assert ours.mean() > 0.01
    assert {grade for wanted in relevant for grade in wanted.values()} == {1, 2}

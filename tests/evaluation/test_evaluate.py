"""The whole step on a small corpus with a real model."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from components.corpus import passages, snapshot
from components.corpus.config import Source
from components.corpus.passages import Passage
from components.evaluation import examples, files
from components.evaluation.evaluate import Inputs, evaluate
from components.evaluation.scores import Scores
from components.pairs import judged
from components.pairs.judged import Query
from components.retrieval.encoder import Encoder
from components.retrieval.metrics import METRICS
from components.store.artifact import Artifact, ArtifactWriter
from components.store.models import Model, write_absence, write_model
from components.store.s3 import Folder

TOPICS = {
    "bread": ["Knead the dough for ten minutes.", "Bake the loaf until the crust is brown."],
    "garden": ["Water the tomatoes in the evening.", "Cut the roses in March."],
    "guitar": ["Tune the lowest string to E.", "A capo shortens every string."],
    "radio": ["Pull out the antenna and turn the dial."],
    "roof": ["Slates are nailed to battens.", "A gutter carries the rain away."],
}
SEALED = [
    Query("s1", "how long is dough kneaded", ("baking",), {"bread": 2, "roof": 1}, "bread", "s3://b/docs"),
    Query("s2", "when do roses get cut", (), {"garden": 1}, "garden", "s3://b/docs"),
]
DEV = [
    Query("d1", "how do I tune a guitar", (), {"guitar": 1}, "guitar", "s3://b/docs"),
    Query("d2", "which way does rain leave the roof", (), {"radio": 1, "roof": 2}, "roof", "s3://b/docs"),
]
GUARD = {
    "corpus.jsonl": '{"_id": "a", "text": "Paris is in France."}\n{"_id": "b", "text": "Owls hunt at night."}\n',
    "queries.jsonl": '{"_id": "1", "text": "when do owls hunt"}\n',
    "qrels/test.tsv": "1\tb\t1\n",
}

Evaluate = Callable[[str], tuple[Scores, Path, Path]]


@pytest.fixture(scope="module")
def inputs(tiny_model, tmp_path_factory) -> Path:
    """A folder with the artifacts that are compared, and what they are compared on."""
    folder = tmp_path_factory.mktemp("inputs")
    write_model(folder / "base", tiny_model, reference="base@1")
    write_model(folder / "candidate", tiny_model, reference="candidate@1")
    write_absence(folder / "none", reference="", problem="")
    write_absence(folder / "broken", reference="s3://b/models@1", problem="a file is missing")
    judged.write(folder / "permit", "permit", SEALED, {}, {})
    judged.write(folder / "judged", "judged", DEV, {}, {})
    found = [Passage(f"{d}-{n}", d, d, text, n, n + 1) for d, texts in TOPICS.items() for n, text in enumerate(texts)]
    with ArtifactWriter(folder / "passages", "passages") as out:
        out.table("passages", passages.PASSAGE_SCHEMA, passages.rows(found))
    return folder


@pytest.fixture
def run(inputs, place, tmp_path) -> Evaluate:
    """Evaluate with the champion at that path; the state is the test's own."""
    for name, body in GUARD.items():
        Folder(f"{place}/guard").write(name, body.encode())
    digest = snapshot.take(f"{place}/state", {"guard:facts": [Source(uri=f"{place}/guard")]}).digest

    def run(champion: str) -> tuple[Scores, Path, Path]:
        rest = (inputs / name for name in ("candidate", "permit", "judged", "passages"))
        out, shown = tmp_path / "scores", tmp_path / "examples"
        given = Inputs(inputs / "base", inputs / champion, *rest)
        return evaluate(f"{place}/state", digest, ["facts"], given, out, shown), out, shown

    return run


@pytest.fixture
def encoded(monkeypatch) -> list[str]:
    """Every text that any encoder encodes as a passage."""
    seen: list[str] = []
    real = Encoder.passages

    def spy(self, texts, unit="passages"):
        seen.extend(texts)
        return real(self, texts, unit)

    monkeypatch.setattr(Encoder, "passages", spy)
    return seen


def test_all_contenders_are_scored_on_the_same_queries(run):
    scores, out, _ = run("none")
    assert (scores.queries, scores.clusters, scores.slices) == (["s1", "s2"], ["bread", "garden"], [["baking"], []])
    assert (scores.documents, scores.passages, scores.champion_problem) == (5, 9, "")
    assert scores.values.keys() == {"base", "candidate", "bm25", "hybrid"}
    assert all(of.keys() == set(METRICS) for of in scores.values.values())
    every = np.array([values for of in scores.values.values() for values in of.values()])
    assert every.shape == (16, 2)
    assert ((every >= 0) & (every <= 1)).all()
    assert scores.values["base"]["recall@100"].tolist() == [1, 1], "the corpus is smaller than the depth"
    assert scores.values["bm25"]["mrr@10"].tolist() == [1, 1], "it shares a rare word with each query"
    assert scores.guards.keys() == {"facts"}
    assert scores.inputs.keys() == {"snapshot", "permit", "passages"}
    np.testing.assert_equal(vars(files.read(out)[0]), vars(scores))


def test_one_model_under_two_names_scores_the_same(inputs, run):
    scores, _, _ = run("none")
    base, candidate = scores.contenders["base"], scores.contenders["candidate"]
    assert (base.reference, candidate.reference) == ("base@1", "candidate@1")
    assert base.fingerprint == candidate.fingerprint == Model.open(inputs / "base").fingerprint
    np.testing.assert_equal(scores.values["candidate"], scores.values["base"])
    np.testing.assert_equal(scores.guards["facts"]["candidate"], scores.guards["facts"]["base"])


def test_passages_are_encoded_once_in_the_life_of_a_line(run, encoded):
    first, _, _ = run("none")
    corpus = [text for texts in TOPICS.values() for text in texts]
    guard = ["Paris is in France.", "Owls hunt at night."]
    assert Counter(encoded) == Counter([*corpus, *guard]), "base and candidate are one model"
    encoded.clear()
    second, _, _ = run("none")
    assert not encoded
    np.testing.assert_equal(vars(second), vars(first))


def test_examples_hold_dev_queries_and_no_sealed_one(run):
    _, _, folder = run("none")
    found = examples.read(folder)
    assert [one.query for one in found] == [query.text for query in DEV]
    assert all(1 <= one.base_rank == one.candidate_rank <= 5 for one in found)
    assert all(one.base_found == one.candidate_found in {texts[0] for texts in TOPICS.values()} for one in found)
    table = str(Artifact.open(folder, "examples").table("examples").to_pylist())
    assert not [query.text for query in SEALED if query.text in table]


def test_a_champion_is_scored_beside_them(run):
    scores, _, _ = run("base")
    assert list(scores.values) == ["base", "candidate", "champion", "bm25", "hybrid"]
    assert scores.contenders["champion"] == scores.contenders["base"]
    assert scores.guards["facts"].keys() == {"base", "candidate", "champion"}
    np.testing.assert_equal(scores.values["champion"], scores.values["base"])


def test_a_champion_that_cannot_be_read_is_told_apart_from_none(run):
    scores, out, _ = run("broken")
    assert "champion" not in scores.values.keys() | scores.contenders.keys()
    assert scores.champion_problem == files.read(out)[0].champion_problem == "a file is missing"

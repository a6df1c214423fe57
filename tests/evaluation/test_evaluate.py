"""The whole step on a small corpus with a real model."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from components.corpus import passages, snapshot
from components.corpus.config import Source
from components.corpus.passages import Passage
from components.evaluation import examples, files, parity
from components.evaluation.evaluate import Inputs, Outputs, evaluate, segments
from components.evaluation.scores import FUSED, Scores
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
    Query("s1", "how long is dough kneaded", ("baking",), {"bread": 2, "roof": 1}, "bread", "s3://b/docs", "bread", 2),
    Query("s2", "when do roses get cut", (), {"garden": 1}, "garden", "s3://b/docs", "rose", 0),
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

Evaluate = Callable[..., tuple[Scores, Path, Path]]


@pytest.fixture(scope="module")
def inputs(tiny_model, tmp_path_factory) -> Path:
    """A folder with the artifacts that are compared, and what they are compared on."""
    folder = tmp_path_factory.mktemp("inputs")
    write_model(folder / "base", tiny_model, reference="base@1")
    write_model(folder / "candidate", tiny_model, reference="candidate@1")
    write_model(folder / "other", _other(tiny_model, folder / "other.plain"), reference="other@1")
    write_absence(folder / "none", reference="", problem="")
    write_absence(folder / "broken", reference="s3://b/models@1", problem="a file is missing")
    judged.write(folder / "permit", "permit", SEALED, {}, {})
    judged.write(folder / "judged", "judged", DEV, {}, {})
    found = [Passage(f"{d}-{n}", d, d, text, n, n + 1) for d, texts in TOPICS.items() for n, text in enumerate(texts)]
    with ArtifactWriter(folder / "passages", "passages") as out:
        out.table("passages", passages.PASSAGE_SCHEMA, passages.rows(found))
    return folder


def _other(model: Path, folder: Path) -> Path:
    """The model with other weights, trained when the split had two segments."""
    shutil.copytree(model, folder)
    (weights,) = folder.glob("*.safetensors")
    rng = np.random.default_rng(1)
    found = {name: rng.permutation(one.ravel()).reshape(one.shape) for name, one in load_file(weights).items()}
    save_file(found, weights, metadata={"format": "pt"})
    (folder / "training.json").write_text('{"split_segments": 2}')
    return folder


@pytest.fixture
def run(inputs, place, tmp_path) -> Evaluate:
    """Evaluate with the champion at that path; the state is the test's own."""
    for name, body in GUARD.items():
        Folder(f"{place}/guard").write(name, body.encode())
    digest = snapshot.take(f"{place}/state", {"guard:facts": [Source(uri=f"{place}/guard")]}).digest

    def run(champion: str, candidate: str = "candidate") -> tuple[Scores, Path, Path]:
        rest = (inputs / name for name in (candidate, "permit", "judged", "passages"))
        out, shown = tmp_path / "scores", tmp_path / "examples"
        given = Inputs(inputs / "base", inputs / champion, *rest)
        made = Outputs(out, shown, tmp_path / "parity")
        return evaluate(f"{place}/state", digest, ["facts"], given, made), out, shown

    return run


@pytest.fixture
def encoded(monkeypatch) -> list[str]:
    """Every text that any encoder encodes as a passage, but for the candidate's rate and the parity texts."""
    seen: list[str] = []
    real = Encoder.passages

    def spy(self, texts, unit="passages"):
        seen.extend([] if unit in ("passages, timed", "parity texts") else texts)
        return real(self, texts, unit)

    monkeypatch.setattr(Encoder, "passages", spy)
    return seen


def test_all_contenders_are_scored_on_the_same_queries(run):
    scores, out, _ = run("none")
    assert (scores.queries, scores.clusters, scores.slices) == (["s1", "s2"], ["bread", "garden"], [["baking"], []])
    assert (scores.groups, scores.born) == (["bread", "rose"], [2, 0])
    assert (scores.documents, scores.passages, scores.champion_problem) == (5, 9, "")
    assert scores.values.keys() == {"base", "candidate", "bm25", "hybrid", "candidate hybrid"}
    assert all(of.keys() == set(METRICS) for of in scores.values.values())
    every = np.array([values for of in scores.values.values() for values in of.values()])
    assert every.shape == (20, 2)
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
    assert base.prompts == candidate.prompts == {"query": "", "document": ""}
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
    assert scores.values.keys() == {"base", "candidate", "champion", "bm25", *FUSED.values()}
    assert scores.contenders["champion"] == scores.contenders["base"]
    assert scores.guards["facts"].keys() == {"base", "candidate", "champion"}
    np.testing.assert_equal(scores.values["champion"], scores.values["base"])
    np.testing.assert_equal(scores.values["champion hybrid"], scores.values["hybrid"])


def test_a_champion_that_cannot_be_read_is_told_apart_from_none(run):
    scores, out, _ = run("broken")
    assert "champion" not in scores.values.keys() | scores.contenders.keys()
    assert scores.champion_problem == files.read(out)[0].champion_problem == "a file is missing"


def test_each_model_is_scored_fused_with_bm25_too(run):
    scores, _, _ = run("other", candidate="other")
    np.testing.assert_equal(scores.values["candidate hybrid"], scores.values["champion hybrid"])
    differing = [scores.values["hybrid"][one] != scores.values["candidate hybrid"][one] for one in METRICS]
    assert np.any(differing), "it is not the base's"
    assert [scores.contenders[name].segments for name in ("base", "champion", "candidate")] == [None, 2, 2]


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ('{"split_segments": 3}', 3),
        ('{"split_segments": null}', None),
        ('{"split_segments": true}', None),
        ('{"split_segments": -1}', None),
        ('{"split_segments": "3"}', None),
        ('{"steps": 3}', None),
        ("[3]", None),
        ("3", None),
        ("{", None),
    ],
)
def test_a_model_tells_the_segments_of_the_split_or_nothing(inputs, tmp_path, told, expected):
    (tmp_path / "training.json").write_text(told)
    assert segments(replace(Model.open(inputs / "base"), path=tmp_path)) == expected


def test_what_the_candidate_costs_and_changes_is_told_beside_the_examples(run):
    _, _, folder = run("base")
    facts = Artifact.open(folder, "examples").facts
    costs, (full,) = facts["costs"], facts["dimensions"]
    assert (costs["passages"], costs["tokens_counted"], costs["passages_timed"]) == (9, 9, 9)
    assert costs["bytes"] == 9 * 128 * 4
    assert costs["hours"] == pytest.approx(9 / costs["passages_per_second"] / 3600)
    assert (full["dimension"], full["bytes_per_million"], full["queries_timed"]) == (128, 512_000_000, 2)
    assert 0 < full["latency_p50"] <= full["latency_p95"]
    assert facts["churn"] == {"queries": 2, "changed": 0, "reordered": 0, "overlap": 1}, "one model"


def test_without_a_champion_nothing_changes(run):
    assert "churn" not in Artifact.open(run("none")[2], "examples").facts


def test_the_candidate_s_vectors_of_public_texts_stand_beside_the_scores(inputs, run, tmp_path):
    run("none", "other")
    candidate, found = Model.open(inputs / "other"), parity.read(tmp_path / "parity")
    assert found.fingerprint == candidate.fingerprint != Model.open(inputs / "base").fingerprint
    assert [one.text for one in found.queries] == list(parity.QUERIES)

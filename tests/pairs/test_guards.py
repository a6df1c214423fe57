"""Guards, read through a real snapshot."""

import json

import pytest

from components.corpus import snapshot
from components.corpus.config import Source
from components.pairs.guards import Guard
from components.retrieval.encoder import Encoder
from components.store.errors import UserError
from components.store.s3 import Folder
from components.training.dev import DevSet

CORPUS = [
    {"_id": "tap", "title": "Taps", "text": "A dripping tap needs a new washer.\u2028Close the water first."},
    {"_id": "roof", "title": None, "text": "Slates are nailed to battens."},
    {"_id": 7, "text": "Paint dries in a day."},
]
QUERIES = [{"_id": "1", "text": "how is a dripping tap mended"}, {"_id": "2", "text": "what holds slates"}]
QRELS = "query-id\tcorpus-id\tscore\n1\ttap\t1\n2\troof\t2\n2\t7\t1\n"


def lines(records: list[dict]) -> str:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def read(place: str, **files: str | bytes) -> Guard:
    """The guard in these files: `corpus`, `queries`, `qrels`."""
    given = {"corpus": lines(CORPUS), "queries": lines(QUERIES), "qrels": QRELS} | files
    names = {"corpus": "corpus.jsonl", "queries": "queries.jsonl", "qrels": "qrels/test.tsv"}
    Folder(f"{place}/guard").write("README.md", b"about")
    for name, body in given.items():
        if body:
            Folder(f"{place}/guard").write(names[name], body.encode() if isinstance(body, str) else body)
    digest = snapshot.take(f"{place}/state", {"guard:facts": [Source(uri=f"{place}/guard")]}).digest
    return Guard.read("facts", snapshot.read(f"{place}/state", digest, "guard:facts"))


def test_a_guard_is_a_corpus_with_judged_queries(place):
    guard = read(place)
    assert guard.index.documents == ["7", "roof", "tap"]
    assert guard.index.texts == [
        "Paint dries in a day.",
        "Slates are nailed to battens.",
        "Taps A dripping tap needs a new washer.\u2028Close the water first.",
    ]
    assert guard.queries == ["how is a dripping tap mended", "what holds slates"]
    assert guard.relevant == [{2: 1}, {0: 1, 1: 2}]


def test_a_guard_scores_each_of_its_queries(place, tiny_model):
    guard, encoder = read(place), Encoder.load(tiny_model)
    values = guard.score(encoder, encoder.passages(guard.index.texts))
    assert values.shape == (2,)
    assert ((values > 0) & (values <= 1)).all(), "three documents: all are among the ten best"


@pytest.mark.parametrize(
    ("files", "code", "message"),
    [
        ({"corpus": ""}, "BAD_GUARD", "guard facts has no corpus"),
        ({"corpus": lines(CORPUS) + "{"}, "BAD_GUARD", "corpus.jsonl line 4 is no BEIR document"),
        ({"corpus": '{"_id": "1"}'}, "BAD_GUARD", "corpus.jsonl line 1 is no BEIR document"),
        ({"corpus": '["1", "text"]'}, "BAD_GUARD", "corpus.jsonl line 1 is no BEIR document"),
        ({"corpus": b'{"_id": "1", "text": "caf\xe9"}'}, "BAD_GUARD", "corpus.jsonl line 1 is no BEIR document"),
        ({"qrels": ""}, "BAD_GUARD", "guard facts judges nothing"),
        ({"qrels": "1\tnowhere\t1\n"}, "BAD_GUARD", "guard facts judges nothing"),
        ({"queries": ""}, "BAD_JUDGED_QUERIES", "no judged queries"),
    ],
    ids=["no corpus", "no JSON", "no text", "no object", "no UTF-8", "no qrels", "no judged document", "no queries"],
)
def test_a_guard_that_cannot_be_used_is_refused(place, files, code, message):
    with pytest.raises(UserError) as caught:
        read(place, **files)
    assert caught.value.code == code
    assert message in str(caught.value)


def test_training_looks_at_a_quarter_that_the_gate_never_judges_by(place, tmp_path):
    asked = [{"_id": str(n), "text": f"question {n} about taps"} for n in range(400)]
    told = "query-id\tcorpus-id\tscore\n" + "".join(f"{n}\ttap\t1\n" for n in range(400))
    guard = read(place, queries=lines(asked), qrels=told)
    dev, sealed = set(guard.dev.queries), set(guard.sealed.queries)
    assert 70 < len(dev) < 130 and not dev & sealed and dev | sealed == set(guard.queries)
    guard.dev.write(tmp_path)
    again = DevSet.read(tmp_path / "judged", tmp_path / "passages", 1000)
    assert (again.queries, again.relevant, again.index.texts) == (
        guard.dev.queries,
        guard.dev.relevant,
        guard.index.texts,
    )


def test_a_small_guard_is_the_gates_alone(place):
    guard = read(place)
    assert (guard.dev.queries, guard.sealed.queries) == ([], guard.queries)

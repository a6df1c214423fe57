"""The leakage proof, measured on the texts that were written."""

import random

import numpy as np
import pytest

from components.corpus.document import Document, Parsed, Section
from components.pairs.coverage import COVERED
from components.pairs.judged import Query
from components.pairs.known import NONE, UNBORN, Known
from components.pairs.leakage import hidden
from components.pairs.pair import Pair
from components.pairs.proof import bands, compare, coverage, nearest

WORDS = [f"word{n}" for n in range(400)]
RNG = random.Random(4)
SEALED = [" ".join(RNG.choices(WORDS, k=60)) for _ in range(3)]
OWN = " ".join(RNG.choices(WORDS, k=60))


def document(name: str, text: str) -> Document:
    return Document.of(Parsed("", "", "", (Section((), text),), "text/plain"), uri=f"s3://b/{name}", version="1")


def pair(anchor: str, positive: str, name: str = "leak", negatives: tuple[str, ...] = ()) -> Pair:
    return Pair(anchor, positive, "questions", name, name, 0, 1, 1.0, negatives)


@pytest.mark.parametrize(
    ("leak", "found"),
    [
        (pair("what is asked", OWN), 0.0),
        (pair("what is asked", SEALED[1]), 1.0),
        (pair("what is asked", f"{OWN} {SEALED[1]}", name=""), 1.0),
        (pair(SEALED[1].upper(), OWN), 1.0),
        (pair("what is asked", OWN, negatives=(SEALED[1],)), 1.0),
        (pair("what is asked", f"{' '.join(SEALED[1].split()[:36])} {OWN}"), 0.5),
        (pair("what is asked", " ".join(SEALED[1].split()[20:50]), name=""), 1.0),
    ],
    ids=["nothing", "a positive", "a general pair", "an anchor", "a negative", "half of it", "all of a short text"],
)
def test_a_sealed_text_is_found_wherever_it_trains(leak, found):
    judging = [document(f"{n}", text) for n, text in enumerate(SEALED)]
    others = [pair("what else is asked", OWN, "train"), pair("and what more", OWN, "train")]
    shares, leaking = compare(judging, [*others, leak], {one.id: one.id for one in judging})
    assert [shares[one.id] for one in judging] == [0.0, pytest.approx(found, abs=0.02), 0.0]
    assert leaking == ({2} if found >= COVERED else set())


@pytest.mark.parametrize(
    ("relevant", "seen", "found"),
    [
        (["a"], [], 0.3),
        (["a", "b"], [], 0.6),
        (["a", "b"], ["c"], 0.6),
        (["a", "b"], ["a"], 1.0),
        (["c"], [], 0.0),
        (["b2"], [], 0.6),
    ],
    ids=["one", "the largest of two", "another one known", "one known as a whole", "nothing", "said of its group"],
)
def test_a_query_is_known_as_far_as_what_answers_it_is(relevant, seen, found):
    shares = {"a": 0.3, "b": 0.6, "b2": 0.0, "c": 0.0}
    asked = Query("q", "what is asked", (), dict.fromkeys(relevant, 1))
    groups = {"a": "a", "b": "b", "b2": "b", "c": "c"}
    assert coverage([asked], shares, groups, set(seen)) == {hidden("q"): found}


def test_shares_fall_into_bands():
    assert bands([0.0, 0.24, 0.25, 0.49, 0.5, 0.79, 0.8, 1.0]) == [2, 2, 2, 2]
    assert bands([]) == [0, 0, 0, 0]


def test_the_nearest_training_document_is_counted_by_its_similarity():
    rng = np.random.default_rng(1)
    sketches = rng.integers(0, 256, (5, 128), dtype=np.uint8)
    sketches[3, :64] = sketches[0, :64]
    sketches[4] = sketches[1]
    ids = rng.integers(0, 256, (5, 32), dtype=np.uint8)
    known = Known(ids, ids, sketches, np.full(5, NONE), np.full(5, UNBORN, np.int32))
    found = nearest(known, np.array([0, 1, 2]), np.array([False, False, False, True, True]))
    assert found == [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]
    assert sum(nearest(known, np.array([0]), np.zeros(5, bool))) == 1

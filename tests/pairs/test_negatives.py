"""Hard negatives against an oracle that looks at every passage, one at a time."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from components.corpus.passages import Passage
from components.pairs import nearest
from components.pairs.nearest import Asked, Pool, search
from components.pairs.negatives import Relevant, ceiling, choose, query_key, same
from components.pairs.pair import Pair
from components.retrieval.index import Index

WORDS = ["valve", "pump", "lamp", "saw"]
POSITIVE = "Turn the red valve to the left until it stops, then wait for an hour before you open it."


@dataclass(frozen=True)
class Case:
    """A small corpus with made vectors, and what is asked of it."""

    pool: Pool
    queries: np.ndarray
    asked: list[Asked]
    groups: dict[str, str]


def corpus(sizes: list[int], texts: list[str]) -> Index:
    """Documents d00, d01, ... with so many passages each."""
    owners = [f"d{n:02}" for n, size in enumerate(sizes) for _ in range(size)]
    return Index.of(
        [Passage("", owner, "", text, n, 0) for n, (owner, text) in enumerate(zip(owners, texts, strict=True))]
    )


def drawn(seed: int) -> Case:
    """Scores are products of small whole numbers, so that most are ties and all are exact."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, rng.integers(1, 25)).tolist()
    texts = [" ".join(rng.choice(WORDS, 3)) if n % 3 else f"passage {n}" for n in range(sum(sizes))]
    index = corpus(sizes, texts)
    groups = {name: f"g{rng.integers(len(sizes))}" for name in index.documents}
    vectors = rng.integers(-2, 3, (len(texts), 3)).astype(np.float32)
    count = int(rng.integers(1, 12))
    asked = [
        Asked(
            float(rng.integers(-4, 9)),
            int(rng.integers(-1, len(sizes))),
            sorted(set(rng.integers(0, len(sizes), rng.integers(0, 4)).tolist())),
        )
        for _ in range(count)
    ]
    return Case(Pool(index, vectors, groups), rng.integers(-2, 3, (count, 3)).astype(np.float32), asked, groups)


def naive(case: Case, row: int, depth: int, rank: int) -> tuple[list[int], bool]:
    """The passages wanted, and whether the document is among the best."""
    asked, scores = case.asked[row], [float(vector @ case.queries[row]) for vector in case.pool.vectors]
    owners = case.pool.owners.tolist()
    allowed = [i for i, score in enumerate(scores) if score < asked.ceiling and owners[i] not in asked.forbidden]
    best: dict[int, float] = {}
    for owner, score in zip(owners, scores, strict=True):
        best[owner] = max(score, best.get(owner, -np.inf))
    better = sum(score > best.get(asked.document, np.inf) for score in best.values())
    return sorted(allowed, key=lambda i: (-scores[i], i))[:depth], better < rank


@pytest.mark.parametrize("seed", range(50))
def test_the_search_is_the_naive_computation(monkeypatch, seed):
    monkeypatch.setattr(nearest, "FIRST_BLOCK", 1 + seed % 7)
    monkeypatch.setattr(nearest, "LARGEST_BLOCK", 1 + seed % 11)
    monkeypatch.setattr(nearest, "QUERIES_AT_ONCE", 1 + seed % 5)
    case, depth, rank = drawn(seed), 1 + seed % 13, 1 + seed % 4
    found = list(search(case.pool, case.queries, case.asked, depth, rank))
    assert [(one.passages, one.found) for one in found] == [
        naive(case, row, depth, rank) for row in range(len(case.asked))
    ]


@pytest.mark.parametrize("seed", range(50))
def test_a_negative_is_never_a_forbidden_one_and_always_the_best_of_the_others(seed):
    case = drawn(seed)
    index, owners, wanted = case.pool.index, case.pool.owners.tolist(), 1 + seed % 5
    near = search(case.pool, case.queries, case.asked, 1000, 1)
    for row, (asked, one) in enumerate(zip(case.asked, near, strict=True)):
        positive = index.texts[row % len(index.texts)]
        left = [index.texts[i] for i in naive(case, row, 1000, 1)[0]]
        expected: list[str] = []
        for text in left:
            if len(expected) < wanted and all(text != other for other in (positive, *expected)):
                expected.append(text)
        given = Pair("", positive, "", "", "", 0, 0)
        chosen = choose(given, one.passages, asked.forbidden, case.pool, wanted)
        assert list(chosen) == expected
        barred = [index.texts[i] for i, owner in enumerate(owners) if owner in asked.forbidden]
        assert not {text for text in chosen if text.startswith("passage")} & set(barred)


def test_rounding_does_not_put_a_document_behind_its_own_copies():
    rng = np.random.default_rng(1)
    vectors = np.repeat(rng.normal(size=(1, 384)).astype(np.float32), 64, axis=0)
    index = corpus([1] * 64, [str(n) for n in range(64)])
    queries = rng.normal(size=(64, 384)).astype(np.float32)
    vectors, queries = (made / np.linalg.norm(made, axis=1, keepdims=True) for made in (vectors, queries))
    pool = Pool(index, vectors, dict.fromkeys(index.documents, ""))
    found = search(pool, queries, [Asked(0.0, n, []) for n in range(64)], 1, 1)
    assert [one.found for one in found] == [True] * 64


@pytest.mark.parametrize(("positive", "expected"), [(0.8, 0.76), (0.0, 0.0), (-0.4, -0.42)])
def test_the_margin_is_a_part_of_what_the_positive_scores(positive, expected):
    assert ceiling(positive, 0.95) == pytest.approx(expected)


def changed(text: str, *places: int) -> str:
    """The text with other words in these places."""
    return " ".join("other" if n in places else word for n, word in enumerate(text.split()))


@pytest.mark.parametrize(
    ("text", "says_it"),
    [
        (POSITIVE, True),
        (f"Valves > Closing\nCLOSING\n{POSITIVE} Then close it. Oil it once a year, in spring or in autumn.", True),
        ("Turn the red valve to the left", True),
        ("until it stops", True),
        (changed(POSITIVE, 0), True),
        (changed(POSITIVE, 9), False),
        (" ".join(reversed(POSITIVE.split())), False),
        ("turn it until stops", False),
        ("the red valve to the right", False),
        ("unti", False),
        ("打开红色阀门之前请等待一小时", False),
    ],
    ids=[
        "the text",
        "a passage that holds it",
        "its beginning",
        "three of its words",
        "another first word of 19",
        "another word in the middle",
        "its words in another order",
        "four of its words",
        "another end of six words",
        "a part of a word",
        "Chinese",
    ],
)
def test_texts_say_the_same_when_one_stands_in_the_other(text, says_it):
    assert same(text, POSITIVE) == same(POSITIVE, text) == says_it


def test_scripts_without_spaces_are_compared_too():
    text = "打开红色阀门之前请等待一小时"
    assert same(f"注意事项。{text}。然后再关闭水泵。", f"{text}！")
    assert not same("打开红色阀门之后请检查所有水泵", text)


LONG = (
    "A saw is sharpened with a fine triangular file that is pushed through each gullet in turn.",
    "It is done twice a year, in spring and in autumn, by whoever has used it last.",
)


@pytest.fixture(scope="module")
def pool() -> Pool:
    """Four documents; the second and the third are near-duplicates."""
    texts = [POSITIVE, "Pumps hum.", "Saws cut wood.", "Saws cut wood quickly.", *LONG, "Lamps shine."]
    index = corpus([1, 2, 3, 1], texts)
    groups = dict(zip(index.documents, ("a", "b", "b", "c"), strict=True))
    return Pool(index, np.eye(7, dtype=np.float32), groups)


PAIR = Pair("close it", POSITIVE, "logs", "d00", "a", 0, 0)


def test_groups_stand_for_all_their_documents(pool):
    assert pool.members(["b"]) == [1, 2]
    assert pool.members({"c", "a"}) == [0, 3]
    assert pool.members(["unknown"]) == []


def test_what_says_the_same_is_chosen_once_and_the_positive_never(pool):
    assert choose(PAIR, range(7), [], pool, 9) == ("Pumps hum.", "Saws cut wood.", *LONG, "Lamps shine.")
    assert choose(PAIR, [3, 2, 6], [], pool, 1) == ("Saws cut wood quickly.",)
    assert choose(PAIR, range(7), [], pool, 0) == ()


@pytest.mark.parametrize(
    ("mined", "chosen"),
    [
        (["Pumps hum."], ["Pumps hum.", "Lamps shine."]),
        (["Pumps hum.", "Lamps shine.", "Pumps hum."], ["Pumps hum.", "Lamps shine."]),
        (["Saws cut wood", "Pumps hum."], ["Pumps hum.", "Lamps shine."]),
        (["Ropes are kept in the shed", POSITIVE], ["Ropes are kept in the shed", "Lamps shine."]),
        ([f"{LONG[0]} {LONG[1]}"], ["Lamps shine."]),
        ([f"{LONG[0]} {LONG[1]}", f"{LONG[0]} And ropes are kept in the shed."],
         [f"{LONG[0]} And ropes are kept in the shed.", "Lamps shine."]),
    ],
    ids=["first", "once", "not of a document that answers", "not the positive", "not over two of its passages",
         "if most of it stands elsewhere"],
)  # fmt: skip
def test_what_the_miner_found_comes_first_if_it_may_be_a_negative(pool, mined, chosen):
    assert choose(replace(PAIR, negatives=tuple(mined)), [6], [2], pool, 4) == tuple(chosen)


def test_every_answer_to_a_question_is_known_however_it_is_written():
    known = [(query_key("Close the VALVE?"), "d1"), (query_key("close the valve"), "d3"), (query_key("x"), "d2")]
    relevant = Relevant([*known, (query_key("close the valve"), "elsewhere")], {"d1": "b", "d2": "a", "d3": "c"})
    assert relevant.groups("close the valve") == {"b", "c"}
    assert relevant.groups("x") == {"a"}
    assert relevant.groups("close the valves") == set()
    assert Relevant([], {}).groups("x") == set()

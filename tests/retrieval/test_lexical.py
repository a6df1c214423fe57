"""BM25 over real sentences."""

import pytest

from components.corpus.passages import Passage
from components.retrieval.index import Index
from components.retrieval.lexical import Words
from components.retrieval.metrics import measure

TEXTS = {
    "bread": ["Knead the dough for ten minutes.", "Bake the loaf until the crust is brown."],
    "garden": ["Water the tomatoes in the evening.", "Cut the roses in March."],
    "guitar": ["Tune the lowest string to E.", "A capo shortens every string; the xenophone has none."],
    "radio": ["Pull out the antenna and turn the dial."],
}


@pytest.fixture(scope="module")
def index() -> Index:
    return Index.of(
        [Passage("", name, "", text, n, 0) for name, texts in TEXTS.items() for n, text in enumerate(texts)]
    )


@pytest.mark.parametrize(
    ("query", "first"),
    [("xenophone", "guitar"), ("who waters tomatoes", "garden"), ("baking crusts", "bread"), ("the Antenna?", "radio")],
)
def test_a_rare_word_is_found_first(index, query, first):
    found = Words(index).search([query], depth=3)
    assert index.documents[found.documents[0, 0]] == first
    assert found.documents.shape == (1, 3)


@pytest.mark.parametrize("query", ["qwertz zxcvb", "the of and", "", "?!"])
def test_a_query_of_unknown_words_finds_nothing(index, query):
    found = Words(index).search([query, "tomatoes"])
    assert set(found.documents[0].tolist()) == {-1}
    values = measure(found, [{0: 1, 1: 1, 2: 1, 3: 1}, {1: 1}])
    assert values["recall@100"].tolist() == [0, 1]


def test_documents_without_a_word_of_the_query_are_not_found(index):
    found = Words(index).search(["string"])
    assert [index.documents[d] for d in found.documents[0] if d >= 0] == ["guitar"]


VALVES = {"a": ["red valve", "blue pump"], "b": ["valves and valves and valves", "grey saw"], "c": ["red red lamp"]}


@pytest.fixture(scope="module")
def by_words() -> Words:
    passages = [Passage("", name, "", text, n, 0) for name, texts in VALVES.items() for n, text in enumerate(texts)]
    return Words(Index.of(passages))


@pytest.mark.parametrize(
    ("anchor", "document", "count", "found"),
    [
        ("closing the valves", "b", 1, True),
        ("closing the valves", "a", 1, False),
        ("closing the valve", "a", 2, True),
        ("closing the valves", "c", 3, False),
        ("a grey saw", "b", 1, True),
        ("zebra", "a", 3, False),
        ("", "a", 3, False),
    ],
)
def test_words_find_a_document_by_its_best_passage(by_words, anchor, document, count, found):
    assert by_words.finds(anchor, sorted(VALVES).index(document), count) == found

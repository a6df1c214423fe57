"""BM25 over real sentences."""

import pytest

from components.corpus.passages import Passage
from components.retrieval import lexical
from components.retrieval.index import Index
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
    found = lexical.search(index, [query], depth=3)
    assert index.documents[found.documents[0, 0]] == first
    assert found.documents.shape == (1, 3)


@pytest.mark.parametrize("query", ["qwertz zxcvb", "the of and", "", "?!"])
def test_a_query_of_unknown_words_finds_nothing(index, query):
    found = lexical.search(index, [query, "tomatoes"])
    assert set(found.documents[0].tolist()) == {-1}
    values = measure(found, [{0: 1, 1: 1, 2: 1, 3: 1}, {1: 1}])
    assert values["recall@100"].tolist() == [0, 1]


def test_documents_without_a_word_of_the_query_are_not_found(index):
    found = lexical.search(index, ["string"])
    assert [index.documents[d] for d in found.documents[0] if d >= 0] == ["guitar"]

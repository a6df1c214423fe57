"""Near-duplicates: what shares a group, and what does not."""

import random

import numpy as np
import pytest

from components.corpus.document import Document, Parsed, Section
from components.corpus.duplicates import groups, signature


def signed(*texts: str) -> np.ndarray:
    made = (Parsed("", "", "", (Section((), text),)) for text in texts)
    documents = [Document.of(one, uri="s3://b/x", version="1", media_type="text/plain") for one in made]
    return np.array([signature(document) for document in documents], dtype=np.uint32)


def words(rng: random.Random, count: int) -> list[str]:
    return ["".join(rng.choices("abcdefghij", k=5)) for _ in range(count)]


def test_one_changed_word_in_a_hundred_keeps_the_group_and_unrelated_texts_do_not_share_one():
    rng = random.Random(11)
    texts = [words(rng, 100) for _ in range(150)]
    edited = [list(text) for text in texts]
    for text in edited:
        text[rng.randrange(100)] = "changed"
    found = groups(signed(*(" ".join(text) for text in [*texts, *edited]))).tolist()
    assert found[:150] == found[150:]
    assert len(set(found)) == 150


def test_strangers_between_two_copies_do_not_part_them():
    rng = np.random.default_rng(5)
    one = rng.integers(0, 2**32, 128, dtype=np.uint32)
    copy, strangers = one.copy(), [one.copy() for _ in range(20)]
    copy[104:] = rng.integers(0, 2**32, 24, dtype=np.uint32)
    for stranger in strangers:
        stranger[52:] = rng.integers(0, 2**32, 76, dtype=np.uint32)
    found = groups(np.array([one, *strangers, copy])).tolist()
    assert found[0] == found[-1], "they agree in .81"
    assert len(set(found)) == 21


def test_pages_of_one_template_stay_apart_while_their_near_copies_are_found():
    rng = random.Random(12)
    template = words(rng, 70)
    pages = [template + words(rng, 30) for _ in range(300)]
    copies = [[*page[:-1], "changed"] for page in pages[::30]]
    found = groups(signed(*(" ".join(page) for page in [*pages, *copies]))).tolist()
    assert found[:300:30] == found[300:]
    assert len(set(found)) == 300


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        (["Turn the valve, left!"], 1),
        (["Turn the valve, left!", "turn THE valve left"], 1),
        (["one", "two"], 2),
        (["", "!"], 1),
        (["", "one"], 2),
    ],
    ids=["alone", "case and punctuation", "single words", "no words", "none and one"],
)
def test_short_texts_have_groups_too(texts, found):
    assert len(set(groups(signed(*texts)).tolist())) == found

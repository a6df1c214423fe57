"""Near-duplicates: what shares a group, and what does not."""

import random
from pathlib import Path

import numpy as np
import pytest

from components.corpus.document import Document, Parsed, Section
from components.corpus.duplicates import BUCKET, Signatures, signature, sketches


def signed(*texts: str) -> np.ndarray:
    made = (Parsed("", "", "", (Section((), text),), "text/plain") for text in texts)
    documents = [Document.of(one, uri="s3://b/x", version="1") for one in made]
    return sketches(np.array([np.frombuffer(signature(document), np.uint8) for document in documents]))


def words(rng: random.Random, count: int) -> list[str]:
    return ["".join(rng.choices("abcdefghij", k=5)) for _ in range(count)]


def grouped(made: np.ndarray, folder: Path) -> list[int]:
    found = Signatures(len(made), folder)
    for part in np.array_split(made, 3):
        found.add(part)
    return found.groups().tolist()


def test_one_changed_word_in_a_hundred_keeps_the_group_and_unrelated_texts_do_not_share_one(tmp_path):
    rng = random.Random(11)
    texts = [words(rng, 100) for _ in range(150)]
    edited = [list(text) for text in texts]
    for text in edited:
        text[rng.randrange(100)] = "changed"
    found = grouped(signed(*(" ".join(text) for text in [*texts, *edited])), tmp_path)
    assert found[:150] == found[150:]
    assert len(set(found)) == 150


def test_strangers_between_two_copies_do_not_part_them(tmp_path):
    rng = np.random.default_rng(5)
    one = rng.integers(0, 256, 128, dtype=np.uint8)
    copy, strangers = one.copy(), [one.copy() for _ in range(20)]
    copy[104:] = rng.integers(0, 256, 24, dtype=np.uint8)
    for stranger in strangers:
        stranger[52:] = rng.integers(0, 256, 76, dtype=np.uint8)
    found = grouped(np.array([one, *strangers, copy]), tmp_path)
    assert found[0] == found[-1], "they agree in .81"
    assert len(set(found)) == 21


def test_pages_of_one_template_stay_apart_while_their_near_copies_are_found(tmp_path):
    rng = random.Random(12)
    template = words(rng, 70)
    pages = [template + words(rng, 30) for _ in range(300)]
    copies = [[*page[:-1], "changed"] for page in pages[::30]]
    found = grouped(signed(*(" ".join(page) for page in [*pages, *copies])), tmp_path)
    assert found[:300:30] == found[300:]
    assert len(set(found)) == 300


@pytest.mark.parametrize("size", [2, BUCKET, BUCKET + 1, 500])
def test_every_member_of_a_crowd_of_equals_is_found(tmp_path, size):
    rng = np.random.default_rng(6)
    equal, other = rng.integers(0, 256, (2, 128), dtype=np.uint8)
    found = grouped(np.array([*[equal] * size, other]), tmp_path)
    assert len(set(found[:-1])) == 1
    assert found[-1] != found[0]


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
def test_short_texts_have_groups_too(tmp_path, texts, found):
    assert len(set(grouped(signed(*texts), tmp_path))) == found


def test_no_documents_have_no_groups(tmp_path):
    assert Signatures(0, tmp_path).groups().tolist() == []

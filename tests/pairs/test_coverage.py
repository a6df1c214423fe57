"""Passages that stand in other documents too, against a slow and plain count."""

import random
import re
from pathlib import Path

import numpy as np
import pytest

from components.pairs.coverage import COMMON, COVERED, FLOOR, Coverage
from components.pairs.ngrams import N, batch

WORDS = [f"word{n}" for n in range(500)]


def told(texts: list[list[str]], folder: Path, groups: list[int] | None = None) -> dict[tuple[int, int], float]:
    """Text and other text -> share."""
    folder.mkdir(exist_ok=True)
    coverage = Coverage(folder)
    for part in np.array_split(np.arange(len(texts)), 2):
        coverage.add([texts[i] for i in part])
    found = coverage.matches(np.array(groups if groups is not None else range(len(texts)), np.int64))
    return {(a, b): share for a, b, share in zip(*(column.tolist() for column in found), strict=True)}


def some(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(WORDS, k=count))


def counted(texts: list[list[str]]) -> dict[tuple[int, int], float]:
    """The same for sections of 32 to 99 words, each a window, by sets of tuples."""
    runs = [[_runs(section) for section in text] for text in texts]
    held = [set().union(*text) for text in runs]
    found: dict[tuple[int, int], float] = {}
    for one, text in enumerate(runs):
        for section in text:
            kept = [run for run in section if sum(run in other for other in held) <= COMMON]
            for other in range(len(texts)):
                share = sum(run in held[other] for run in kept) / max(1, len(kept))
                if other != one and share >= FLOOR:
                    found[one, other] = max(share, found.get((one, other), 0.0))
    return found


def _runs(section: str) -> list[tuple[str, ...]]:
    words = re.findall(r"\w+", section.casefold())
    return [tuple(words[i : i + N]) for i in range(len(words) - N + 1)]


@pytest.mark.parametrize("seed", range(20))
def test_shares_are_those_of_a_plain_count(tmp_path, seed):
    rng = random.Random(seed)
    known = [some(rng, rng.randint(14, 60)) for _ in range(4)]
    texts = []
    for _ in range(12):
        sections = [f"{rng.choice([*known, ''])} {some(rng, rng.randint(32, 38))}" for _ in range(rng.randint(1, 3))]
        texts.append([re.sub(" ", rng.choice([" ", ", ", "\n"]), section).title() for section in sections])
    assert told(texts, tmp_path) == pytest.approx(counted(texts))


def test_a_paragraph_that_was_copied_is_found_whatever_stands_around_it(tmp_path):
    rng = random.Random(1)
    paragraph, long = some(rng, 40), some(rng, 900)
    texts = [[some(rng, 300), paragraph, some(rng, 80)], [paragraph], [long], [some(rng, 50), long[:4000]]]
    found = told(texts, tmp_path)
    assert {pair for pair, share in found.items() if share >= COVERED} == {(0, 1), (1, 0), (2, 3), (3, 2)}


@pytest.mark.parametrize(("copies", "matched"), [(COMMON, True), (COMMON + 1, False)])
def test_what_stands_in_many_documents_is_boilerplate(tmp_path, copies, matched):
    rng = random.Random(2)
    notice = some(rng, 60)
    assert bool(told([[some(rng, 60), notice] for _ in range(copies)], tmp_path)) is matched


def test_ten_versions_of_a_page_do_not_make_its_words_boilerplate(tmp_path):
    rng = random.Random(3)
    page = some(rng, 90)
    texts = [*([page] for _ in range(10)), [some(rng, 90), page]]
    assert told(texts, tmp_path / "alone") == {}
    (tmp_path / "x").mkdir()
    assert told(texts, tmp_path / "x", [0] * 10 + [10]) == {**{(n, 10): 1.0 for n in range(10)}, (10, 0): 1.0}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Straße " * 3 + "ÄÖÜ über naïve façade coöperate résumé piñata jalapeño Ångström señor kind", None),
        ("犬が庭で遊んでいるのを見たことがありますか。猫はどうでしょう", None),
        ("एक दो तीन चार पाँच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह", None),
        ("α β γ δ ε ζ η θ ι κ λ μ ν ξ", "Α Β Γ Δ Ε Ζ Η Θ Ι Κ Λ Μ Ν Ξ"),
    ],
    ids=["accents", "no spaces", "vowel signs", "case"],
)
def test_every_script_has_words(one, other):
    found = batch([[one], [other or one]])
    half = len(found.hashes) // 2
    assert half > 0
    assert found.hashes[:half].tolist() == found.hashes[half:].tolist()
    assert len(set(found.hashes.tolist())) == half


def test_the_order_of_words_and_of_letters_counts():
    words = [f"tool{n}" for n in range(N)]
    texts = [words, [*words[1:], words[0]], [words[0][::-1], *words[1:]], [word.upper() for word in words]]
    found = batch([[" ".join(text)] for text in texts]).hashes.tolist()
    assert len(set(found)) == 3
    assert found[0] == found[3]


@pytest.mark.parametrize("texts", [[], [[]], [[""], ["one two"]], [["\n"], []]])
def test_texts_without_thirteen_words_have_no_runs(tmp_path, texts):
    assert told(texts, tmp_path) == {}

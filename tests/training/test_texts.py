"""The pairs as the trainer reads them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from components.pairs.pair import PAIR_SCHEMA, Pair
from components.store.artifact import Artifact, ArtifactWriter
from components.store.errors import UserError
from components.training import guide, texts
from components.training.collate import Collator
from components.training.config import TrainingConfig
from components.training.planner import plan
from components.training.texts import Texts
from components.training.trainer import loaded

Q, D = 1, 2


def spoken(found: list[str], role: str) -> list[list[int]]:
    """A tokenizer: the role, then the letters."""
    return [[Q if role == "query" else D, *map(ord, text)] for text in found]


def written(folder: Path, pairs: list[Pair]) -> Texts:
    with ArtifactWriter(folder / "pairs", "pairs") as out:
        out.table("pairs", PAIR_SCHEMA, (pair.row() for pair in pairs))
    return texts.write(folder / "texts", Artifact.open(folder / "pairs", "pairs"), spoken)


def read(found: Texts) -> list[list[str]]:
    """Every row as text."""
    return [["".join(map(chr, found.text(number)[1:])) for number in row] for row in found.rows.tolist()]


def pair(number: int, *negatives: str, weight: float = 1.0) -> Pair:
    return Pair(f"a{number}", f"p{number}", "headings", "d", "d", 0, 1, weight, negatives)


def test_every_row_has_as_many_negatives_as_the_one_with_most(tmp_path):
    pairs = [pair(0, "x", "y", "z"), pair(1, "u"), pair(2), *(pair(n, "v") for n in range(3, 9))]
    found = written(tmp_path, pairs)
    rows = [row[2:] for row in read(found)]
    assert found.negatives == 3
    assert rows[:2] == [["x", "y", "z"], ["u", "u", "u"]]
    assert set(rows[2]) < {f"p{n}" for n in range(9)} - {"p2"}


def test_without_negatives_there_are_two_columns(tmp_path):
    found = written(tmp_path, [pair(0), pair(1)])
    assert (read(found), found.negatives) == ([["a0", "p0"], ["a1", "p1"]], 0)


@pytest.mark.parametrize(
    "pairs",
    [[], [pair(0)], [pair(0)] * 60, [replace(pair(n), positive="the same") for n in range(60)]],
    ids=["no pair", "one pair", "one pair often", "one answer to all"],
)
def test_texts_without_two_pairs_to_tell_apart_are_refused(tmp_path, pairs):
    with pytest.raises(UserError) as raised:
        plan(TrainingConfig(), loaded(written(tmp_path, pairs)), 1)
    assert raised.value.code == "TOO_FEW_PAIRS"


def test_a_weight_says_how_often_a_row_comes(tmp_path):
    found = [
        row[0] for row in read(written(tmp_path, [pair(n, weight=(0.0, 1.0, 2.0, 1.5)[n % 4]) for n in range(800)]))
    ]
    often = [found.count(f"a{n}") for n in range(800)]
    assert (set(often[0::4]), set(often[1::4]), set(often[2::4]), set(often[3::4])) == ({0}, {1}, {2}, {1, 2})
    assert 260 < sum(often[3::4]) < 340


def test_a_text_is_tokenized_once_for_each_role(tmp_path):
    words = ["same", "same", "same"]
    found = written(tmp_path, [Pair("same", "other", "headings", "d", "d", 0, 1, 1.0, ("same",)) for _ in words])
    assert (len(found), found.distinct) == (3, 1)
    assert [found.text(number)[0] for number in found.rows[0].tolist()] == [Q, D, D]


def test_a_batch_has_its_longest_text_first_and_says_where_each_belongs(tmp_path):
    found = written(tmp_path, [pair(1), Pair("long one", "p", "headings", "d", "d", 0, 1), pair(3)])
    batch = Collator(found, padding=0)([dict(enumerate(row)) for row in found.rows.tolist()])
    lengths = batch["texts_attention_mask"].sum(dim=1)
    assert lengths.tolist() == sorted(lengths.tolist(), reverse=True)
    in_order = batch["texts_input_ids"][batch["texts_order"]]
    told = [bytes(row[1:][row[1:] > 0].tolist()).decode() for row in in_order]
    assert told == ["a1", "long one", "a3", "p1", "p", "p3"], "column by column"


def test_the_guide_is_the_base_and_asked_the_same_way_by_any_number_of_processes(tiny_model, tmp_path):
    model = SentenceTransformer(str(tiny_model), device="cpu")
    lines = [f"operation {n} creates a bucket " * (1 + n % 3) for n in range(90)]
    with ArtifactWriter(tmp_path / "pairs", "pairs") as out:
        out.table("pairs", PAIR_SCHEMA, (Pair(one, f"about {one}", "headings", "d", "d", 0, 1).row() for one in lines))
    tokenize = lambda some, role: model.tokenizer(some)["input_ids"]  # noqa: E731
    found = texts.write(tmp_path / "texts", Artifact.open(tmp_path / "pairs", "pairs"), tokenize)
    for parts in (1, 3):
        guide.create(tmp_path / f"{parts}.npy", found, 128)
        for part in range(parts):
            guide.write(tmp_path / f"{parts}.npy", found, model, part=part, parts=parts, padding=0)
    numbers = torch.from_numpy(found.rows[:, 0].astype(np.int64))
    vectors = guide.Guide(tmp_path / "1.npy").vectors(numbers)
    assert torch.equal(vectors, guide.Guide(tmp_path / "3.npy").vectors(numbers))
    expected = torch.from_numpy(model.encode(lines, normalize_embeddings=True))
    assert (vectors * expected).sum(dim=1).min() > 0.999

"""The pairs as the trainer reads them."""

from __future__ import annotations

from pathlib import Path

from components.pairs.pair import PAIR_SCHEMA, Pair
from components.store.artifact import Artifact, ArtifactWriter
from components.training.data import read


def columns(folder: Path, pairs: list[Pair]) -> tuple[dict[str, list[str]], int]:
    with ArtifactWriter(folder / "pairs", "pairs") as out:
        out.table("pairs", PAIR_SCHEMA, (pair.row() for pair in pairs))
    table, width = read(Artifact.open(folder / "pairs", "pairs"))
    return table.to_dict(), width


def pair(number: int, *negatives: str, weight: float = 1.0) -> Pair:
    return Pair(f"a{number}", f"p{number}", "headings", "d", "d", 0, 1, weight, negatives)


def test_every_row_has_as_many_negatives_as_the_one_with_most(tmp_path):
    found, width = columns(
        tmp_path, [pair(0, "x", "y", "z"), pair(1, "u"), pair(2), *(pair(n, "v") for n in range(3, 9))]
    )
    assert width == 3
    rows = list(zip(*(found[f"negative_{n}"] for n in (1, 2, 3)), strict=True))
    assert rows[:2] == [("x", "y", "z"), ("u", "u", "u")]
    assert set(rows[2]) < {f"p{n}" for n in range(9)} - {"p2"}


def test_without_negatives_there_are_two_columns(tmp_path):
    found, width = columns(tmp_path, [pair(0), pair(1)])
    assert (found, width) == ({"anchor": ["a0", "a1"], "positive": ["p0", "p1"]}, 0)


def test_a_weight_says_how_often_a_row_comes(tmp_path):
    found, _ = columns(tmp_path, [pair(n, weight=(0.0, 1.0, 2.0, 1.5)[n % 4]) for n in range(800)])
    often = [found["anchor"].count(f"a{n}") for n in range(800)]
    assert (set(often[0::4]), set(often[1::4]), set(often[2::4]), set(often[3::4])) == ({0}, {1}, {2}, {1, 2})
    assert 260 < sum(often[3::4]) < 340

"""Promoters that race for a real store, and the check of their record, which must find what is planted in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.store.s3_models import S3Models
from tests.gate.cases import small_model
from tests.hub.races import RACERS, Operation, check, race

ROUNDS = 12


def test_of_eight_promoters_each_round_has_one_winner_and_the_record_is_one_register_s(
    place: str, tmp_path: Path
) -> None:
    folder = small_model(tmp_path, "one").path
    (folder / "manifest.json").unlink()
    operations, wrong = race(lambda: S3Models(place), folder, ROUNDS)
    history = [one.id for one in S3Models(place).history()][::-1]
    assert not wrong and len(history) == ROUNDS
    assert not check(operations, history)
    assert sum(one.kind == "moved" for one in operations) == ROUNDS
    assert sum(one.kind == "read" for one in operations) > ROUNDS * RACERS


def moved(identity: str, previous: str, begin: float, end: float) -> Operation:
    return Operation("moved", identity, previous, begin, end)


def read(identity: str, begin: float, end: float) -> Operation:
    return Operation("read", identity, "", begin, end)


RIGHT = [read("", 0, 1), moved("a", "", 1, 3), read("a", 2, 4), moved("b", "a", 5, 8), read("a", 6, 7), read("b", 9, 9)]
"""The last read of `a` overlaps the move to `b`: it may come before it."""
PLANTED = {
    "a lost update": (RIGHT, ["a"]),
    "two from one head": ([*RIGHT, moved("c", "a", 6, 9)], ["a", "b", "c"]),
    "a refusal that was none": ([*RIGHT, Operation("lost", "c", "b", 9, 10)], ["a", "b", "c"]),
    "an old head after a newer one": ([*RIGHT, read("a", 10, 11)], ["a", "b"]),
    "a head from nowhere": ([*RIGHT, read("z", 10, 11)], ["a", "b"]),
    "a head before its time": ([*RIGHT, read("b", 3, 4)], ["a", "b"]),
    "the same promotion twice": (RIGHT, ["a", "b", "a"]),
}


def test_a_record_that_a_register_could_have_left_is_right() -> None:
    assert not check(RIGHT, ["a", "b"])
    unanswered = Operation("open", "c", "b", 9, 12)
    assert not check([*RIGHT, unanswered], ["a", "b"]) and not check([*RIGHT, unanswered], ["a", "b", "c"])


@pytest.mark.parametrize("case", PLANTED)
def test_a_record_that_no_register_could_have_left_is_wrong(case: str) -> None:
    operations, history = PLANTED[case]
    assert check(operations, history)

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from components.gate.config import GateConfig
from components.gate.ledger import charge, retire, verify
from components.gate.verdict import Look
from components.store.errors import TouchstoneError
from components.store.state import State

Entries = list[dict[str, Any]]


def look(place: str, candidate: str = "a", champion: str = "", day: str = "2026-05-01", looks: int = 3) -> Look:
    known = {"candidate": candidate, "champion": champion, "sealed": "s" * 64}
    return charge(State(place), **known, run=f"run-{candidate}", day=day, config=GateConfig(looks=looks))


def test_a_look_is_charged_once_for_candidate_champion_and_test(place: str) -> None:
    first = look(place)
    assert (first.number, first.left, first.year, first.ledger_length) == (1, 2, 2026, 1)
    assert look(place, champion="x").number == 2, "another champion is another question"
    assert look(place, candidate="b").number == 3
    assert look(place, day="2026-12-31") == first, "a retry costs nothing, even when nothing is left"
    assert len(State(place).get("ledger.json")) == 3


def test_the_same_test_asked_again_with_softer_rules_is_another_look(place: str) -> None:
    known = {"candidate": "a", "champion": "", "sealed": "s" * 64, "run": "run", "day": "2026-05-01"}
    for number, config in enumerate((GateConfig(), GateConfig(min_gain=0.001), GateConfig(guard_margin=0.1)), start=1):
        assert charge(State(place), **known, config=config).number == number


def test_a_recipe_changed_in_the_middle_of_a_year_cannot_spend_more_than_the_budget(place: str) -> None:
    for candidate in "ab":
        look(place, candidate, looks=4)
    first = look(place, "c", looks=8)
    assert (first.number, first.alpha, first.left) == (3, 0.05 / 8, 3), "half of the budget was left: four eighths"
    for candidate in "def":
        look(place, candidate, looks=8)
    with pytest.raises(TouchstoneError, match="are used"):
        look(place, "g", looks=8)
    assert look(place, "a", looks=8).alpha == 0.05 / 4, "a retry is tested at the level it was charged at"


def test_a_year_s_looks_run_out_and_the_next_year_has_its_own(place: str) -> None:
    for candidate in "ab":
        look(place, candidate, looks=2)
    with pytest.raises(TouchstoneError) as found:
        look(place, "c", looks=2)
    assert found.value.code == "LOOKS_EXHAUSTED"
    assert len(State(place).get("ledger.json")) == 2, "a refused look is not written"
    fresh = look(place, "c", day="2027-01-01", looks=2)
    assert (fresh.number, fresh.left, fresh.year, fresh.ledger_length) == (1, 1, 2027, 3)
    assert look(place, "a", day="2027-01-02", looks=2).year == 2026, "a retry stays the look of its year"


def changed(entries: Entries, position: int, **fields: Any) -> Entries:
    return [entry | (fields if i == position else {}) for i, entry in enumerate(entries)]


BREAKS: dict[str, tuple[Callable[[Entries], Any], int]] = {
    "a field changed": (lambda e: changed(e, 1, day="2025-01-01"), 2),
    "a hash changed": (lambda e: changed(e, 2, hash="0" * 64), 3),
    "a hash missing": (lambda e: changed(e, 2, hash=None), 3),
    "the first taken out": (lambda e: e[1:], 1),
    "one taken out of the middle": (lambda e: [e[0], *e[2:]], 2),
    "two swapped": (lambda e: [e[0], e[2], e[1], e[3]], 2),
    "one twice": (lambda e: [e[0], e[0], *e[1:]], 2),
    "a record that is none": (lambda e: [e[0], "x", *e[1:]], 2),
    "another document": (lambda e: {}, 1),
    "an empty text": (lambda e: "", 1),
}


@pytest.mark.parametrize("case", BREAKS)
def test_a_changed_ledger_is_named_by_record_and_charges_nothing(place: str, case: str) -> None:
    change, record = BREAKS[case]
    for candidate in "abcd":
        look(place, candidate, looks=9)
    broken = change(State(place).get("ledger.json"))
    State(place).put("ledger.json", broken)
    with pytest.raises(TouchstoneError, match=f"record {record} of the ledger") as found:
        look(place, "e", looks=9)
    assert found.value.code == "LEDGER_BROKEN"
    assert State(place).get("ledger.json") == broken


def test_a_ledger_that_is_no_json_charges_nothing(place: str) -> None:
    State(place).folder.write("ledger.json", b'[{"key"')
    with pytest.raises(TouchstoneError, match="no JSON"):
        look(place)


def test_of_eight_runs_racing_for_the_last_look_one_gets_it(place: str) -> None:
    look(place, "first", looks=2)

    def race(number: int) -> Look | str:
        try:
            return look(place, f"racer {number}", looks=2)
        except TouchstoneError as error:
            return error.code

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(race, range(8)))
    assert sorted(known for known in found if isinstance(known, str)) == ["LOOKS_EXHAUSTED"] * 7
    assert [known.number for known in found if isinstance(known, Look)] == [2]
    assert len(verify(State(place).get("ledger.json"))) == 2


def test_the_same_look_taken_by_eight_at_once_is_charged_once(place: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: look(place), range(8)))
    assert len({json.dumps(known.model_dump()) for known in found}) == 1
    assert len(State(place).get("ledger.json")) == 1


def test_retired_queries_are_recorded_once_and_cost_no_look(place: str) -> None:
    state = State(place)
    look(place)
    for queries in (["b", "a"], ["a", "b"], ["a", "b", "c"]):
        retire(state, queries=queries, run="r", day="2026-05-02")
    entries = verify(state.get("ledger.json"))
    assert [entry.get("retired") for entry in entries] == [None, ["a", "b"], ["c"]]
    second = look(place, candidate="b")
    assert (second.number, second.left, second.ledger_length) == (2, 1, 4)

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from components.gate.chain import Entries, Mark, appended, promotions, verify
from components.gate.config import GateConfig
from components.gate.ledger import afford, charge, check, retire, turn, unused
from components.gate.verdict import Look
from components.store.errors import TouchstoneError
from components.store.state import State
from tests.store.pointer import move, promotion

SEALED = "s" * 64


def look(
    place: str,
    candidate: str = "a",
    champion: str = "",
    day: str = "2026-05-01",
    looks: int = 3,
    sealed: str = SEALED,
) -> Look:
    known = {"candidate": candidate, "champion": champion, "sealed": sealed}
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


def whole(entries: Entries) -> Entries:
    """The same records, chained anew."""
    made: Entries = []
    for entry in entries:
        made = appended(made, {name: value for name, value in entry.items() if name not in ("before", "hash")})
    return made


REPLACED: dict[str, tuple[Callable[[Entries], Any], str]] = {
    "cut off": (lambda e: e[:-1], "record 4 of the ledger is missing; run-d names it"),
    "emptied": (lambda e: [], "record 1 of the ledger is missing; run-d names it"),
    "chained anew after a change": (lambda e: whole(changed(e, 1, day="2025-01-01")), "record 4 .* was changed; run-d"),
    "chained anew without one": (lambda e: whole(e[1:]), "record 4 of the ledger is missing"),
    "another one, and longer": (lambda e: whole([*e[::-1], *e]), "record 4 .* was changed"),
}


@pytest.mark.parametrize("case", REPLACED)
def test_a_chain_that_is_whole_and_not_the_one_that_was_is_named_and_charges_nothing(place: str, case: str) -> None:
    change, message = REPLACED[case]
    for candidate in "abcd":
        look(place, candidate, looks=9)
    other = change(State(place).get("ledger.json"))
    verify(other)
    State(place).put("ledger.json", other)
    for use in (lambda: look(place, "e", looks=9), lambda: look(place, "a", looks=9), lambda: check(State(place), [])):
        with pytest.raises(TouchstoneError, match=message.replace("run-d", "run run-d")) as found:
            use()
        assert found.value.code == "LEDGER_BROKEN"
    assert State(place).get("ledger.json") == other


def promoted(place: str, look: Look, number: int) -> str:
    """A promotion on that look's verdict; the champion's reference."""
    told = {"ledger": {"head": look.ledger_head, "length": look.ledger_length}}
    revision, before = f"{number}" * 40, f"{number - 1}" if number > 1 else ""
    assert move(f"{place}/hub", promotion(number, revision, before, verdict=told))
    return f"{place}/hub@{revision}"


def test_promotions_remember_the_ledger_although_the_state_was_lost(place: str) -> None:
    promoted(place, look(place, "a"), 1)
    champion = promoted(place, look(place, "b"), 2)
    look(place, "c")
    state, kept = State(place), State(place).get("ledger.json")
    assert check(state, promotions(champion)) == kept
    for other, message in (
        (kept[:1], r"record 2 of the ledger is missing; revision 22222222 \(v2\) names it"),
        ([], r"record 1 of the ledger is missing; revision 11111111 \(v1\) and revision 22222222 \(v2\) name it"),
        (whole(changed(kept, 0, run="x")), r"record 1 of the ledger, or one before it, was changed; revision 11111111"),
    ):
        state.put("ledger.json", other)
        state.folder.delete("ledger-last.json")
        with pytest.raises(TouchstoneError, match=message):
            check(state, promotions(champion))


def test_a_champion_from_a_folder_or_none_remembers_nothing() -> None:
    assert promotions("") == promotions("/models/base@abc") == []


def test_a_run_that_died_between_the_ledger_and_its_mark_breaks_nothing(place: str) -> None:
    look(place, "a")
    mark = State(place).get("ledger-last.json")
    look(place, "b")
    State(place).put("ledger-last.json", mark)
    assert look(place, "b").ledger_length == 2
    assert State(place).get("ledger-last.json")["length"] == 2


def test_a_mark_that_is_none_charges_nothing(place: str) -> None:
    look(place)
    State(place).put("ledger-last.json", {"length": 0})
    with pytest.raises(TouchstoneError, match=r"ledger-last.json was changed"):
        look(place, "b")
    assert len(State(place).get("ledger.json")) == 1


def ended(place: str, candidate: str, outcome: str) -> None:
    State(place).run(f"run-{candidate}").write("record.json", json.dumps({"outcome": outcome}).encode())


def left(place: str, champion: str = "") -> int:
    return afford(State(place), champion=champion, day="2026-06-01", config=GateConfig(looks=2))


def test_a_look_that_is_not_there_is_missed_before_anything_is_trained(place: str) -> None:
    assert left(place) == 2
    for candidate in "ab":
        look(place, candidate, looks=2)
        ended(place, candidate, "HELD")
    before = State(place).get("ledger.json")
    with pytest.raises(TouchstoneError) as found:
        left(place)
    assert found.value.code == "LOOKS_EXHAUSTED"
    assert State(place).get("ledger.json") == before


@pytest.mark.parametrize("outcome", ["FAILED", ""])
def test_a_run_that_failed_after_its_look_may_be_run_again_although_none_is_left(place: str, outcome: str) -> None:
    for candidate in "ab":
        look(place, candidate, looks=2)
        ended(place, candidate, "PROMOTED")
    State(place).run("run-b").write("record.json", json.dumps({"outcome": outcome}).encode() if outcome else b"{}")
    assert left(place) == 0
    with pytest.raises(TouchstoneError, match="are used"):
        left(place, champion=f"{place}/hub@{'1' * 40}")


def test_training_does_not_begin_on_a_ledger_that_is_not_the_one_that_was(place: str) -> None:
    champion = promoted(place, look(place), 1)
    State(place).put("ledger.json", [])
    with pytest.raises(TouchstoneError, match="is missing; revision 11111111"):
        left(place, champion)


def opening(was: str, sealed: str) -> dict[str, Any]:
    return {"was": was, "sealed": sealed, "run": "seal", "day": "2026-05-02", "queries": {"old": 1, "new": 2}}


def test_every_sealed_test_is_a_generation_in_the_order_in_which_the_ledger_hears_of_it(place: str) -> None:
    known = {name: name * 64 for name in "abcd"}
    assert [look(place, sealed=known[name], looks=9).generation for name in "aba"] == [1, 2, 1]
    turn(State(place), [opening(known["b"], known["c"])])
    assert State(place).get("ledger.json")[-1]["generation"] == 3
    assert look(place, sealed=known["d"], looks=9).generation == 4, "the judged set changed at once"
    assert look(place, sealed=known["c"], looks=9).generation == 3
    assert look(place, sealed=known["b"], looks=9).generation == 2, "a retry tells what it told"


def test_a_generation_is_recorded_once_and_costs_no_look(place: str) -> None:
    first = look(place)
    for _ in range(2):
        turn(State(place), [opening(SEALED, "t" * 64)])
    entries = verify(State(place).get("ledger.json"))
    assert [entry.get("generation") for entry in entries] == [None, 2]
    assert entries[1].items() > opening(SEALED, "t" * 64).items()
    second = look(place, candidate="b", sealed="t" * 64)
    assert (second.left, second.generation, first.left) == (first.left - 1, 2, 2)


def test_a_generation_is_unused_until_a_look_at_it_or_at_what_became_of_it(place: str) -> None:
    state = State(place)
    look(place, looks=9)
    assert unused(check(state, [])) is None
    turn(state, [opening(SEALED, "t" * 64)])
    look(place, candidate="late", looks=9)
    found = unused(check(state, []))
    assert found and found["sealed"] == "t" * 64, "a run that began before looks at the old test"
    look(place, sealed="u" * 64, looks=9)
    assert unused(check(state, [])) is None


def test_a_verdict_s_own_look_must_stand_where_it_stood(place: str) -> None:
    first, second = look(place, "a"), look(place, "b")
    assert check(State(place), [Mark(1, first.ledger_head, "x"), Mark(2, second.ledger_head, "y")])
    with pytest.raises(TouchstoneError, match="record 1 of the ledger.* was changed; the verdict of run r names it"):
        check(State(place), [Mark(1, second.ledger_head, "the verdict of run r")])


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

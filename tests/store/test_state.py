"""The state of a line, its cache, and what it remembers of its last run, on a real server."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from components.store import state as module
from components.store.cache import Cache
from components.store.errors import TouchstoneError, TransientError, UserError
from components.store.line import check, forget, remember
from components.store.state import State

INPUTS = {"snapshot": "s", "base": "b@1", "champion": "c@1", "recipe": "r"}


def test_two_threads_that_race_lose_nothing(place):
    def add(entry: str) -> None:
        State(place).update("ledger.json", lambda found: [*(found or []), entry])

    def count(name: str) -> None:
        for n in range(12):
            add(f"{name}{n}")

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(count, "ab"))
    found = State(place).get("ledger.json")
    assert [entry for entry in found if entry[0] == "a"] == [f"a{n}" for n in range(12)]
    assert [entry for entry in found if entry[0] == "b"] == [f"b{n}" for n in range(12)]


def test_a_change_that_raises_leaves_the_document_alone(place):
    state = State(place)
    assert state.get("a.json") is None
    assert state.update("a.json", lambda found: {"was": found}) == {"was": None}
    with pytest.raises(ZeroDivisionError):
        state.update("a.json", lambda _: 1 / 0)
    assert state.get("a.json") == {"was": None}


def test_a_document_that_never_stands_still_is_given_up(place, monkeypatch):
    monkeypatch.setattr(module, "TRIES", 3)
    state, changes = State(place), []

    def change(_: object) -> int:
        changes.append(len(changes))
        state.put("a.json", f"somebody else {len(changes)}")
        return 0

    with pytest.raises(TransientError) as raised:
        state.update("a.json", change)
    assert raised.value.code == "STATE_BUSY"
    assert state.get("a.json") == "somebody else 3"


@pytest.mark.parametrize("body", [b"", b'{"half": ', b"\xff\xfe"])
def test_a_corrupt_document_is_typed_and_never_overwritten(place, body):
    state = State(place)
    state.folder.write("a.json", body)
    for use in (lambda: state.get("a.json"), lambda: state.update("a.json", lambda _: {})):
        with pytest.raises(TouchstoneError, match=f"{place}/a.json") as raised:
            use()
        assert raised.value.code == "STATE_CORRUPT"
    assert state.folder.read("a.json") == body


def test_the_cache_keeps_bytes_by_what_they_were_made_from(place):
    cache = Cache(place, "answers")
    assert cache.get({"a": 1, "b": [2]}) is None
    cache.put({"a": 1, "b": [2]}, b"\0bytes")
    assert cache.get({"b": [2], "a": 1}) == b"\0bytes"
    assert cache.get({"a": 1, "b": [3]}) is None
    assert Cache(place, "vectors").get({"a": 1, "b": [2]}) is None


@pytest.mark.parametrize(
    ("changed", "force", "task"),
    [
        ({}, False, "SKIPPED_UNCHANGED"),
        ({}, True, "RETRAIN"),
        *(({name: "another"}, False, "RETRAIN") for name in INPUTS),
        ({"champion": ""}, False, "RETRAIN"),
    ],
)
def test_only_a_line_whose_inputs_did_not_change_is_skipped(place, changed, force, task):
    assert check(place, "first", **INPUTS | {"champion": ""}, force=False) == "RETRAIN"
    remember(place, INPUTS | {"champion": ""}, "c@1")
    assert check(place, "next", **INPUTS | changed, force=force) == task
    assert State(place).get("runs/next/check.json") == {"task": task, "inputs": INPUTS | changed}


@pytest.mark.parametrize(("until", "task"), [("2099-01-01", "SKIPPED_UNCHANGED"), ("2020-01-01", "RETRAIN")])
def test_what_waited_too_long_for_an_approval_is_made_again(place, until, task):
    remember(place, INPUTS, "c@1", until)
    assert check(place, "next", **INPUTS | {"champion": "c@1"}, force=False) == task


def test_a_line_that_was_told_to_forget_trains_again(place):
    forget(place)
    assert State(place).get("line.json") is None, "it never ran"
    remember(place, INPUTS, "c@1")
    forget(place)
    assert check(place, "next", **INPUTS, force=False) == "RETRAIN"


def test_a_base_that_was_never_published_is_the_users_mistake(place):
    with pytest.raises(UserError) as raised:
        check(place, "run", **INPUTS | {"base": ""}, force=True)
    assert raised.value.code == "NO_MODEL"
    assert State(place).get("runs/run/check.json") is None

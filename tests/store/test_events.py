"""What a step says while it works, and what it leaves when it fails."""

import json
import logging
import os
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.store.errors import TouchstoneError, UserError
from components.store.events import Progress, emit, step
from components.store.state import State

SECRET_TEXT = "the patient's name"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """A step changes its process for good; ours has more tests to run."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    logging.captureWarnings(False)


@pytest.fixture
def told(tmp_path: Path, place: str) -> Path:
    """The file of events of run 7, whose state is at `place`."""
    os.environ |= {"TOUCHSTONE_EVENTS": str(tmp_path / "events"), "TOUCHSTONE_STATE": place, "TOUCHSTONE_RUN": "7"}
    return tmp_path / "events"


def events(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_step_tells_its_start_and_end_and_runs_offline(told, place):
    with step("load"):
        assert os.environ["HF_HUB_OFFLINE"] == "1"
    start, end = events(told)
    assert [(e["event"], e["step"], e["run"]) for e in (start, end)] == [("start", "load", "7"), ("end", "load", "7")]
    assert end["seconds"] >= 0
    assert State(place).get("runs/7/error.json") is None


def test_a_typed_error_is_put_on_the_runs_record(told, place):
    error = UserError("LOST", "the key is gone", fix="Look under the mat.")
    with pytest.raises(UserError) as raised, step("load"):
        raise error
    assert raised.value is error
    assert [e["event"] for e in events(told)] == ["start", "error"]
    assert events(told)[1]["error"] == error.record()
    assert State(place).get("runs/7/error.json") == {"step": "load", **error.record()}


def test_any_other_exception_is_recorded_without_its_message(told, place):
    with pytest.raises(TouchstoneError) as raised, step("load"):
        raise ValueError(SECRET_TEXT)
    assert SECRET_TEXT not in "".join(traceback.format_exception(raised.value))
    assert "test_events.py" in events(told)[1]["where"][-1], "where it happened is told"
    record = State(place).get("runs/7/error.json")
    assert (record["code"], record["what"]) == ("UNEXPECTED", "ValueError in step load")
    assert events(told)[1]["error"]["code"] == "UNEXPECTED"
    assert SECRET_TEXT not in told.read_text() + str(record)


@pytest.mark.parametrize("state", ["s3://no bucket/at all", "nothing like an address"])
def test_the_error_matters_more_than_noting_it_down(told, state):
    os.environ["TOUCHSTONE_STATE"] = state
    with pytest.raises(UserError, match="the key is gone"), step("load"):
        raise UserError("LOST", "the key is gone")


def test_without_a_file_events_go_to_standard_output(capfd):
    os.environ.pop("TOUCHSTONE_EVENTS", None)
    emit("note", "ünïcode\nin lines", count=3)
    (line,) = capfd.readouterr().out.splitlines()
    assert json.loads(line) | {"event": "note", "message": "ünïcode\nin lines", "count": 3} == json.loads(line)


def test_progress_is_told_at_the_end_and_seldom_before(told):
    progress = Progress(1000, "objects")
    for _ in range(1000):
        progress.add(1)
    found = events(told)
    assert len(found) < 5
    assert (found[-1]["done"], found[-1]["total"], found[-1]["unit"]) == (1000, 1000, "objects")

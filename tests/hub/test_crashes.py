"""Publish and rollback killed before and after every effect, and run again: one promotion, one line of history.

On the Hub every second effect, before it or after it in turn; `make campaign` sweeps all of them (part `sweep`).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from components.store.stores import open_models
from tests.hub.crashes import Crash
from tests.hub.sweep import EFFECTS, Task, swept
from tests.hub.test_publish import Line

SWEEP = [
    (on, kind, Crash(number, after))
    for (on, kind), count in EFFECTS.items()
    for number in range(1, count + 1)
    for after in (False, True)
    if on == "s3" or (number + after) % 4 == 0
]


@pytest.fixture
def line(request: pytest.FixtureRequest, place: str, tmp_path: Path, on: str) -> Line:
    """A line whose models are kept on S3, or on the Hub."""
    return Line(f"{place}/state", request.getfixturevalue("hub_place") if on == "hub" else f"{place}/hub", tmp_path)


@pytest.mark.parametrize(("on", "kind", "crash"), SWEEP, ids=str)
def test_a_crash_at_any_effect_and_a_second_run_are_one_promotion(line: Line, kind: str, crash: Crash) -> None:
    assert not swept(line, kind, crash)


@pytest.mark.parametrize(("on", "kind"), EFFECTS)
def test_no_effect_is_left_out_of_the_sweep(line: Line, on: str, kind: str) -> None:
    task = Task(line, kind)
    assert not task.dies(task.prepared(), Crash(EFFECTS[on, kind] + 1, False))


@pytest.mark.parametrize("on", ["s3", "hub"])
def test_publishing_81_times_is_one_promotion(line: Line, on: str) -> None:
    """Kubeflow's worst case: three tries of a step, of a pipeline, of a run, each thrice."""
    first = line.publish("one").promotion
    verdict, store = line.verdict("one"), open_models(line.hub)
    head = store.head()
    found = {line.publish("one", verdict=verdict).outcome for _ in range(80)}
    assert found == {"ALREADY_PROMOTED"} and list(store.history()) == [first] and store.head() == head

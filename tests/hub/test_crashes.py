"""Publish and rollback killed before and after every effect, and run again: one promotion, one line of history."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from components.store.pull import pin
from components.store.s3_models import S3Models
from tests.hub.crashes import Crash, dies, publishing, rolling_back, violations
from tests.hub.served import evidence
from tests.hub.test_publish import Line

EFFECTS = {"the first": 10, "the second": 11, "rollback": 2}
"""Requests that write: seven files, their listing, the predecessor's record, the pointer, the run's record."""


@dataclass(frozen=True)
class Task:
    """What is killed, and the same without a crash."""

    line: Line
    kind: str

    def prepared(self) -> tuple[object, ...]:
        """The arguments; what has to be there before is there."""
        line = self.line
        if self.kind == "the first":
            return self._publication("one", "")
        line.publish("one")
        if self.kind == "the second":
            return self._publication("two", pin(line.hub))
        line.publish("two", pin(line.hub))
        return line.hub, list(S3Models(line.hub).history())[-1].version

    def _publication(self, name: str, champion: str) -> tuple[object, ...]:
        candidate, verdict = self.line.candidate(name), self.line.verdict(name, champion)
        proof = (candidate.path, verdict, evidence(candidate))
        return self.line.state, f"run-{name}", self.line.hub, champion, *proof

    def again(self, arguments: tuple[object, ...]) -> None:
        """Run it to its end; a rollback that came about says so."""
        if self.kind != "rollback":
            return publishing(*arguments)  # type: ignore[arg-type]
        head = S3Models(self.line.hub).head()
        if head and not head.restores:
            rolling_back(*arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("kind", "effect"), [(k, n) for k, count in EFFECTS.items() for n in range(1, count + 1)])
def test_a_crash_at_any_effect_and_a_second_run_are_one_promotion(
    place: str, tmp_path: Path, kind: str, effect: int, after: bool
) -> None:
    line = Line(f"{place}/state", f"{place}/hub", tmp_path)
    task, store = Task(line, kind), S3Models(line.hub)
    arguments = task.prepared()
    before, known = len(list(store.history())), {line.candidate(name).fingerprint for name in ("one", "two")}
    assert dies(rolling_back if kind == "rollback" else publishing, arguments, Crash(effect, after))
    assert not violations(store, known) and len(list(store.history())) in (before, before + 1)
    for _ in range(2):
        task.again(arguments)
        assert not violations(store, known) and len(list(store.history())) == before + 1
    if kind != "rollback":
        assert line.publication("one" if kind == "the first" else "two")["id"] == line.production().id


@pytest.mark.parametrize("kind", EFFECTS)
def test_no_effect_is_left_out_of_the_sweep(place: str, tmp_path: Path, kind: str) -> None:
    task = Task(Line(f"{place}/state", f"{place}/hub", tmp_path), kind)
    assert not dies(
        rolling_back if kind == "rollback" else publishing, task.prepared(), Crash(EFFECTS[kind] + 1, False)
    )


def test_publishing_81_times_is_one_promotion(place: str, tmp_path: Path) -> None:
    line = Line(f"{place}/state", f"{place}/hub", tmp_path)
    first = line.publish("one").promotion
    verdict = line.verdict("one")
    with line.unchanged():
        found = {line.publish("one", verdict=verdict).outcome for _ in range(80)}
    assert found == {"ALREADY_PROMOTED"} and list(S3Models(line.hub).history()) == [first]

"""Publish and rollback, killed at one effect and run again: what must hold of a line on either store."""

from __future__ import annotations

from dataclasses import dataclass

from components.store.pull import pin
from components.store.stores import open_models
from tests.hub.crashes import Crash, dies, publishing, rolling_back, violations
from tests.hub.served import evidence
from tests.hub.test_publish import Line

EFFECTS = {
    ("s3", "the first"): 10,
    ("s3", "the second"): 11,
    ("s3", "rollback"): 2,
    ("hub", "the first"): 9,
    ("hub", "the second"): 9,
    ("hub", "rollback"): 7,
}
"""Requests that write. On S3: seven files, their listing, the predecessor's record, the pointer, the run's record. On
the Hub: the repository, a check of the card, what is sent how, large files, the commit, tags; the run's record."""


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
        return line.hub, list(open_models(line.hub).history())[-1].version

    def _publication(self, name: str, champion: str) -> tuple[object, ...]:
        candidate, verdict = self.line.candidate(name), self.line.verdict(name, champion)
        proof = (candidate.path, verdict, evidence(candidate))
        return self.line.state, f"run-{name}", self.line.hub, champion, *proof

    def dies(self, arguments: tuple[object, ...], crash: Crash) -> bool:
        """Whether there was such an effect to die at."""
        return dies(rolling_back if self.kind == "rollback" else publishing, arguments, crash)

    def again(self, arguments: tuple[object, ...]) -> None:
        """Run it to its end; a rollback that came about says so."""
        if self.kind != "rollback":
            return publishing(*arguments)  # type: ignore[arg-type]
        head = open_models(self.line.hub).head()
        if head and not head.restores:
            rolling_back(*arguments)  # type: ignore[arg-type]


def swept(line: Line, kind: str, crash: Crash) -> list[str]:
    """Kill it there, run it again twice; what is wrong then, or was in between."""
    task, store = Task(line, kind), open_models(line.hub)
    arguments = task.prepared()
    before, known = len(list(store.history())), {line.candidate(name).fingerprint for name in ("one", "two")}
    wrong = [] if task.dies(arguments, crash) else ["there is no such effect"]
    wrong += violations(store, known)
    wrong += [] if len(list(store.history())) in (before, before + 1) else ["another number of promotions"]
    for _ in range(2):
        task.again(arguments)
        wrong += violations(store, known)
        wrong += [] if len(list(store.history())) == before + 1 else ["not exactly one promotion"]
    if kind != "rollback":
        promoted = line.publication("one" if kind == "the first" else "two")["id"]
        wrong += [] if promoted == line.production().id else ["the run's record names another promotion"]
    return wrong

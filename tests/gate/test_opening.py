"""A generation of the sealed test, opened on real documents with a real model and a real object store."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from components.gate import generation, ledger, opening
from components.gate.config import GateConfig
from components.gate.ledger import charge, check
from components.pairs import reserve
from components.pairs.mine import Outputs
from components.store import line as lines
from components.store.artifact import Artifact
from components.store.errors import TouchstoneError, UserError
from components.store.s3_models import S3Models
from components.store.state import State
from tests.pairs.conftest import setting  # noqa: F401 (a fixture)
from tests.pairs.workshop import PLACE, SHARES, SOURCES, Setting
from tests.store.pointer import move, promotion


@dataclass(frozen=True)
class Line:
    """A line that mined once, and looked once at its sealed test."""

    setting: Setting
    place: str
    folder: Path
    model: Path

    @property
    def state(self) -> State:
        return State(f"{self.place}/state")

    def mined(self, name: str) -> Outputs:
        return self.setting.run(f"{self.place}/state", self.folder / name)[1]

    def look(self, sealed: str, candidate: str = "a") -> Any:
        known = {"candidate": candidate, "champion": "", "sealed": sealed, "run": "run", "day": "2026-05-01"}
        return charge(self.state, **known, config=GateConfig())

    def request(self, outputs: Outputs, **changes: Any) -> Path:
        """The file that `touchstone gate seal` writes."""
        kinds = ("passages", "pairs", "judged")
        paths = {kind: str(getattr(outputs, kind)) for kind in kinds} | {"documents": str(self.setting.documents)}
        pairs = {"judged": f"{PLACE}/judged", "shares": SHARES, "min_pairs": 20}
        asked = {"state": f"{self.place}/state", "run": "seal", "base": str(self.model), "target": f"{self.place}/hub"}
        asked |= {"paths": paths, "sources": SOURCES, "tokens": [128, 0], "pairs": pairs, "gate": {"min_queries": 4}}
        path = self.folder / "request.json"
        path.write_text(json.dumps(asked | changes))
        return path

    def open(self, outputs: Outputs, **changes: Any) -> dict[str, Any]:
        return opening.open_next(opening.Request.read(self.request(outputs, **changes)))


@pytest.fixture
def line(setting: Setting, place: str, tmp_path: Path, tiny_model: Path) -> Line:  # noqa: F811
    return Line(setting, place, tmp_path, tiny_model)


def sealed(outputs: Outputs) -> str:
    found: str = Artifact.open(outputs.judged, "judged").facts["sealed"]
    return found


def champion(line: Line, model: Path) -> None:
    revision = S3Models(f"{line.place}/hub").stage(model)
    assert move(f"{line.place}/hub", promotion(1, revision))


def test_the_next_run_is_judged_by_the_generation_that_was_opened(line: Line, tiny_model: Path) -> None:
    champion(line, tiny_model)
    before = line.mined("before")
    line.look(sealed(before))
    lines.remember(f"{line.place}/state", {"snapshot": "s"}, "")
    out, request = line.folder / "generation.json", line.request(before)
    assert opening.main(str(request), str(out)) == 0
    entry = json.loads(out.read_bytes())
    after = line.mined("after")
    entries = check(line.state, [])
    assert entries[-1] == entry
    assert (entry["generation"], entry["was"], entry["sealed"]) == (2, sealed(before), sealed(after))
    assert [one.get("alpha") for one in entries[1:]] == [None], "no look was charged"
    assert entry["queries"] == {
        side: Artifact.open(of.judged, "judged").facts["sealed_queries"]
        for side, of in (("old", before), ("new", after))
    }
    assert entry["ndcg@10"]["base"] == entry["ndcg@10"]["champion"], "the champion is the base here"
    assert {0 < score < 1 for score in entry["ndcg@10"]["base"].values()} == {True}
    assert entry["ndcg@10"]["base"]["old"] != entry["ndcg@10"]["base"]["new"]
    assert line.state.get("line.json") == {}, "the next run trains although nothing else is new"
    assert line.look(sealed(after)).generation == 2


class Died(Exception):
    """The process was ended."""


def dies(*_: object, **__: object) -> None:
    raise Died


CRASHES: dict[str, tuple[Any, str]] = {
    "before anything is written": (lines, "forget"),
    "before the split": (reserve, "turn"),
    "before the ledger": (ledger, "turn"),
}


@pytest.mark.parametrize("case", CRASHES)
def test_after_a_crash_the_rest_is_done_by_asking_again(line: Line, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    before = line.mined("before")
    line.look(sealed(before))
    with monkeypatch.context() as patched:
        patched.setattr(*CRASHES[case], dies)
        with pytest.raises(Died):
            line.open(before)
    again = asked_again(line, line.mined("again"))
    after = line.mined("after")
    assert (again["generation"], again["was"], again["sealed"]) == (2, sealed(before), sealed(after))
    assert [one.get("generation") for one in check(line.state, [])] == [None, 2], "opened once"


def asked_again(line: Line, outputs: Outputs) -> dict[str, Any]:
    """Ask as `touchstone gate seal` does; what the ledger says in the end."""
    try:
        generation.ready(line.state, "")
    except UserError as error:
        assert error.code == "GENERATION_UNUSED"
        return check(line.state, [])[-1]
    return line.open(outputs)


def test_a_generation_without_a_look_is_not_followed_by_another(line: Line) -> None:
    generation.ready(line.state, "")
    line.open(line.mined("before"))
    with pytest.raises(UserError, match="the sealed test is new: found generation 2, opened on") as found:
        generation.ready(line.state, "")
    assert found.value.code == "GENERATION_UNUSED"
    line.look(sealed(line.mined("after")))
    generation.ready(line.state, "")


def untouched(line: Line, ask: Callable[[], object]) -> TouchstoneError:
    """What is raised; split and ledger stay."""
    kept = {name: line.state.get(name) for name in ("split.json", "ledger.json", "line.json")}
    with pytest.raises(TouchstoneError) as found:
        ask()
    assert {name: line.state.get(name) for name in kept} == kept
    return found.value


def test_a_reserve_that_would_decide_nothing_is_not_opened(line: Line) -> None:
    before = line.mined("before")
    found = untouched(line, lambda: line.open(before, gate={"min_queries": 600}))
    assert (found.code, found.expected) == ("NO_RESERVE", "gate.min_queries, 600, or more")
    line.open(before)
    line.look(sealed(line.mined("after")))
    found = untouched(line, lambda: line.open(line.mined("after")))
    assert (found.code, found.found) == ("NO_RESERVE", "none")


def test_a_changed_ledger_opens_no_generation(line: Line) -> None:
    line.look(sealed(line.mined("before")))
    line.state.put("ledger.json", [])
    found = untouched(line, lambda: generation.ready(line.state, ""))
    assert found.code == "LEDGER_BROKEN"


def test_what_mined_meanwhile_ends_the_opening(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    before, forget = line.mined("before"), lines.forget
    segments = line.state.get("split.json")["segments"]

    def meanwhile(state: str) -> None:
        line.state.update("split.json", lambda known: known | {"segments": [*segments, *segments]})
        forget(state)

    monkeypatch.setattr(lines, "forget", meanwhile)
    with pytest.raises(TouchstoneError, match="meanwhile"):
        line.open(before)
    assert reserve.generations(line.state) == []
    assert line.state.get("ledger.json") is None

"""`touchstone gate seal` on the real DAG: what was mined before a turn is no answer for what is mined after it."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from components.gate.ledger import check
from components.store.state import State
from pipelines import cli, local
from pipelines.recipe import Recipe
from pipelines.screen import Screen
from tests.end_to_end.conftest import Line, make_line, pages

pytestmark = pytest.mark.timeout(600)

SHARES = {"train": 0.4, "dev": 0.1, "sealed": 0.25, "reserve": 0.25}


@pytest.fixture
def line(place: str, tiny_model: Path, tmp_path: Path) -> Iterator[Line]:
    """A line with a reserve, in a folder of its own, that never ran."""
    made = make_line(place, tiny_model, tmp_path, islice(pages(), 250))
    values = made.recipe.model_dump(mode="json", exclude_none=True)
    values["pairs"] |= {"shares": SHARES, "min_pairs": 20}
    values["gate"]["min_queries"] = 10
    with contextlib.chdir(tmp_path):
        Path("recipe.yaml").write_text(json.dumps(values))
        yield Line(Recipe.parse(values, where="test"), tmp_path)


@pytest.fixture
def seal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[], tuple[int, str, str]]:
    """Run the command; exit code, standard output and error."""

    def run() -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["touchstone", "gate", "seal", "recipe.yaml"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_a_new_generation_is_mined_although_nothing_else_changed(
    line: Line, seal: Callable[[], tuple[int, str, str]]
) -> None:
    code, told, _ = seal()
    assert code == 0, told
    (entry,) = check(State(line.recipe.state), [])
    lines = {text[2:13].strip(): text for text in told.splitlines()}
    assert f"{entry['queries']['new']:,} queries" in lines["judge now"]
    assert f"{entry['documents']['trained']:,} documents" in lines["train now"]
    assert f"nDCG@10 {entry['ndcg@10']['base']['old']:.3f} on the old test" in lines["base"]
    found = local.run_until(line.recipe, Screen(io.StringIO()), until="pairs", servers=[])["found"]
    assert found["judged"]["sealed"] == entry["sealed"] != entry["was"]
    assert (found["leakage"]["retired"], found["leakage"]["leaked"]) == (0, 0)
    code, _, error = seal()
    assert (code, "the sealed test is new: found generation 2, opened on" in error) == (2, True)
    assert check(State(line.recipe.state), []) == [entry]

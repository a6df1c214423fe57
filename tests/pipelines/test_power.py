"""What `touchstone plan` tells of the sealed test: from a real state, without opening anything."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from components.corpus import snapshot
from components.corpus.config import Source
from components.gate import ledger
from components.gate.approval import today
from components.pairs import judged
from components.pairs.leakage import Leakage
from components.store.s3 import Folder
from components.store.state import State
from pipelines import power
from pipelines.recipe import Recipe
from pipelines.screen import Screen

SHAPE = {"units": 1_100, "largest": 4, "squares": 1_500}
SOURCES = {"units": 50, "largest": 60, "squares": 45_000}
GATE = {"looks": 2}


@pytest.fixture
def line(place: str, tmp_path: Path) -> tuple[Recipe, dict[str, Any]]:
    """A recipe with a guard of six queries, and what its run until the pairs told."""
    guard = Folder(f"{place}/guard")
    guard.write("corpus.jsonl", "".join(f'{{"_id": "{n}", "text": "pump {n}"}}\n' for n in range(6)).encode())
    guard.write("queries.jsonl", "".join(f'{{"_id": "{n}", "text": "which pump {n}"}}\n' for n in range(6)).encode())
    guard.write("qrels/test.tsv", "".join(f"{n}\t{n}\t1\n" for n in range(6)).encode())
    listing = snapshot.take(f"{place}/state", {"guard:pumps": [Source(uri=f"{place}/guard")]}).digest
    judged.write(tmp_path / "judged", "judged", [], {}, {"snapshot": listing})
    values = {"name": "test", "state": f"{place}/state", "target": f"{place}/hub", "base_model": "base", "gate": GATE}
    values |= {"corpus": {"sources": [f"{place}/docs"]}, "pairs": {"judged": f"{place}/judged"}}
    recipe = Recipe.parse(values | {"guards": {"pumps": f"{place}/guard"}}, where="test")
    shape = {"cluster": SHAPE, "group": SHAPE, "source": SOURCES}
    facts = {"sealed_queries": 1_200, "sealed_shape": shape}
    proof = Leakage(sealed_documents=900, near=0).facts
    return recipe, {"paths": {"judged": str(tmp_path / "judged")}, "judged": facts, "leakage": proof}


def charge(recipe: Recipe, candidate: str) -> None:
    known = {"candidate": candidate, "champion": "", "sealed": "s" * 64, "day": today()}
    ledger.charge(State(recipe.state), **known, run=f"run-{candidate}", config=recipe.gate)


def drawn(line: tuple[Recipe, dict[str, Any]]) -> str:
    out = io.StringIO()
    power.draw(Screen(out), power.foresee(*line), line[0])
    return out.getvalue()


def test_a_line_that_has_not_run(line):
    told = drawn(line)
    assert told == (
        """\
  sealed test  1,200 queries of 1,100 independent groups and 50 sources
  tells as     1,070 by group, 593 by source: so many independent queries would tell as much
  would find   a gain of +0.027 over the base, four times in five, drawn by group
               assumed: a difference varies by 0.313 from query to query, as measured on another corpus
  looks        2 of 2 left this year, each tested at the level 0.02500
  guard        pumps: no worse than the base, a model passes with 10% on 6 queries
               underpowered: a longer benchmark would judge better
"""
    )


def test_the_last_looks_verdict_is_what_is_known_of_the_line(line):
    state = State(line[0].state)
    charge(line[0], "a")
    found = {"standard_error": 0.008, "queries": 1_200, "effective": 900}
    verdict = {"comparisons": {"base": found}, "by_source": {}, "guards": {}, "config": {"cluster": "group"}}
    state.run("run-a").write("verdict.json", json.dumps(verdict).encode())
    ledger.retire(state, queries=["q"], run="run-b", day=today())
    told = drawn(line)
    assert "as the last verdict measured: it varies by 0.240 a query" in told
    assert "1 of 2 left this year" in told and "never" not in told


def test_a_year_whose_looks_are_used_is_told_before_anything_is_trained(line):
    for candidate in "ab":
        charge(line[0], candidate)
        State(line[0].state).run(f"run-{candidate}").write("record.json", b'{"outcome": "HELD"}')
    before = State(line[0].state).get(ledger.LEDGER)
    assert "never        this test can promote nothing: no look is left this year\n" in drawn(line)
    assert State(line[0].state).get(ledger.LEDGER) == before

"""From buckets to documents through the compiled DAG: the number of shards changes nothing, a rerun loads nothing."""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.store.s3 import Folder
from pipelines import cli, local
from pipelines.recipe import Recipe
from pipelines.screen import Screen

PLACE = "s3://tests/shards"
SIZES = {1: 10**9, 3: 20_000}
"""Shards -> bytes of each, for the pages below."""


def values(state: str, shard_bytes: int) -> dict[str, Any]:
    known = {"name": "shards", "state": state, "target": f"{PLACE}/hub", "base_model": f"{PLACE}/base@{'0' * 40}"}
    corpus = {"sources": [f"{PLACE}/docs"], "shard_bytes": shard_bytes}
    return known | {"corpus": corpus, "pairs": {"judged": f"{PLACE}/judged"}}


@pytest.fixture(scope="module")
def documents(s3: object) -> int:
    """Fifty pages, of which two are the same, and a file of five records, of which one is broken."""
    docs = Folder(f"{PLACE}/docs")
    for number in range(50):
        text = (
            f"Turn valve {number % 49} to the left, then wait until the water of boiler {number % 49} is clear. " * 10
        )
        docs.write(f"{number:02}.html", f"<html><title>Valves</title><h1>Valve</h1><p>{text}".encode())
    records = "".join(f'{{"id": "{n}", "text": "A record about pump {n}, which hums."}}\n' for n in range(4))
    docs.write("records.jsonl", f"{records}{{broken".encode())
    Folder(f"{PLACE}/judged").write("queries.jsonl", b"{}")
    return 53


def run(folder: Path, shards: int, state: str = "") -> dict[str, Any]:
    recipe = Recipe.parse(values(state or f"{PLACE}/state-{shards}", SIZES[shards]), where="test")
    folder.mkdir(exist_ok=True)
    with contextlib.chdir(folder):
        return local.run_until(recipe, Screen(io.StringIO()), until="corpus", servers=[])


def test_the_number_of_shards_changes_nothing_and_a_rerun_loads_nothing(documents, tmp_path):
    runs = {shards: run(tmp_path / str(shards), shards) for shards in SIZES}
    assert {shards: len(record["loads"]) for shards, record in runs.items()} == {1: 1, 3: 3}
    assert len({record["found"]["digest"] for record in runs.values()}) == 1
    assert all(record["found"]["documents"] == documents for record in runs.values())
    again = run(tmp_path / "3", 3)
    assert again["loads"] == []
    assert again["found"]["digest"] == runs[3]["found"]["digest"]
    elsewhere = run(tmp_path / "elsewhere", 1, state=f"{PLACE}/state-3")
    assert [load["parsed"] for load in elsewhere["loads"]] == [0], "another machine finds the blocks in the state"


def test_the_command_line_tells_what_is_in_the_sources(documents, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("recipe.yaml").write_text(yaml.safe_dump(values(f"{PLACE}/state-1", SIZES[1])))
    monkeypatch.setattr(sys, "argv", ["touchstone", "run", "recipe.yaml", "--until", "corpus"])
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    assert not list(temporary.iterdir()), "what kfp leaves behind goes with the run"
    told = capsys.readouterr().out
    for line in ("languages    53 en", "rejected     1 BAD_RECORD", "49 text/html, 4", "1 exact", "a second"):
        assert line in told

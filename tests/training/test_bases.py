"""Bases side by side: two real models, what cannot be scored, and the table that a person sees."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from components.store.errors import TouchstoneError, UserError
from components.store.events import emit
from components.training import bases
from components.training.bases import Base, compare
from components.training.dev import DevSet
from components.training.job import Data
from components.training.shortlist import SHORTLIST, domain
from pipelines import bases as table
from pipelines import cli, local
from pipelines.demo import base_model
from pipelines.screen import Screen


@pytest.fixture
def dev(data: Data) -> DevSet:
    return DevSet.read(data.judged, data.passages, 40)


@pytest.fixture
def unsafe(tiny_model: Path, tmp_path: Path) -> Path:
    folder = Path(shutil.copytree(tiny_model, tmp_path / "unsafe"))
    (folder / "modeling.py").write_text("import os")
    return folder


def test_the_best_comes_first_and_what_cannot_be_scored_last_with_the_reason(dev, tiny_model, unsafe):
    base, other = str(tiny_model), str(base_model())
    found = compare(base, [str(unsafe), base, "./nowhere", "BAAI/bge-base-en-v1.5", other, other], dev)
    best, second, *rest = found
    assert [best.reference, second.reference] == [other, base]
    assert best.quality > second.quality > 0
    assert (best.parameters, best.dimension, best.tokens) == (pytest.approx(22.7, abs=0.1), 384, 256)
    assert (second.parameters, second.dimension, second.tokens) == (pytest.approx(4.4, abs=0.1), 128, 128)
    assert (best.licence, second.licence) == ("apache-2.0", "unknown")
    assert best.rate > 0
    reasons = {one.reference: one.problem for one in rest}
    assert list(reasons) == [str(unsafe), "./nowhere", "BAAI/bge-base-en-v1.5"]
    assert "modeling.py is refused" in reasons[str(unsafe)]
    assert "no such folder" in reasons["./nowhere"]
    assert "no folder here has that name" in reasons["BAAI/bge-base-en-v1.5"]
    assert rest[-1].domain == "general"


def test_the_recipes_base_must_be_scored(dev, unsafe, tiny_model):
    with pytest.raises(UserError, match="modeling.py is refused"):
        compare(str(unsafe), [str(tiny_model)], dev)


def test_a_model_that_breaks_while_it_is_scored_is_a_row(dev, tiny_model, tmp_path, monkeypatch):
    broken = str(shutil.copytree(tiny_model, tmp_path / "broken"))
    real = bases.score

    def score(reference: str, dev: DevSet) -> Base:
        if reference == broken:
            raise MemoryError("of 80 GiB, with a document in the message")
        return real(reference, dev)

    monkeypatch.setattr(bases, "score", score)
    assert compare(str(tiny_model), [broken], dev)[-1].problem == "MemoryError while it was scored"


def test_the_shortlist_covers_the_domains_and_knows_a_model_wherever_it_lies():
    domains = " ".join(SHORTLIST.values())
    assert all(wanted in domains for wanted in ("general", "code", "biomedical", "legal", "multilingual"))
    assert domain("s3://demo/models/all-minilm-l6-v2") == "general"
    assert domain("somebody/else") == ""


def recipe(base: str) -> dict[str, Any]:
    values = {"name": "test", "state": "s3://t/state", "target": "s3://t/hub", "base_model": base}
    return values | {"corpus": {"sources": ["s3://t/docs"]}, "pairs": {"judged": "s3://t/judged"}}


@pytest.fixture
def until_pairs(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run until the pairs that is over already; `tests/end_to_end` sees that a real one tells these paths."""
    paths = {"judged": str(data.judged), "passages": str(data.passages)}

    def run_until(*_: Any, until: str, **__: Any) -> dict[str, Any]:
        assert until == "pairs"
        return {"found": {"paths": paths}, "log": str(tmp_path / "log.jsonl")}

    monkeypatch.setattr(local, "run_until", run_until)


def touchstone(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line; its exit code."""
    monkeypatch.setattr(sys, "argv", ["touchstone", "bases", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_the_command_line_draws_the_table(until_pairs, tiny_model, unsafe, tmp_path, monkeypatch, capsys):
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe(str(tiny_model))))
    other = str(base_model())
    assert touchstone(monkeypatch, str(path), "--models", str(unsafe), "--models", other) == 0
    told = capsys.readouterr().out.splitlines()
    lines = [" ".join(line.split()) for line in told if line and "15/15" not in line]  # progress, when it is slow
    assert lines[0].startswith("bases 3 bases on 15 dev queries and 60 passages")
    assert lines[1].startswith("nDCG@10")
    assert other[-40:] in lines[2] and " 22.7M 384 256 " in lines[2] and lines[2].endswith("apache-2.0")
    assert lines[3][0] == "*" and f"{tiny_model}"[-40:] in lines[3] and " 4.4M 128 128 " in lines[3]
    assert lines[4] == "not scored:"
    assert lines[5] == f"{unsafe}: the model file modeling.py is refused: a .py file"


def test_a_base_that_cannot_be_scored_ends_the_command(until_pairs, unsafe, tmp_path, monkeypatch, capsys):
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(recipe(str(unsafe))))

    def spawn(_: str, arguments: list[str], folder: Path, __: Any) -> subprocess.Popen[bytes]:
        monkeypatch.setenv("TOUCHSTONE_EVENTS", str(folder / "log.jsonl"))
        assert bases.main(*arguments) == 1
        return subprocess.Popen(["true"])

    monkeypatch.setattr(local, "spawn", spawn)
    monkeypatch.setattr(bases, "step", quiet)
    assert touchstone(monkeypatch, str(path)) == 2
    assert "modeling.py is refused: found a .py file" in capsys.readouterr().err


@contextlib.contextmanager
def quiet(_: str) -> Iterator[None]:
    """A step's events without what it does to the process."""
    try:
        yield
    except TouchstoneError as error:
        emit("error", error=error.record())
        raise


def test_a_missing_recipe(monkeypatch, capsys):
    assert touchstone(monkeypatch, "nowhere.yaml") == 2
    assert "nowhere.yaml cannot be read" in capsys.readouterr().err


def test_figures_have_room_in_the_table():
    out = io.StringIO()
    row = Base(f"s3://bucket/a/long/prefix/of/models/without-end/e5@{'0' * 40}", "", "", 0.5, 7_241.7, 4096, 0)
    table.draw(Screen(out), [asdict(row), asdict(Base("o/m", "legal", "it is too large"))], "x")
    assert "  ..prefix/of/models/without-end/e5@00000000 " in out.getvalue()
    assert "0.500 7,241.7M  4096    any        0  unknown" in out.getvalue()
    assert "  o/m (legal): it is too large" in out.getvalue()

"""`touchstone plan`: what a person reads, from a real trial and from figures of other machines."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines import cli, local, power
from pipelines import plan as planning
from pipelines.recipe import Recipe
from pipelines.screen import Screen


def recipe(base: object = "base", **changes: Any) -> dict[str, Any]:
    values = {"name": "test", "state": "s3://t/state", "target": "s3://t/hub", "base_model": str(base)}
    values |= {"corpus": {"sources": ["s3://t/docs"], "passage_tokens": 40}, "pairs": {"judged": "s3://t/judged"}}
    return values | changes


@pytest.fixture
def touchstone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run the command line on a recipe in an empty folder; its exit code."""
    monkeypatch.chdir(tmp_path)

    def run(values: dict[str, Any], *arguments: str) -> int:
        Path("recipe.yaml").write_text(json.dumps(values))
        monkeypatch.setattr(sys, "argv", ["touchstone", "plan", "recipe.yaml", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return run


def test_accumulation_without_data(touchstone, tiny_model, capsys):
    training = {"batch_size": 16, "gradient_accumulation": 4}
    assert touchstone(recipe(tiny_model, training=training), "--pairs", "6400") == 0
    told = capsys.readouterr().out
    lines = {line[2:13].strip(): line[15:] for line in told.splitlines() if line[2:13].strip()}
    assert lines["pairs"] == "6,400 assumed: no text was read, no hard negatives and 52 tokens each"
    assert lines["batch"] == "16 pairs x 1 processor x 4 accumulated = 64 a step"
    assert lines["negatives"] == "15 true negatives for each anchor"
    assert lines["steps"] == "100: 1 passes over the pairs"
    assert lines["warning"] == "gradient_accumulation adds no negatives: each anchor sees 15, not 63."
    assert "GB of the training process at the peak" in lines["memory"]
    assert lines["time"].startswith("about ") and " s a step" in told
    assert "For 63 set training.negatives: 63 and gradient_accumulation: 1; the cached loss saves the memory." in told


def test_hard_negatives_of_pairs_that_are_not_assumed(touchstone, capsys):
    assert touchstone(recipe(), "--hard-negatives", "2") == 2
    assert "Add --pairs N, or leave --hard-negatives out" in capsys.readouterr().err


def test_a_base_that_is_none(touchstone, capsys):
    assert touchstone(recipe("./nowhere"), "--pairs", "100") == 2
    assert "no such folder" in capsys.readouterr().err


def test_the_lines_own_pairs_are_asked_for(touchstone, monkeypatch, tmp_path, capsys):
    """A run until the pairs that is over already; `tests/end_to_end` sees that a real one tells these paths."""
    paths, asked = {name: f"/artifacts/{name}" for name in ("pairs", "judged", "passages")}, {}
    record = {"found": {"paths": paths}, "log": str(tmp_path / "log.jsonl")}
    monkeypatch.setattr(local, "run_until", lambda *_, until, **__: record)
    monkeypatch.setattr(power, "foresee", lambda *_: None)  # test_power.py

    def spawn(module: str, arguments: list[str], *_: Any) -> subprocess.Popen[bytes]:
        asked.update(json.loads(Path(arguments[0]).read_bytes()), module=module)
        Path(arguments[1]).write_text(json.dumps(FOUND))
        return subprocess.Popen(["true"])

    monkeypatch.setattr(local, "spawn", spawn)
    training = {"negatives": 255}
    assert touchstone(recipe(gpus="4", training=training, pairs={"judged": "s3://t/j"})) == 0
    assert (asked["module"], asked["paths"], asked["gpus"]) == ("components.training.estimate", paths, 4)
    assert asked["trial"] == {"pairs": 0, "negatives": 0, "tokens": 40}
    assert asked["config"]["negatives"] == 255
    assert "255 true negatives for each anchor" in capsys.readouterr().out


PLANNED = {"steps": 65, "batch": 64, "pairs_per_step": 256, "true_negatives": 255, "cached": False}
FOUND = {
    "plan": PLANNED | {"tokens_at_once": None, "warnings": []},
    "load": {"pairs": 16_640, "negatives": 1, "tokens": 212.4, "distinct": 16_000},
    "duplicates": 3.21,
    "rate": 2e-5,
    "temperature": 0.02,
    "lacking": "no GPU",
    "assumed": False,
}


def drawn(found: dict[str, Any], **changes: Any) -> str:
    out = io.StringIO()
    planning.draw(Screen(out), found, Recipe.parse(recipe(**changes), where="recipe.yaml"))
    return out.getvalue()


def test_gpus_that_are_not_here():
    told = drawn(FOUND, gpus="4", training={"negatives": 255})
    assert (
        told
        == """
  pairs        16,640, 1 hard negative and 212 tokens each
  loss         in the batch, or cached where a batch does not fit the GPU
               both ways, what the base finds as close is masked, temperature 0.02
  batch        64 pairs x 4 GPUs x 1 accumulated = 256 a step, for the 255 negatives asked for
  negatives    255 true negatives for each anchor
  duplicates   none on a GPU; 3.2 texts of a joint batch on two of them, masked in the loss
  steps        65: 1 passes over the pairs
  rate         2.0e-05 at its peak
  memory       not known here: the recipe asks for 4 GPUs, this machine has no GPU
  time         not known here: the recipe asks for 4 GPUs, this machine has no GPU
"""
    )


def test_what_was_measured():
    whole = {"start": 12.4, "tokens": 0.2, "base": 31, "steps": 300, "checkpoints": 3.2, "dev": 70}
    measured = {"whole": whole, "memory": 2.94e9, "temperature": None}
    cached = {"plan": FOUND["plan"] | {"cached": True, "tokens_at_once": 12_000}}
    known = {name: value for name, value in FOUND.items() if name != "lacking"}
    told = drawn(known | measured | cached, training={"symmetric": False, "mask_false_negatives": False})
    assert "cached: 12,000 tokens at once, the same negatives as in the batch\n" in told
    assert "documents alone, the temperature that fits the base on dev\n" in told
    assert "duplicates   none: a batch never holds a text twice\n" in told
    assert "memory       2.9 GB of the training process at the peak (measured: some steps were tried)\n" in told
    parts = "steps 5m 00s, scoring dev 1m 10s, the base's view of every text 31s, checkpoints 3s, starting 12s"
    assert f"time         about 6m 57s: {parts}\n               4.62 s a step" in told

"""What a plan says before anything is trained: exact where it can be, measured by a real trial elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components.retrieval.encoder import Encoder
from components.store.errors import UserError
from components.training import estimate as estimating
from components.training import planner, sample, trial
from components.training.config import TrainingConfig
from components.training.estimate import estimate
from components.training.job import Data, Job, Trial
from components.training.loss import Chunks
from components.training.sample import duplicates, part
from components.training.texts import Texts
from components.training.world import World

PARTS = {"start", "tokens", "base", "steps", "checkpoints", "dev"}


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_goal_is_enough_and_the_trial_measures_every_part(data: Data, tmp_path: Path) -> None:
    work, before = folder(tmp_path / "work"), sorted(data.pairs.parent.rglob("*"))
    found = estimate(data, 0, TrainingConfig(negatives=23, steps=500), Trial(), work)
    assert (found["plan"]["true_negatives"], found["plan"]["batch"], found["plan"]["steps"]) == (23, 24, 500)
    assert (found["load"]["pairs"], found["duplicates"], found["temperature"]) == (60, 0.0, None)
    assert set(found["whole"]) == PARTS and min(found["whole"].values()) > 0
    assert found["memory"] > 100e6
    assert sorted(data.pairs.parent.rglob("*")) == before


def test_accumulated_batches_do_not_see_each_other_and_pairs_can_be_assumed(data: Data, tmp_path: Path) -> None:
    config = TrainingConfig(batch_size=16, gradient_accumulation=4, mask_false_negatives=False)
    found = estimate(data, 0, config, Trial(6400, 1, 40), folder(tmp_path / "work"))
    assert (found["plan"]["true_negatives"], found["plan"]["steps"]) == (31, 100)
    assert found["load"] == {"pairs": 6400, "negatives": 1, "tokens": 92.0, "distinct": 6400}
    assert found["whole"]["base"] == 0.0
    assert "sees 31, not 127" in found["plan"]["warnings"][0]


def test_without_the_gpus_nothing_is_said_of_time_and_memory(data: Data, tmp_path: Path) -> None:
    found = estimate(data, 2, TrainingConfig(batch_size=8), Trial(), folder(tmp_path / "work"))
    assert (found["plan"]["true_negatives"], found["plan"]["steps"], found["lacking"]) == (15, 4, "no GPU")
    assert not {"memory", "whole"} & set(found)


@pytest.mark.parametrize(("here", "lacking"), [(1, "1 GPU"), (8, "8 GPUs")])
def test_other_gpus_than_asked_for_are_named(data, tmp_path, monkeypatch, here, lacking):
    monkeypatch.setattr(estimating, "_here", lambda: here)
    assert estimate(data, 2, TrainingConfig(), Trial(), folder(tmp_path / "work"))["lacking"] == lacking


def test_what_a_training_would_refuse_the_trial_refuses(data: Data, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nothing to train on: found 1 pairs"):
        estimate(data, 0, TrainingConfig(), Trial(1), folder(tmp_path / "work"))


def test_two_processes_try_together_and_one_writes(data: Data, tmp_path: Path) -> None:
    job = Job(data, folder(tmp_path / "work"), 2, 0, TrainingConfig(batch_size=8), trial=Trial())
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_addr", "127.0.0.1"]
    done = subprocess.run([*torchrun, "-m", "components.training", str(job.write())], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    found = json.loads(job.facts.read_text())
    assert (found["plan"]["true_negatives"], found["plan"]["pairs_per_step"]) == (15, 16)


def test_a_batch_too_large_to_be_tried_is_tried_in_part(data: Data, tmp_path: Path, monkeypatch) -> None:
    base = Encoder.load(data.base).model
    job = Job(data, tmp_path, 1, 0, TrainingConfig(negatives=511), trial=Trial(5000, 0, 40))
    found, world, size = sample.take(job, base, tmp_path), World("cpu", 1, 0, 0, 1), planner.measure(base)
    plan = planner.plan(job.config, found.load, 1)
    whole = trial._batches(found, world, size, plan)
    monkeypatch.setitem(trial.WORK, "cpu", size.flops(found.load.tokens) * 32)
    less = trial._batches(found, world, size, plan)
    assert (whole.size, less.size, len(less.texts.rows)) == (512, 32, 32 * trial.STEPS)
    assert less.mean == pytest.approx(whole.mean, rel=0.02)


def test_padding_is_counted_as_it_goes_through_the_model() -> None:
    lengths = [5, 3, 3, 1]
    found = Texts(np.zeros(12, np.uint32), np.cumsum([0, *lengths]), np.array([[3, 0], [1, 2]], np.int32))
    rows = np.array([0, 1])
    assert trial._padded(found, rows, Chunks(texts=4)) == 20
    assert trial._padded(found, rows, Chunks(texts=2)) == 5 * 2 + 3 * 2
    assert trial._padded(found, rows, Chunks(tokens=6)) == 5 + 3 * 2 + 1


def test_a_part_has_the_same_rows() -> None:
    found = Texts(np.arange(10, dtype=np.uint32), np.array([0, 1, 3, 6, 10]), np.array([[0, 1], [2, 3], [2, 1]], "i4"))
    some = part(found, np.array([2, 1]))
    assert [[some.text(number).tolist() for number in row] for row in some.rows] == [
        [[3, 4, 5], [1, 2]],
        [[3, 4, 5], [6, 7, 8, 9]],
    ]


def test_expected_duplicates_are_those_that_a_draw_finds() -> None:
    draw = np.random.default_rng(1)
    rows = np.stack([np.arange(400), 400 + draw.integers(0, 60, 400)], axis=1).astype(np.int32)
    assert duplicates(rows, 8, 1) == 0.0
    assert duplicates(np.arange(800, dtype=np.int32).reshape(400, 2), 8, 4) == 0.0
    found = [_surplus(rows, draw, 8, 4) for _ in range(400)]
    assert duplicates(rows, 8, 4) == pytest.approx(np.mean(found), rel=0.1)


def _surplus(rows: np.ndarray, draw: np.random.Generator, batch: int, processes: int) -> int:
    """Copies in a joint batch, drawn as the sampler draws: rows that would repeat a text wait."""
    waiting, batches = draw.permutation(len(rows)).tolist(), list[set[int]]()
    for _ in range(processes):
        held, took = set[int](), 0
        for row in list(waiting):
            if took < batch and not held & set(rows[row].tolist()):
                held |= set(rows[row].tolist())
                waiting.remove(row)
                took += 1
        batches.append(held)
    return sum(map(len, batches)) - len(set().union(*batches))

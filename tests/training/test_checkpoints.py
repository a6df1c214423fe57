"""Checkpoints are whole or do not exist."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from components.training import checkpoints
from components.training.checkpoints import SEAL, Mirror


def make(folder: Path, step: int, *, sealed: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    (path / "model.safetensors").write_bytes(bytes([step]) * 1000)
    (path / "optimizer.pt").write_bytes(bytes([step + 1]) * 2000)
    if sealed:
        checkpoints.seal(path, {"curve": [[0, 0.5], [step, 0.6]]})
    return path


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[500] ^= 1
    path.write_bytes(bytes(body))


DAMAGE = {
    "a bit flipped": lambda path: flip(path / "optimizer.pt"),
    "cut short": lambda path: (path / "model.safetensors").write_bytes(b"\2" * 999),
    "a file lost": lambda path: (path / "optimizer.pt").unlink(),
    "the seal lost": lambda path: (path / SEAL).unlink(),
    "the seal cut short": lambda path: (path / SEAL).write_bytes((path / SEAL).read_bytes()[:-9]),
    "a seal that names nothing": lambda path: (path / SEAL).write_text('{"files": {}, "known": {}}'),
    "the seal of something else": lambda path: (path / SEAL).write_text("[1]"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_one_is_passed_over(tmp_path, damage):
    older, newer = make(tmp_path, 1), make(tmp_path, 2)
    assert checkpoints.newest(tmp_path).path == newer
    DAMAGE[damage](newer)
    found = checkpoints.newest(tmp_path)
    assert (found.path, found.step, found.known) == (older, 1, {"curve": [[0, 0.5], [1, 0.6]]})


def test_one_that_was_never_finished_is_none(tmp_path):
    make(tmp_path, 3, sealed=False)
    assert checkpoints.newest(tmp_path) is None


def test_the_newest_two_and_the_best_stay(tmp_path):
    for step in (2, 10, 3, 4, 5):
        make(tmp_path, step)
    checkpoints.prune(tmp_path, best=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-10", "checkpoint-3", "checkpoint-5"]


def test_a_mirror_gives_back_the_newest_and_the_best_and_forgets_the_rest(s3, tmp_path):
    state = f"s3://tests/mirror-{secrets.token_hex(4)}"
    mirror = Mirror(state, {"pairs": "1"})
    made = {step: make(tmp_path / "one", step) for step in (1, 2, 3)}
    mirror.push(made[1], None)
    mirror.push(made[2], made[1])
    mirror.push(made[3], made[2])
    mirror.pull(tmp_path / "other")
    assert sorted(path.name for path in (tmp_path / "other").iterdir()) == ["checkpoint-2", "checkpoint-3"]
    assert checkpoints.newest(tmp_path / "other").step == 3
    Mirror(state, {"pairs": "2"}).pull(tmp_path / "third")
    assert not (tmp_path / "third").exists(), "another training's"
    mirror.clear()
    mirror.pull(tmp_path / "fourth")
    assert not (tmp_path / "fourth").exists()

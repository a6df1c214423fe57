"""What goes wrong while real processes train: tried again rightly, or one typed error and no candidate."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from components.store.digests import file_digest
from components.store.errors import TouchstoneError
from components.store.s3 import Folder
from components.training.config import TrainingConfig
from components.training.job import Attempt, Data, Job
from components.training.launch import launch
from components.training.planner import Plan, Size
from components.training.watch import Meter, Watch
from components.training.world import World

QUICK = TrainingConfig(
    steps=8, batch_size=16, learning_rate=3e-3, temperature=0.05, evaluations=4, dev_documents=60, blend=False
)
ROOT = Path(__file__).parents[2]


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch):
    """Make every training process have a fault."""

    def arm(fault: str, processes: int = 1) -> None:
        several = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
        several += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
        line = [sys.executable, *(several if processes > 1 else []), "-m", "tests.training.faults"]
        monkeypatch.setattr("components.training.launch.command", lambda job, gpus: [*line, str(job), fault])

    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return arm


def known_of(candidate: Path) -> dict:
    found: dict = json.loads((candidate / "training.json").read_text())
    return found


def test_memory_that_runs_out_keeps_the_negatives(data, tmp_path, broken, capfd):
    broken("memory:1300")
    launch(data, "0", QUICK.model_copy(update={"negatives": 59, "steps": 2}), tmp_path / "candidate")
    known = known_of(tmp_path / "candidate")
    assert (known["plan"]["cached"], known["plan"]["true_negatives"]) == (True, 59)
    assert "memory ran out: once more" in capfd.readouterr().out


def test_weights_that_are_no_numbers_go_back_to_the_last_checkpoint_with_half_the_rate(data, tmp_path, broken):
    broken("number:5")
    launch(data, "0", QUICK, tmp_path / "candidate")
    known = known_of(tmp_path / "candidate")
    assert known["attempt"] == {"number": 1, "slower": 1, "tokens_at_once": None}
    assert [step for step, _ in known["dev"]] == [0, 2, 4, 6, 8], "not measured twice"
    assert max(rate for _, rate in known["rates"] if rate) <= 3e-3
    assert dict(map(tuple, known["rates"]))[6] < 3e-3 / 2


@pytest.mark.parametrize(
    ("fault", "code", "config"),
    [
        ("hang:2", "TRAINING_HANGS", {"patience_minutes": 0.12}),
        ("disk:2", "DISK_FULL", {}),
    ],
)
def test_what_cannot_be_mended_is_one_typed_error_and_leaves_nothing(data, tmp_path, broken, fault, code, config):
    broken(fault)
    with pytest.raises(TouchstoneError) as found:
        launch(data, "0", QUICK.model_copy(update=config), tmp_path / "candidate")
    assert found.value.code == code
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_a_killed_rank_ends_them_all(data, tmp_path, broken, monkeypatch):
    broken("kill:2", processes=2)
    monkeypatch.setattr("components.training.launch.processes", lambda gpus: 2)
    with pytest.raises(TouchstoneError) as found:
        launch(data, "0", QUICK, tmp_path / "candidate")
    assert found.value.code == "TRAINING_DIED"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    ours = [path for path in Path("/proc").glob("[0-9]*/cmdline") if str(tmp_path).encode() in _read(path)]
    assert ours == []


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def test_an_interrupted_training_ends_as_one_that_never_was(s3, data, tmp_path, broken, monkeypatch):
    """Told to end after a checkpoint, then killed while writing one, then left alone: three machines, one state."""
    state = f"s3://tests/resume-{secrets.token_hex(4)}"
    config = QUICK.model_copy(update={"mirror_checkpoints": True})
    launch(data, "0", config, tmp_path / "whole")
    assert interrupted(data, config, tmp_path / "first", state) == "INTERRUPTED"
    stopped = mirrored(state)
    assert stopped
    with monkeypatch.context() as torn:
        torn.setattr("components.training.launch.command", _torn(broken))
        with pytest.raises(TouchstoneError) as found:
            launch(data, "0", config, tmp_path / "second", state)
    assert found.value.code == "TRAINING_DIED"
    assert steps(mirrored(state)) > steps(stopped), "it went on from there"
    launch(data, "0", config, tmp_path / "third", state)
    assert file_digest(tmp_path / "third" / "model.safetensors") == file_digest(
        tmp_path / "whole" / "model.safetensors"
    )
    assert known_of(tmp_path / "third")["dev"] == known_of(tmp_path / "whole")["dev"]
    assert mirrored(state) == set(), "forgotten once the training is over"


def _torn(broken):
    return lambda job, gpus: [sys.executable, "-m", "tests.training.faults", str(job), "torn:8"]


def mirrored(state: str) -> set[str]:
    return {entry.key for entry in Folder(f"{state}/cache/checkpoints").list() if entry.key.endswith("seal.json")}


def steps(seals: set[str]) -> int:
    """The newest of those checkpoints."""
    return max(int(key.split("/")[1].rpartition("-")[2]) for key in seals)


STEP = """
import json, sys
from pathlib import Path
from components.store.errors import TouchstoneError
from components.training.config import TrainingConfig
from components.training.job import Data
from components.training.launch import launch

data, config, out, state = json.loads(sys.argv[1])
try:
    launch(Data(*map(Path, data)), "0", TrainingConfig(**config), Path(out), state)
except TouchstoneError as error:
    print("CODE", error.code)
"""


def interrupted(data: Data, config: TrainingConfig, out: Path, state: str) -> str:
    """Start a step of its own, end it with SIGTERM after its first checkpoint; the code of its error."""
    values = json.dumps([[str(path) for path in vars(data).values()], config.model_dump(), str(out), state])
    process = subprocess.Popen([sys.executable, "-c", STEP, values], stdout=subprocess.PIPE, text=True)
    while process.poll() is None and not mirrored(state):
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    return process.communicate(timeout=60)[0].rpartition("CODE ")[2].strip()


def test_the_rate_of_an_attempt_is_its_own_whatever_the_checkpoint_says(tmp_path):
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([weight], lr=4e-3)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / 8)
    for _ in range(4):
        optimizer.step()
        scheduler.step()
    job = Job(Data(*[tmp_path] * 4), tmp_path, 1, 0, QUICK, Attempt(slower=1))
    watch = Watch(job, World("cpu", 1, 0, 0, 1), Plan(8, 16, 16, 15), Size(1, 1, 1), Meter(), [(0, 0.5)])
    watch.on_train_begin(
        SimpleNamespace(learning_rate=2e-3),
        SimpleNamespace(global_step=4),
        None,
        optimizer=optimizer,
        lr_scheduler=scheduler,
    )
    assert optimizer.param_groups[0]["lr"] == pytest.approx(1e-3)
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(2e-3 * 3 / 8)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)

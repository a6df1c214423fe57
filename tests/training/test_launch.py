"""From artifacts to a candidate, in real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from components.pairs.pair import PAIR_SCHEMA, Pair
from components.store.artifact import Artifact, ArtifactWriter
from components.store.digests import file_digest
from components.store.errors import TouchstoneError, UserError
from components.store.models import Model
from components.training.config import TrainingConfig
from components.training.job import Data, Job
from components.training.launch import command, launch

QUICK = TrainingConfig(
    steps=4, batch_size=16, learning_rate=3e-3, temperature=0.05, evaluations=2, dev_documents=60, blend=False
)


@pytest.mark.parametrize(("gpus", "kind"), [(0, ["--cpu", "--num_processes", "1"]), (1, ["--num_processes", "1"])])
def test_one_process_on_a_processor_or_a_gpu(gpus: int, kind: list[str]) -> None:
    line = command(Path("job.json"), gpus)
    assert line[3 : 3 + len(kind)] == kind
    assert line[-3:] == ["-m", "components.training", "job.json"]


def test_several_gpus_are_several_processes() -> None:
    assert command(Path("job.json"), 4)[3:6] == ["--multi_gpu", "--num_processes", "4"]


def test_a_candidate_is_trained_with_hard_negatives(data: Data, tmp_path: Path) -> None:
    rows = [Pair.from_row(row) for row in Artifact.open(data.pairs, "pairs").rows("pairs")]
    with ArtifactWriter(data.pairs, "pairs") as out:
        hard = (replace(pair, negatives=(rows[n - 1].positive,)[: n % 2]) for n, pair in enumerate(rows))
        out.table("pairs", PAIR_SCHEMA, (pair.row() for pair in hard))
    launch(data, "0", QUICK, tmp_path / "candidate")
    known = json.loads((tmp_path / "candidate" / "training.json").read_text())
    assert known["true_negatives"] == 31
    assert known["dev_best"] > known["dev"][0][1], "it learned"


def test_a_candidate_says_how_it_was_made(data: Data, tmp_path: Path) -> None:
    launch(data, "0", QUICK, tmp_path / "candidate")
    model = Model.open(tmp_path / "candidate")
    assert model.fingerprint != Model.open(data.base).fingerprint
    known = json.loads((model.path / "training.json").read_text())
    assert (known["true_negatives"], known["steps"], known["processes"]) == (15, 4, 1)
    assert known["split_segments"] == 3
    assert known["base_licence"] == "unknown" and known["material"].keys() == {"pairs", "queries", "languages"}
    assert [step for step, _ in known["dev"]] == [0, 2, 4]
    assert known["dev_best"] > known["dev"][0][1], "it learned"
    assert not (model.path / "README.md").exists(), "the library's card would quote documents"
    assert Artifact.open(model.path, "model").manifest["inputs"]["pairs"] == Artifact.open(data.pairs, "pairs").digest
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(("tmp", "."))] == []


def test_the_base_stays_when_nothing_is_better(data: Data, tmp_path: Path) -> None:
    launch(data, "0", QUICK.model_copy(update={"learning_rate": 1e-7, "steps": 2}), tmp_path / "candidate")
    kept, base = (file_digest(folder / "model.safetensors") for folder in (tmp_path / "candidate", data.base))
    assert kept == base


def test_processes_that_die_leave_a_typed_error_and_no_candidate(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    monkeypatch.setattr("components.training.launch.command", lambda job, gpus: killed)
    with pytest.raises(TouchstoneError, match="died") as found:
        launch(data, "0", QUICK, tmp_path / "candidate")
    assert (found.value.code, found.value.found) == ("TRAINING_DIED", "exit code -9")
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_gpus_that_are_not_there_are_not_replaced_by_the_processor(data: Data, tmp_path: Path) -> None:
    with pytest.raises(TouchstoneError) as found:
        launch(data, "2", QUICK, tmp_path / "candidate")
    assert (found.value.code, found.value.found, found.value.expected) == ("WRONG_DEVICES", "0", "2")
    assert not (tmp_path / "candidate").exists()


def test_a_wrong_number_of_processes_is_noticed_inside(data: Data, tmp_path: Path) -> None:
    job = Job(data, tmp_path, 3, 0, QUICK)
    assert subprocess.run([sys.executable, "-m", "components.training", str(job.write())], check=False).returncode == 1
    assert json.loads(job.error.read_text())["code"] == "WORLD_SIZE"


def test_two_processes_train_together_and_one_writes(data: Data, tmp_path: Path) -> None:
    job = Job(data, tmp_path, 2, 0, QUICK)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_addr", "127.0.0.1"]
    done = subprocess.run([*torchrun, "-m", "components.training", str(job.write())], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert json.loads((job.model / "training.json").read_text())["processes"] == 2


def test_two_machines_of_a_trainjob_are_one_world(data: Data, tmp_path: Path) -> None:
    (work := tmp_path / "work").mkdir()
    path = Job(data, work, 2, 0, QUICK).write()
    line = [sys.executable, "-m", "tests.training.machines", str(path)]
    done = subprocess.run(line, check=False, capture_output=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    known = json.loads((work / "model" / "training.json").read_text())
    assert (known["processes"], known["true_negatives"]) == (2, 31)
    assert (work / "second" / "texts" / "rows.npy").exists(), "each machine tokenizes for itself"
    assert not (work / "second" / "model").exists(), "one writes"


def test_gpus_that_are_no_number(data: Data, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no whole number"):
        launch(data, "two", QUICK, tmp_path / "candidate")

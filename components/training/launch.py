"""Starts the training processes, waits for them, and makes an artifact of what they leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from components.store.artifact import Artifact
from components.store.errors import TouchstoneError, UserError
from components.store.events import note
from components.store.models import Model, write_model
from components.training.config import TrainingConfig
from components.training.job import Data, Job


def launch(data: Data, gpus: str, config: TrainingConfig, out: Path) -> None:
    """Train on every GPU asked for (or the processor when `gpus` is "0") and write the candidate to `out`.

    Raises:
        TouchstoneError: whatever the processes put on record, or TRAINING_DIED.
    """
    if not gpus.isdecimal():
        raise UserError("BAD_GPUS", "the number of GPUs is no whole number", found=gpus, expected='"0", "1", ...')
    base_model = Model.open(data.base).require("base")
    inputs = {"pairs": Artifact.open(data.pairs, "pairs").digest, "base": base_model.fingerprint}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as work:
        job = Job(data, Path(work), max(1, int(gpus)), int(gpus), config)
        _run(command(job.write(), int(gpus)), job)
        write_model(out, job.model, reference="candidate", inputs=inputs)
    known = json.loads((out / "training.json").read_text())
    note(
        f"{known['steps']} steps, {known['true_negatives']} true negatives per anchor, "
        f"dev nDCG@10 {known['dev'][0][1]:.3f} -> {known['dev_best']:.3f}",
        **known,
    )


def command(job: Path, gpus: int) -> list[str]:
    """The command line of the launcher.

    `accelerate launch --cpu` with several processes silently trains on one, so a processor always gets one process.
    """
    kind = ["--multi_gpu"] if gpus > 1 else ["--cpu"] if gpus == 0 else []
    threads = ["--num_cpu_threads_per_process", str(max(1, (os.cpu_count() or 1) // max(1, gpus)))]
    plain = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    head = [sys.executable, "-m", "accelerate.commands.launch", *kind, "--num_processes", str(max(1, gpus))]
    return [*head, *threads, *plain, "-m", "components.training", str(job)]


def _run(line: list[str], job: Job) -> None:
    code = subprocess.run(line, check=False).returncode
    if job.error.exists():
        raise TouchstoneError.from_record(json.loads(job.error.read_text()))
    if code or not job.model.exists():
        fix = "See the step's log; exit code -9 or 137 means that memory ran out: lower training.batch_size."
        raise TouchstoneError("TRAINING_DIED", "the training processes died", found=f"exit code {code}", fix=fix)

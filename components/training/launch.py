"""Starts the training processes, watches over them, and makes an artifact of what they leave."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil

from components.store.artifact import Artifact
from components.store.errors import TouchstoneError, UserError
from components.store.events import note, warn
from components.store.models import Model, write_model
from components.training import zero
from components.training.config import TrainingConfig
from components.training.job import Data, Job
from components.training.lineage import remember
from components.training.recovery import again
from components.training.termination import on_termination

Keep = Callable[[Path], None]


def nothing(_: Path) -> None:
    """No guards."""


def launch(data: Data, gpus: str, config: TrainingConfig, out: Path, state: str = "", keep: Keep = nothing) -> str:
    """Train on every GPU asked for (or the processor when `gpus` is "0") and write the candidate to `out`.

    With `config.nodes`, a TrainJob does it, on so many GPUs of each node.

    Args:
        data: What is trained.
        gpus: How many GPUs of a machine, as a string.
        config: The recipe's section.
        out: Where the candidate goes; nothing is left there on failure.
        state: The line's state, for `config.mirror_checkpoints`.
        keep: Leaves the dev parts of guards in a folder.

    Returns:
        LEARNED, or NOTHING_LEARNED when the candidate is the base itself.

    Raises:
        TouchstoneError: whatever the processes put on record, TRAINING_DIED or TRAINING_HANGS.
    """
    if not gpus.isdecimal():
        raise UserError("BAD_GPUS", "the number of GPUs is no whole number", found=gpus, expected='"0", "1", ...')
    together = processes(int(gpus)) * (config.nodes.count if config.nodes else 1)
    zero.require(config, together)
    base_model = Model.open(data.base).require("base")
    inputs = {"pairs": Artifact.open(data.pairs, "pairs").digest, "base": base_model.fingerprint}
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as work:
        mirror = state if config.mirror_checkpoints else ""
        job = Job(data, Path(work), together, int(gpus), config, mirror=mirror)
        keep(job.guards)
        _elsewhere(job, state) if config.nodes else _persist(job)
        remember(job.model, data.pairs, data.base)
        write_model(out, job.model, reference="candidate", inputs=inputs)
    known = json.loads((out / "training.json").read_text())
    _tell(known)
    return "LEARNED" if known["learned"] else "NOTHING_LEARNED"


def _elsewhere(job: Job, state: str) -> None:
    """On other machines than this one; who trains here needs no client of a cluster."""
    from components.training.nodes import train

    train(job, state)


def _tell(known: dict[str, object]) -> None:
    """The step's result in a few words."""
    dev, masked = known["dev"], known["masked"]
    text = f"{known['steps']} steps, {known['true_negatives']} true negatives per anchor ({masked:.1%} masked), "
    text += f"dev nDCG@10 {dev[0][1]:.3f} -> {known['dev_best']:.3f}"  # type: ignore[index]
    blended = known["blend"]
    text += "" if blended == 1.0 else f", {blended:.0%} of the way from the base" if blended else ", nothing learned"
    note(text, **known)


def processes(gpus: int) -> int:
    """One for each GPU; a processor has one that uses all cores."""
    return max(1, gpus)


def command(job: Path, gpus: int) -> list[str]:
    """The command line of the launcher.

    `accelerate launch --cpu` with several processes silently trains on one, so a processor always gets one process.
    """
    kind = ["--multi_gpu"] if gpus > 1 else ["--cpu"] if gpus == 0 else []
    threads = ["--num_cpu_threads_per_process", str(max(1, (os.cpu_count() or 1) // processes(gpus)))]
    plain = ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
    head = [sys.executable, "-m", "accelerate.commands.launch", *kind, "--num_processes", str(processes(gpus))]
    return [*head, *threads, *plain, "-m", "components.training", str(job)]


def _persist(job: Job) -> None:
    """Run attempts until one ends well or an error stands."""
    while True:
        try:
            return run(command(job.write(), job.gpus), job)
        except TouchstoneError as error:
            tokens = json.loads(job.plan.read_text())["tokens"] if job.plan.exists() else 0
            found = again(error, job.attempt, tokens, cached=job.config.deepspeed is None)
            if found is None:
                raise
            warn(found[1])
            job.error.unlink(missing_ok=True)
            job = replace(job, attempt=found[0])


def run(line: list[str], job: Job, *, leaves_model: bool = True) -> None:
    """One attempt on this machine.

    Args:
        line: The command line that starts its processes.
        job: What they train.
        leaves_model: Whether the first process of all is here, which writes the model.

    Raises:
        TouchstoneError: what the processes put on record, TRAINING_DIED or TRAINING_HANGS.
    """
    job.pulse.touch()
    process = subprocess.Popen(line, env=os.environ | {"TOUCHSTONE_PULSE": str(job.pulse)})
    with on_termination(job.stop.touch):  # the processes save their work after the step that they are in
        try:
            while process.poll() is None:
                _alive(job)
                time.sleep(0.1)
        finally:
            end(process)
    if job.error.exists():
        raise TouchstoneError.from_record(json.loads(job.error.read_text()))
    if process.returncode or (leaves_model and not (job.model / "training.json").exists()):
        fix = "See the step's log; exit code -9 or 137 means that memory ran out: set training.tokens_at_once."
        found = f"exit code {process.returncode}"
        raise TouchstoneError("TRAINING_DIED", "the training processes died", found=found, fix=fix)


def _alive(job: Job) -> None:
    """Processes that tell nothing for too long hang: one waits for another that will never come."""
    silent = (time.time() - job.pulse.stat().st_mtime) / 60
    if silent > job.config.patience_minutes:
        fix = "See the step's log for the process that is missing, or raise training.patience_minutes."
        found, expected = f"{silent:.1f} minutes without a step", f"at most {job.config.patience_minutes:g}"
        raise TouchstoneError("TRAINING_HANGS", "the training processes hang", found=found, expected=expected, fix=fix)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started; no rank may go on alone."""
    with contextlib.suppress(psutil.NoSuchProcess):
        family = psutil.Process(process.pid).children(recursive=True)
        for one in family if process.poll() is None else []:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
    if process.poll() is None:
        process.kill()
    process.wait()

"""What a training would do and take, before it is run: `python -m components.training.estimate REQUEST.json OUT.json`.

Steps and negatives are exact. Time and memory are measured by a trial (`components.training.trial`) on this machine;
where the recipe asks for GPUs that this machine lacks, nothing is said about them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from components.store.errors import TouchstoneError, UserError
from components.store.events import note, step
from components.store.pull import pin, pull
from components.training import launch
from components.training.config import TrainingConfig
from components.training.job import Data, Job, Trial


def estimate(data: Data, gpus: int, config: TrainingConfig, trial: Trial, work: Path) -> dict[str, Any]:
    """Plan a training, and try it where this machine has what it asks for.

    Args:
        data: The artifacts; with `trial.pairs` only the base's.
        gpus: What the recipe asks for; 0 is the processor.
        config: The recipe's section.
        trial: The line's own pairs, or how many to assume.
        work: An empty folder.

    Returns:
        `plan` and `load` (`planner.Plan`, `planner.Load`), `duplicates`, `rate`, `temperature` (None: fitted on
        dev), `parameters`, and of a trial `whole` (seconds by what they go into) and `memory` (bytes at the peak of a
        process, or of a GPU); else `lacking`, what this machine has.

    Raises:
        TouchstoneError: TOO_FEW_PAIRS, what else a training raises, TRIAL_DIED.
    """
    job = Job(data, work, launch.processes(gpus), gpus, config, trial=trial)
    here = _here()
    if gpus and here != gpus:
        return _planned(job) | {"lacking": f"{here or 'no'} GPU{'s' * (here > 1)}"}
    line, start = launch.command(job.write(), gpus), time.monotonic()
    code = subprocess.run(line, check=False).returncode
    seconds = time.monotonic() - start
    if job.error.exists():
        raise TouchstoneError.from_record(json.loads(job.error.read_text()))
    if code or not job.facts.exists():
        fix = "See the log; exit code -9 or 137 means that memory ran out: set training.tokens_at_once."
        raise TouchstoneError("TRIAL_DIED", "trying a few steps failed", found=f"exit code {code}", fix=fix)
    facts: dict[str, Any] = json.loads(job.facts.read_text())
    spent = sum(facts.pop("spent").values())  # what is left was done once, as a training does
    return facts | {"whole": {"start": max(0.0, seconds - spent), **facts["whole"]}}


def _here() -> int:
    """GPUs of this machine."""
    import torch

    return int(torch.cuda.device_count())


def _planned(job: Job) -> dict[str, Any]:
    """What needs no GPU."""
    from components.retrieval.encoder import Encoder
    from components.training import planner, sample, trial

    base = Encoder.load(job.data.base).model
    found = sample.take(job, base, job.work / "texts")
    return trial.facts(job, found, planner.plan(job.config, found.load, job.processes), planner.measure(base))


def _asked(asked: dict[str, Any], work: Path) -> dict[str, Any]:
    """What a request names, estimated."""
    reference = pin(asked["base_model"], base=True)
    if not reference:
        fix = "Publish the base there, or correct base_model."
        raise UserError("NO_MODEL", f"{asked['base_model']} holds no model", fix=fix)
    pull(reference, work / "base", optional=False)
    paths = {name: Path(asked["paths"].get(name, work)) for name in ("pairs", "judged", "passages")}
    config = TrainingConfig.parse(asked["config"], where="training")
    (work / "trial").mkdir()
    data = Data(**paths, base=work / "base")
    return estimate(data, asked["gpus"], config, Trial(**asked["trial"]), work / "trial")


def main(request: str, out: str) -> int:
    """Estimate what the file `request` asks for and write it to `out`.

    Args:
        request: JSON with `base_model`, `gpus`, `config`, `trial` (`job.Trial`) and `paths` of the artifacts.
        out: Where the answer goes, as JSON.
    """
    try:
        with step("plan"), tempfile.TemporaryDirectory(dir=Path(out).parent) as work:
            found = _asked(json.loads(Path(request).read_bytes()), Path(work))
            Path(out).write_text(json.dumps(found))
            note("a few steps were tried" if "whole" in found else "nothing was tried: the GPUs are not here")
    except TouchstoneError:
        return 1  # the step has told it
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

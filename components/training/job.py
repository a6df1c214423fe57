"""The one file that crosses from the step to the training processes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from components.training.config import TrainingConfig


@dataclass(frozen=True)
class Data:
    """The artifacts that training reads."""

    pairs: Path
    judged: Path
    passages: Path
    base: Path


@dataclass(frozen=True)
class Job:
    """What to train, with what, and where to leave the result.

    Attributes:
        work: A folder of this run alone: checkpoints, `model/`, `training.json`, `error.json`.
        processes: How many processes there must be; checked inside.
        gpus: How many GPUs each of them must see; checked inside, 0 for the processor.
    """

    data: Data
    work: Path
    processes: int
    gpus: int
    config: TrainingConfig

    @property
    def model(self) -> Path:
        """Where the trained model goes."""
        return self.work / "model"

    @property
    def error(self) -> Path:
        """Where a typed error goes."""
        return self.work / "error.json"

    def write(self) -> Path:
        """Put the job into its folder."""
        path = self.work / "job.json"
        data = {name: str(value) for name, value in vars(self.data).items()}
        known = {
            "work": str(self.work),
            "processes": self.processes,
            "gpus": self.gpus,
            "config": self.config.model_dump(),
        }
        path.write_text(json.dumps(known | {"data": data}))
        return path

    @classmethod
    def read(cls, path: Path) -> Job:
        """The job in that file."""
        values = json.loads(path.read_text())
        config = TrainingConfig.parse(values["config"], where="training")
        data = Data(**{name: Path(value) for name, value in values["data"].items()})
        return cls(data, Path(values["work"]), values["processes"], values["gpus"], config)

"""The one file that crosses from the step to the training processes, and where they leave things."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from components.training.config import TrainingConfig


@dataclass(frozen=True)
class Data:
    """The artifacts that training reads."""

    pairs: Path
    judged: Path
    passages: Path
    base: Path


@dataclass(frozen=True)
class Attempt:
    """What was changed since the first one.

    Attributes:
        number: Counts from 0.
        tokens_at_once: Tokens in one pass, after memory ran out; None as the plan says.
        slower: How often the learning rate was halved, after a loss that is no number.
    """

    number: int = 0
    tokens_at_once: int | None = None
    slower: int = 0


@dataclass(frozen=True)
class Trial:
    """A few steps that are measured, in place of a training.

    Attributes:
        pairs: How many pairs to assume; 0 for those of the artifacts. Assumed ones have texts that mean nothing.
        negatives: Hard negatives of each assumed pair.
        tokens: Tokens of an assumed passage.
    """

    pairs: int = 0
    negatives: int = 0
    tokens: int = 128


@dataclass(frozen=True)
class Job:
    """What to train, with what, and where to leave the result.

    Attributes:
        work: A folder of this run alone, seen by all processes of a machine.
        processes: How many processes there must be; checked inside.
        gpus: How many GPUs each machine must show; checked inside, 0 for the processor.
        mirror: Where checkpoints are kept besides; "" for nowhere.
        trial: Measure a few steps rather than train.
    """

    data: Data
    work: Path
    processes: int
    gpus: int
    config: TrainingConfig
    attempt: Attempt = field(default_factory=Attempt)
    mirror: str = ""
    trial: Trial | None = None

    @property
    def model(self) -> Path:
        """Where the trained model goes."""
        return self.work / "model"

    @property
    def error(self) -> Path:
        """Where a typed error goes."""
        return self.work / "error.json"

    @property
    def stop(self) -> Path:
        """Made by the launcher when it is told to end."""
        return self.work / "stop"

    @property
    def pulse(self) -> Path:
        """Touched whenever something is told; old when everything hangs."""
        return self.work / "pulse"

    @property
    def plan(self) -> Path:
        """What the processes planned."""
        return self.work / "plan.json"

    @property
    def facts(self) -> Path:
        """What a trial measured."""
        return self.work / "facts.json"

    @property
    def guards(self) -> Path:
        """Where the dev parts of guards lie."""
        return self.work / "guards"

    @property
    def checkpoints(self) -> Path:
        """Where checkpoints lie."""
        return self.work / "checkpoints"

    def write(self) -> Path:
        """Put the job into its folder."""
        path = self.work / "job.json"
        data = {name: str(value) for name, value in vars(self.data).items()}
        known: dict[str, Any] = {name: getattr(self, name) for name in ("processes", "gpus", "mirror")}
        known |= {"work": str(self.work), "config": self.config.model_dump(), "attempt": asdict(self.attempt)}
        known["trial"] = asdict(self.trial) if self.trial else None
        path.write_text(json.dumps(known | {"data": data}))
        return path

    @classmethod
    def read(cls, path: Path) -> Job:
        """The job in that file."""
        values = json.loads(path.read_text())
        values |= {
            "config": TrainingConfig.parse(values["config"], where="training"),
            "data": Data(**{name: Path(value) for name, value in values["data"].items()}),
            "attempt": Attempt(**values["attempt"]),
            "work": Path(values["work"]),
            "trial": Trial(**values["trial"]) if values["trial"] else None,
        }
        return cls(**values)

"""The campaign of faults in real training processes: every fault at every step, one process and several.

The oracle: a training that was killed, told to end or torn, started again, ends with the weights of one that never
was; any other fault is mended as it should be, or is one typed error and no candidate. No process is left behind.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from safetensors.numpy import load_file

from components.pairs.pair import PAIR_SCHEMA, Pair
from components.store.artifact import Artifact, ArtifactWriter
from components.store.digests import file_digest
from components.store.errors import TouchstoneError
from components.store.s3 import Folder
from components.training import launch as launching
from components.training.config import TrainingConfig
from components.training.job import Data
from tests.conftest import save_tiny_model
from tests.training.conftest import small_training

ROOT = Path(__file__).parents[2]
STEPS, EVERY = 6, 2
QUICK: dict[str, Any] = {
    "steps": STEPS,
    "batch_size": 16,
    "learning_rate": 3e-3,
    "temperature": 0.05,
    "evaluations": STEPS // EVERY,
    "dev_documents": 60,
    "blend": False,
    "mirror_checkpoints": True,
}
DIED, TOLD = ("TRAINING_DIED",), ("INTERRUPTED",)
CLOSE = 0.99
"""At least this is the cosine of what training changed, ZeRO-2 against plain data parallel."""

Damage = Callable[[Folder, str], None]
"""Harms the newest checkpoint of a mirror, by its name."""


@dataclass(frozen=True)
class Case:
    """One training with a fault, and how it may end.

    Attributes:
        kind: What the counts are by.
        fault: What `tests.training.faults` does; "" for nothing.
        ends: Codes of the error, one of them; "" for a candidate.
        again: Then it is started once more, without the fault, and must end as the whole one did.
        same: The candidate must be the whole one's to the byte.
        data: The artifacts; the usual ones if left out.
        machines: That the processes run on, none of which sees another's files.
        damage: What is done to the newest checkpoint of a training that was killed after step 5.
    """

    kind: str
    fault: str
    ends: tuple[str, ...] = ("",)
    again: bool = False
    same: bool = False
    config: dict[str, Any] = field(default_factory=dict)
    processes: int = 1
    data: str = "data"
    machines: int = 1
    damage: Damage | None = None

    @property
    def name(self) -> str:
        """Names its folders."""
        place = "".join(letter if letter.isalnum() else "-" for letter in f"{self.fault}-{self.config}"[:60])
        return f"{self.kind}-{self.processes}-{self.data}-{place}".replace(" ", "-").replace(",", "")


@dataclass(frozen=True)
class Found:
    """What became of a case."""

    case: Case
    outcome: str
    seconds: float
    violations: list[str]


def faults_campaign(work: Path, place: str, only: str = "") -> Iterator[Found]:
    """Run the cases whose kind begins with `only`, two at a time; checkpoints are mirrored below `place`."""
    runs = Runs(work, place)
    with patch.object(launching, "command", _command), ThreadPoolExecutor(2) as pool:
        chosen = [case for case in cases() if case.kind.startswith(only)]
        runs.prepare(any(case.damage for case in chosen), any(case.processes > 1 for case in chosen))
        alone = [case for case in chosen if case.processes == 1]
        yield from pool.map(runs.check, alone)
        with patch.object(launching, "processes", lambda _: 2):
            yield from map(runs.check, [case for case in chosen if case.processes > 1])


def cases() -> Iterator[Case]:
    """All of them."""
    steps, saved = range(1, STEPS + 1), range(EVERY, STEPS + 1, EVERY)
    yield Case("uninterrupted, again", "", same=True)
    yield from (Case("killed after a step", f"kill:{step}", DIED, again=True) for step in steps)
    for kind in ("files", "torn", "push"):
        yield from (Case(f"killed while saving ({kind})", f"{kind}:{step}", DIED, again=True) for step in saved)
    yield Case("killed when all steps are over", "late:0", DIED, again=True)
    yield from (Case("told to end", f"term:{step}", TOLD, again=True) for step in steps)
    yield from (Case(f"damaged: {name}", "", same=True, damage=damage) for name, damage in DAMAGES.items())
    yield from (Case("disk full", f"disk:{step}", ("DISK_FULL",)) for step in saved)
    yield from (Case("weights no numbers, once", f"number:{step}") for step in steps)
    yield Case("weights no numbers, always", "numbers:3", ("LOSS_NOT_FINITE",))
    yield from (Case("hangs", f"hang:{step}", ("TRAINING_HANGS",), config={"patience_minutes": 0.2}) for step in (1, 4))
    yield from _memory()
    for data in ("no pair", "one pair", "one pair, 60 times", "one answer to 60"):
        yield Case("too few pairs", "", ("TOO_FEW_PAIRS",), data=data)
    yield Case("a text of a million characters", "", data="a million characters")
    yield Case("a batch larger than the data", "", config={"batch_size": 4096})
    yield from _several()


def _memory() -> Iterator[Case]:
    """Activations of so many tokens fit: plenty, a bit less than a batch, a few texts, not one pass."""
    config = {"negatives": 59, "steps": 2}
    yield from (Case("memory runs out", f"memory:{limit}", config=config) for limit in (9000, 2500, 1300, 1100))
    yield Case("memory runs out, always", "memory:100", ("OUT_OF_MEMORY",), config=config)


def _several() -> Iterator[Case]:
    """Two processes: plain data parallel, and ZeRO-2."""
    zero = {"deepspeed": "zero2"}
    yield Case("two processes", "", same=True, processes=2)
    yield from (
        Case("two processes, the last killed", f"kill:{step}", DIED, again=True, processes=2) for step in (1, 3)
    )
    yield Case("two processes, fewer pairs", "", ("TOO_FEW_PAIRS",), processes=2, data="one pair")
    yield Case("two machines", "", same=True, processes=2, machines=2)
    one_lost = {"ends": DIED, "again": True, "processes": 2, "machines": 2}
    yield from (Case("two machines, one killed", f"kill:{step}", **one_lost) for step in (1, 3))
    yield Case("ZeRO-2 on two machines, one killed", "kill:3", config=zero, **one_lost)
    yield Case("ZeRO-2", "", config=zero, processes=2, same=True)
    yield from (Case("ZeRO-2, killed", f"kill:{step}", DIED, again=True, config=zero, processes=2) for step in (1, 3))
    yield Case("ZeRO-2, told to end", "term:3", TOLD, again=True, config=zero, processes=2)
    yield Case("ZeRO-2, torn", "torn:4", DIED, again=True, config=zero, processes=2)
    yield Case("ZeRO-2, no numbers", "number:3", config=zero, processes=2)
    yield Case("ZeRO-2, memory runs out", "memory:300", ("OUT_OF_MEMORY",), config=zero, processes=2)


class Runs:
    """Trainings in a folder, and the whole ones that they are compared with."""

    def __init__(self, work: Path, place: str) -> None:
        """Make the artifacts."""
        self.work, self.place = work, place
        self.whole: dict[tuple[int, str], Path] = {}
        usual = small_training(work / "data", save_tiny_model(work / "bert-tiny"))
        self.base = usual.base
        for name, rows in _odd(usual.pairs).items():
            shutil.copytree(work / "data", work / name)
            with ArtifactWriter(work / name / "pairs", "pairs") as out:
                out.table("pairs", PAIR_SCHEMA, (pair.row() for pair in rows))

    def prepare(self, damaged: bool, several: bool) -> None:
        """Train without a fault; leave a mirror behind that can be damaged."""
        self.whole[1, ""] = self._reference({}, 1)
        if damaged:
            self.train(Case("to be damaged", "kill:5"), "kill:5", "to be damaged")
        if several:
            with patch.object(launching, "processes", lambda _: 2):
                self.whole |= {(2, ""): self._reference({}, 2)}
                self.whole |= {(2, "zero2"): self._reference({"deepspeed": "zero2"}, 2)}

    def _reference(self, config: dict[str, Any], processes: int) -> Path:
        case = Case("whole", "", config=config, processes=processes)
        code, out = self.train(case, "", f"whole {case.name}")
        assert not code, code
        return out

    def check(self, case: Case) -> Found:
        """Run one case and compare."""
        start, state = time.monotonic(), case.name
        if case.damage:
            _copy(Folder(f"{self.place}/to be damaged"), Folder(f"{self.place}/{state}"), case.damage)
        code, out = self.train(case, case.fault, state)
        wrong = [] if code in case.ends else [f"ended with {code or 'a candidate'}"]
        wrong += [] if out.exists() == (not code) else ["a candidate and an error, or neither"]
        if case.again and code:
            code, out = self.train(case, "", state)
            wrong += [f"started again it ended with {code}"] if code else []
        if not code:
            wrong += self._compare(case, out)
        left = [path.name for path in out.parent.iterdir() if path != out]
        wrong += [f"left behind: {left}"] if left else []
        wrong += ["processes are left behind"] if _processes(out.parent) else []
        return Found(case, code or "candidate", time.monotonic() - start, wrong)

    def train(self, case: Case, fault: str, state: str) -> tuple[str, Path]:
        """One step of a pipeline, in a folder of its own; its error's code and the candidate."""
        folder = Path(tempfile.mkdtemp(dir=self.work))
        (self.work / f"{folder.name}.json").write_text(json.dumps([fault, case.processes, case.machines]))
        out, data = folder / "candidate", self.work / case.data
        given = Data(*(data / name for name in ("pairs", "judged", "passages")), self.base)
        try:
            launching.launch(given, "0", TrainingConfig(**QUICK | case.config), out, f"{self.place}/{state}")
        except TouchstoneError as error:
            return error.code, out
        return "", out

    def _compare(self, case: Case, out: Path) -> list[str]:
        """A candidate is sound; one that must be the whole one's, is."""
        weights = load_file(out / "model.safetensors")
        wrong = [] if all(np.isfinite(one).all() for one in weights.values()) else ["weights that are no numbers"]
        if case.same or case.again:
            whole = self.whole[case.processes, case.config.get("deepspeed", "")]
            one, other = (file_digest(folder / "model.safetensors") for folder in (out, whole))
            wrong += [] if one == other else ["other weights than the uninterrupted one's"]
            curves = [json.loads((folder / "training.json").read_text())["dev"] for folder in (out, whole)]
            wrong += [] if curves[0] == curves[1] else [f"another dev curve: {curves}"]
        return wrong + (self._compare_zero(out) if case.kind == "ZeRO-2" else [])

    def _compare_zero(self, out: Path) -> list[str]:
        """It learned, and it learned what plain data parallel training learns."""
        changed = [_change(self.base, folder) for folder in (out, self.whole[2, ""])]
        alike = float(changed[0] @ changed[1] / np.linalg.norm(changed[0]) / np.linalg.norm(changed[1]))
        known = json.loads((out / "training.json").read_text())
        losses, expected = [loss for _, loss in known["loss"]], {"processes": 2, "true_negatives": 31, "learned": True}
        wrong = [] if alike > CLOSE else [f"changed otherwise than plain data parallel: cosine {alike:.4f}"]
        wrong += [] if losses[-1] < losses[0] / 2 else [f"the loss does not fall: {losses}"]
        return wrong + [f"{name} is {known[name]}" for name, value in expected.items() if known[name] != value]


def _command(job: Path, gpus: int) -> list[str]:
    """The fault of the training whose folder the job lies in."""
    fault, processes, machines = json.loads((job.parents[1].parent / f"{job.parents[1].name}.json").read_text())
    if machines > 1:
        return [sys.executable, "-m", "tests.training.machines", str(job), *filter(None, [fault])]
    several = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes)]
    several += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    module = "tests.training.faults" if fault else "components.training"
    return [sys.executable, *(several if processes > 1 else []), "-m", module, str(job), *filter(None, [fault])]


def _odd(pairs: Path) -> dict[str, list[Pair]]:
    """Pairs that are too few, or too long."""
    known = [Pair.from_row(row) for row in Artifact.open(pairs, "pairs").rows("pairs")]
    long, one = "Turn the valve left, then wait. " * 31_250, known[0]
    alike = [Pair(pair.anchor, one.positive, *_rest(one)) for pair in known]
    found = {"no pair": [], "one pair": [one], "one pair, 60 times": [one] * 60, "one answer to 60": alike}
    return found | {"a million characters": [Pair(one.anchor, long, *_rest(one)), *known[1:]]}


def _rest(pair: Pair) -> tuple[str, str, str, int, int]:
    return pair.miner, pair.document, pair.group, 0, 1


def _change(base: Path, tuned: Path) -> np.ndarray:
    """What training added to all weights."""
    one, other = (load_file(folder / "model.safetensors") for folder in (base, tuned))
    return np.concatenate([(other[name] - one[name]).ravel() for name in one])


def _processes(folder: Path) -> list[str]:
    """Those that a training in that folder has started and that still run."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += [path.parent.name] if str(folder).encode() in path.read_bytes() else []
        except OSError:
            continue
    return [pid for pid in found if int(pid) != os.getpid()]


def _copy(source: Folder, target: Folder, damage: Damage) -> None:
    keys = [entry.key for entry in source.list()]
    for key in keys:
        target.write(key, source.read(key))
    seals = [key.rpartition("/")[0] for key in keys if key.endswith("/seal.json")]
    damage(target, max(seals, key=lambda name: int(name.rpartition("-")[2])))


def _written(name: str, change: Callable[[bytes], bytes]) -> Damage:
    """Another content of that file of the checkpoint."""
    return lambda folder, newest: folder.write(f"{newest}/{name}", change(folder.read(f"{newest}/{name}")))  # type: ignore[func-returns-value]


def _flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]


DAMAGES: dict[str, Damage] = {
    "weights cut": _written("model.safetensors", lambda body: body[: len(body) // 2]),
    "a bit of the weights": _written("model.safetensors", _flipped),
    "no optimizer": lambda folder, newest: folder.delete(f"{newest}/optimizer.pt"),
    "a bit of the optimizer": _written("optimizer.pt", _flipped),
    "state cut": _written("trainer_state.json", lambda body: body[:100]),
    "random numbers empty": _written("rng_state.pth", lambda _: b""),
    "no seal": lambda folder, newest: folder.delete(f"{newest}/seal.json"),
    "seal cut": _written("seal.json", lambda body: body[:-20]),
    "seal of no object": _written("seal.json", lambda _: b"[1]"),
    "seal that names no files": _written("seal.json", lambda _: b'{"files": {}, "known": {}}'),
}

"""Checkpoints that are whole or do not exist: sealed by the sha256 of every file, mirrored to the state if wished.

The library writes a checkpoint file by file. Only the seal, written last, makes it one; a torn or flipped file is
found before anything is loaded, and the next older checkpoint is taken.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.store.digests import canonical, digest, file_digest
from components.store.errors import TouchstoneError
from components.store.events import warn
from components.store.s3 import Folder

SEAL = "seal.json"
KEPT = 2
"""The newest so many stay, and the best."""


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint.

    Attributes:
        path: Its folder.
        step: Optimizer steps it holds.
        known: What was noted down with it.
    """

    path: Path
    step: int
    known: dict[str, Any]


def seal(folder: Path, known: dict[str, Any]) -> None:
    """Make a checkpoint of a folder that is completely written."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    files.pop(SEAL, None)
    values = {"files": {name: file_digest(path) for name, path in files.items()}, "known": known}
    body = canonical(values | {"digest": digest(values)})
    part = folder / f".{SEAL}"
    with part.open("wb") as out:
        out.write(body)
        out.flush()
        os.fsync(out.fileno())
    part.replace(folder / SEAL)


def verify(folder: Path) -> Checkpoint | None:
    """The checkpoint in a folder, or None when it is not whole."""
    try:
        values = json.loads((folder / SEAL).read_bytes())
        whole = values.pop("digest") == digest(values)
        whole = whole and all(file_digest(folder / name) == sha256 for name, sha256 in values["files"].items())
        return Checkpoint(folder, int(folder.name.rpartition("-")[2]), values["known"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; a warning for each that is not."""
    for path in sorted(folder.glob("checkpoint-*"), key=_step, reverse=True):
        found = verify(path)
        if found:
            return found
        warn(f"{path.name} is damaged or was never finished: an older one is used")
    return None


def prune(folder: Path, best: int) -> None:
    """Remove what nobody will go on from."""
    paths = sorted(folder.glob("checkpoint-*"), key=_step, reverse=True)
    for path in paths[KEPT:]:
        if _step(path) != best:
            shutil.rmtree(path, ignore_errors=True)


def _step(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


class Mirror:
    """Checkpoints of one training in the state, found again by what is trained."""

    def __init__(self, address: str, name: Any) -> None:
        """Keep those of the training that `name` (any JSON value) describes."""
        self.folder = Folder(address) / f"cache/checkpoints/{digest(name)[:40]}"

    def push(self, path: Path, best: Path | None) -> None:
        """Copy a sealed checkpoint, and what it needs of the best one; then drop the older ones."""
        kept = {path.name, best.name if best else path.name}
        for folder in [path, best] if best and best != path else [path]:
            self._push(folder)
        for key in [entry.key for entry in self.folder.list() if entry.key.partition("/")[0] not in kept]:
            self.folder.delete(key)

    def _push(self, path: Path) -> None:
        if self.folder.exists(f"{path.name}/{SEAL}"):
            return
        files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.name != SEAL]
        for file in files:
            self.folder.upload(f"{path.name}/{file.relative_to(path).as_posix()}", file)
        self.folder.upload(f"{path.name}/{SEAL}", path / SEAL)

    def share(self, path: Path, ranks: range) -> None:
        """Copy what these processes wrote into another machine's folder than the first's: not named by the seal.

        That is the state of their random numbers, and their parts of a sharded optimizer.
        """
        for rank in ranks:
            for file in [*path.rglob(f"*_rank_{rank}_*"), *path.glob(f"rng_state_{rank}.pth")]:
                self.folder.upload(f"{path.name}/{file.relative_to(path).as_posix()}", file)

    def pull(self, into: Path) -> None:
        """Bring what is kept; whether it is whole is found out by `newest`."""
        for entry in list(self.folder.list()):
            target = into / entry.key
            if not target.resolve().is_relative_to(into.resolve()):
                raise TouchstoneError("BAD_CHECKPOINT", "a mirrored checkpoint lies outside its folder")
            target.parent.mkdir(parents=True, exist_ok=True)
            self.folder.download(entry.key, target)

    def clear(self) -> None:
        """Nobody will go on from here: the training is over."""
        for entry in list(self.folder.list()):
            self.folder.delete(entry.key)

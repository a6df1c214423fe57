"""What the step and the nodes of a TrainJob hand to each other: files by their content, in the line's state.

    <state>/cache/trainjobs/<name>/files/<sha256>        what is trained, and what comes of it
    <state>/cache/trainjobs/<name>/job-<attempt>.json    what to do, written when its files are there
    <state>/cache/trainjobs/<name>/model-<attempt>.json  the files of the trained model, written when they are there
    <state>/cache/trainjobs/<name>/error-<attempt>-<node>.json

All of it goes once the model is collected.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.store.digests import canonical, file_digest
from components.store.errors import TouchstoneError
from components.store.s3 import Folder
from components.training.job import Data, Job

Files = dict[str, str]
"""Path within a folder -> sha256."""


class Parcel:
    """The folder of one training in the state."""

    def __init__(self, address: str) -> None:
        """Take the folder at `s3://...`; nothing is read yet."""
        self.folder = Folder(address)

    @classmethod
    def of(cls, state: str, name: str) -> Parcel:
        """That of the training of this name."""
        return cls(f"{state}/cache/trainjobs/{name}")

    def send(self, job: Job) -> None:
        """Put there what the nodes need; what an earlier attempt sent is not sent again."""
        roles = vars(job.data) | {"guards": job.guards}
        folders = {role: self._put(folder) for role, folder in roles.items()}
        self._write(f"job-{job.attempt.number}.json", {"folders": folders, "job": json.loads(job.write().read_text())})
        for error in [entry.key for entry in self.folder.list() if entry.key.startswith("error-")]:
            self.folder.delete(error)

    def receive(self, attempt: int, work: Path) -> Job:
        """On a node: the job with everything it needs, in that folder."""
        known = json.loads(self.folder.read(f"job-{attempt}.json"))
        for role, files in known["folders"].items():
            self._get(files, work / role)
        path = work / "job.json"
        data = {role: str(work / role) for role in Data.__dataclass_fields__}
        path.write_text(json.dumps(known["job"] | {"work": str(work), "data": data}))
        return Job.read(path)

    def deliver(self, job: Job) -> None:
        """On the first node: put the trained model there."""
        self._write(f"model-{job.attempt.number}.json", self._put(job.model))

    def delivered(self, attempt: int) -> bool:
        """Whether the model of that attempt is there."""
        return self.folder.exists(f"model-{attempt}.json")

    def collect(self, job: Job) -> None:
        """Bring the model into the job's folder, every file checked.

        Raises:
            TouchstoneError: NO_SUCH_OBJECT, CANDIDATE_DAMAGED.
        """
        self._get(json.loads(self.folder.read(f"model-{job.attempt.number}.json")), job.model)

    def fail(self, job: Job, node: int, error: TouchstoneError) -> None:
        """On a node: leave what went wrong there, and how many tokens went through the model at once."""
        tokens = json.loads(job.plan.read_text())["tokens"] if job.plan.exists() else 0
        self._write(f"error-{job.attempt.number}-{node}.json", {"error": error.record(), "tokens": tokens})

    def failures(self, attempt: int) -> list[tuple[TouchstoneError, int]]:
        """What went wrong on the nodes, and the tokens; the first node first."""
        keys = [entry.key for entry in self.folder.list() if entry.key.startswith(f"error-{attempt}-")]
        found = [json.loads(self.folder.read(key)) for key in sorted(keys)]
        return [(TouchstoneError.from_record(one["error"]), one["tokens"]) for one in found]

    def clear(self) -> None:
        """Nobody needs it any more."""
        for entry in list(self.folder.list()):
            self.folder.delete(entry.key)

    def _write(self, name: str, value: Any) -> None:
        self.folder.write(name, canonical(value))

    def _put(self, folder: Path) -> Files:
        files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
        known = {name: file_digest(path) for name, path in files.items()}
        for name, sha256 in known.items():
            if not self.folder.exists(f"files/{sha256}"):
                self.folder.upload(f"files/{sha256}", files[name])
        return known

    def _get(self, files: Files, into: Path) -> None:
        into.mkdir(parents=True, exist_ok=True)
        for name, sha256 in files.items():
            target = into / name
            if not target.resolve().is_relative_to(into.resolve()):
                raise _damaged(self.folder.address(f"files/{sha256}"), f"a path outside its folder: {name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            self.folder.download(f"files/{sha256}", target)
            if file_digest(target) != sha256:
                raise _damaged(self.folder.address(f"files/{sha256}"), "another sha256 than its name says")


def _damaged(where: str, found: str) -> TouchstoneError:
    fix = "Run it again; if it stays so, somebody else writes into the state."
    return TouchstoneError("CANDIDATE_DAMAGED", f"{where} is not what was put there", found=found, fix=fix)

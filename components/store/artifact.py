"""What steps hand to each other: a folder of a few files and a manifest that proves them.

`manifest.json` holds the kind, the schema's version, row counts, the sha256 of every file and the digests of the
inputs; no clock time and no host name, so equal inputs give equal bytes. It is written last, and the folder
appears under its name by one rename: a half-written artifact cannot be seen.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.store.digests import canonical, digest, file_digest
from components.store.errors import TouchstoneError
from components.store.tables import TableWriter

MANIFEST = "manifest.json"
VERSION = 1


@dataclass(frozen=True)
class Artifact:
    """A verified folder: its files are the ones the manifest names."""

    path: Path
    manifest: dict[str, Any]

    @classmethod
    def open(cls, path: str | Path, kind: str) -> Artifact:
        """Read and verify the folder.

        Raises:
            TouchstoneError: BAD_ARTIFACT when the manifest is missing, of another kind or version, or a file differs.
        """
        path = Path(path)
        manifest = _manifest(path)
        if (manifest.get("kind"), manifest.get("version")) != (kind, VERSION):
            found = f"{manifest.get('kind')} version {manifest.get('version')}"
            raise _bad(path, f"found {found}, expected {kind} version {VERSION}")
        present = {p.relative_to(path).as_posix() for p in path.rglob("*") if not p.is_dir()} - {MANIFEST}
        if extra := present - manifest["files"].keys():
            raise _bad(path, f"{min(extra)}, which the manifest does not name")
        for name, expected in manifest["files"].items():
            if not (path / name).is_file() or file_digest(path / name) != expected["sha256"]:
                raise _bad(path, f"{name} is not the file that the manifest names")
        return cls(path, manifest)

    @property
    def digest(self) -> str:
        """The sha256 of the manifest: it names the content of every file."""
        return digest(self.manifest)

    @property
    def facts(self) -> dict[str, Any]:
        """What the writer put on record beside the files: counts, settings, digests."""
        facts: dict[str, Any] = self.manifest["facts"]
        return facts

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """The whole table `name`."""
        return pa.concat_tables(pq.read_table(file, columns=columns, partitioning=None) for file in self.files(name))

    def rows(self, name: str, columns: list[str] | None = None, batch: int = 4096) -> Iterator[dict[str, Any]]:
        """The rows of table `name`, a batch at a time in memory."""
        for path in self.files(name):
            with pq.ParquetFile(path) as file:
                for part in file.iter_batches(batch_size=batch, columns=columns):
                    yield from part.to_pylist()

    def count(self, name: str) -> int:
        """How many rows table `name` has, from the manifest."""
        return sum(
            int(self.manifest["files"][path.relative_to(self.path).as_posix()]["rows"]) for path in self.files(name)
        )

    def files(self, name: str) -> list[Path]:
        """The Parquet files of table `name`, in order: one, or those in the folder of that name."""
        known = self.manifest["files"]
        if f"{name}.parquet" in known:
            return [self.path / f"{name}.parquet"]
        return [self.path / file for file in sorted(known) if file.startswith(f"{name}/")]


def _manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((path / MANIFEST).read_bytes())
    except (OSError, ValueError):
        raise _bad(path, f"no readable {MANIFEST}") from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise _bad(path, f"{MANIFEST} is no manifest")
    return manifest


def _bad(path: Path, found: str) -> TouchstoneError:
    return TouchstoneError(
        "BAD_ARTIFACT", f"the artifact {path.name} cannot be used", found=found, fix="Run the step that makes it again."
    )


@dataclass
class ArtifactWriter:
    """Writes an artifact; use it as a context manager, nothing appears unless the block ends well.

    Attributes:
        path: Where the folder will appear; what stood there (a retry's leftovers) is replaced.
        kind: The artifact's name, which the reader must ask for.
        inputs: Digests of what it was made from.
        digest: Names its content once it is written, as `Artifact.digest` does.
    """

    path: Path
    kind: str
    inputs: dict[str, str] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    _rows: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Choose the temporary name beside the final one, so that the rename stays on one file system."""
        self.path = Path(self.path)
        self.work = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")

    def __enter__(self) -> ArtifactWriter:
        """Start with an empty folder."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Put everything in place, or leave nothing behind."""
        if kind is not None:
            shutil.rmtree(self.work, ignore_errors=True)
            return
        self._write_manifest()
        shutil.rmtree(self.path, ignore_errors=True)
        if self.path.exists():
            self.path.unlink()
        os.replace(self.work, self.path)

    def table(self, name: str, schema: pa.Schema, rows: Iterable[dict[str, Any]]) -> int:
        """Write the rows as `name.parquet` (zstd), a bounded part of them in memory; how many there were."""
        with TableWriter(self.work / f"{name}.parquet", schema) as table:
            for row in rows:
                table.add(row)
        self._rows[f"{name}.parquet"] = table.rows
        return table.rows

    def adopt(self, name: str, file: Path) -> int:
        """Take a Parquet file as it is for `name.parquet`, nothing decoded; how many rows it has.

        A table may lie in several files: adopt them as `name/00000`, `name/00001` and so on.
        """
        target = self.file(f"{name}.parquet")
        try:
            os.link(file, target)
        except OSError:  # another file system, or one without links
            shutil.copyfile(file, target)
        self._rows[f"{name}.parquet"] = rows = int(pq.read_metadata(target).num_rows)
        return rows

    def file(self, name: str) -> Path:
        """A path inside the folder to write to."""
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _write_manifest(self) -> None:
        names = sorted(p.relative_to(self.work).as_posix() for p in self.work.rglob("*") if p.is_file())
        files = {name: self._describe(name) for name in names}
        manifest = {"kind": self.kind, "version": VERSION, "files": files, "inputs": self.inputs, "facts": self.facts}
        for name in names:
            _sync(self.work / name)
        self.digest = digest(manifest)
        (self.work / MANIFEST).write_bytes(canonical(manifest))
        _sync(self.work / MANIFEST)

    def _describe(self, name: str) -> dict[str, Any]:
        rows = {"rows": self._rows[name]} if name in self._rows else {}
        return {"sha256": file_digest(self.work / name), "bytes": (self.work / name).stat().st_size, **rows}


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())

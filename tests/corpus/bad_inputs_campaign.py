"""Every bad input there is, the gigabytes included: `python -m tests.corpus.bad_inputs_campaign [SEED [CLASS...]]`.

Prints a table, then every violation; exits with 1 if there is one. Takes minutes, and 1 GB of the temporary folder.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from components.store.errors import TouchstoneError
from components.store.s3 import Folder
from tests.corpus.bad_file import MIB, BadFile
from tests.corpus.bad_inputs import CLASSES, bad_files
from tests.corpus.bad_oracle import Outcome, violations, watched

SEED = 20261123


@dataclass
class Row:
    """What came of a class; times in seconds, memory in bytes, each the greatest of a file."""

    class_name: str
    files: int = 0
    documents: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    memory: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)

    def add(self, file: BadFile, outcome: Outcome) -> None:
        """Count a file's outcome."""
        self.files += 1
        self.documents += outcome.documents
        self.rejected.update(outcome.reasons)
        self.memory = max(self.memory, outcome.memory)
        self.seconds = max(self.seconds, outcome.seconds)
        self.violations += [f"{file.class_name}: {file.key!r:.80} {wrong}" for wrong in violations(file, outcome)]

    def line(self) -> str:
        """The row of a Markdown table."""
        reasons = ", ".join(f"{reason} {count}" for reason, count in sorted(self.rejected.items()))
        numbers = f"{self.files} | {self.documents:,} | {reasons} | {self.memory / MIB:.0f} | {self.seconds:.1f}"
        return f"| {self.class_name} | {numbers} | {len(self.violations)} |"


def campaign(seed: int = SEED, classes: tuple[str, ...] = tuple(CLASSES)) -> list[Row]:
    """Parse every file in a process of its own; a row a class."""
    rows = {name: Row(name) for name in classes}
    with tempfile.TemporaryDirectory() as folder:
        for file in bad_files(Path(folder), seed, heavy=True, classes=classes):
            rows[file.class_name].add(file, watched(file))
            file.path.unlink()
    return list(rows.values())


def upload(files: Iterable[BadFile], folder_uri: str) -> dict[str, str]:
    """Put the files under their hostile keys; the keys that the store did not take, with its answer.

    A key may have 1,024 bytes in all, so the longest fit only into a bucket of their own (`s3://bucket`).
    """
    folder, refused = Folder(folder_uri), dict[str, str]()
    for file in files:
        key = address(file)
        try:
            if file.path.stat().st_size > 8 * MIB:
                folder.upload(key, file.path)
            else:
                folder.write(key, file.path.read_bytes())
        except TouchstoneError as error:
            refused[key] = error.code
    return refused


def address(file: BadFile) -> str:
    """The key below the folder: as it stands where the key is what is bad, else in a folder for its class."""
    return file.key if file.class_name in ("keys", "folder markers") else f"{file.class_name}/{file.key}"


def table(rows: list[Row]) -> Iterator[str]:
    """The table, its sum, and every violation."""
    yield "| class | files | documents | rejected | MiB at most | seconds at most | violations |"
    yield "|---|---|---|---|---|---|---|"
    total = Row(f"all {len(rows)} classes")
    for row in rows:
        yield row.line()
        total.files += row.files
        total.documents += row.documents
        total.rejected += row.rejected
        total.memory = max(total.memory, row.memory)
        total.seconds = max(total.seconds, row.seconds)
        total.violations += row.violations
    yield total.line()
    yield from ("", *total.violations)


def main(arguments: list[str]) -> int:
    """Run it and print; 1 if something may not be."""
    seed, classes = int(arguments[0]) if arguments else SEED, tuple(arguments[1:]) or tuple(CLASSES)
    rows = campaign(seed, classes)
    sys.stdout.write("\n".join(table(rows)) + "\n")
    return int(any(row.violations for row in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

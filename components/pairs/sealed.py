"""The sealed test: kept in the state, handed out by `gate.unseal` and by nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from components.pairs import judged
from components.store.artifact import Artifact
from components.store.errors import TouchstoneError
from components.store.s3 import Folder

FILES = ("queries.parquet", "manifest.json")
UNITS = ("cluster", "group", "source")
"""What queries share that are not independent of one another."""


def keep(state: str, queries: list[judged.Query], work: Path) -> str:
    """Store the sealed queries in the state under their digest (64 hex digits), which is returned."""
    judged.write(work, "sealed", queries, {}, {})
    digest = Artifact.open(work, "sealed").digest
    for name in FILES:
        _folder(state, digest).upload(name, work / name)
    return digest


def fetch(state: str, digest: str, work: Path) -> list[judged.Query]:
    """The sealed queries of that digest; `work` is a folder to fetch them through.

    Raises:
        TouchstoneError: BAD_ARTIFACT when the state holds something else under that name.
    """
    for name in FILES:
        _folder(state, digest).download(name, work / name)
    artifact = Artifact.open(work, "sealed")
    if artifact.digest != digest:
        raise TouchstoneError("BAD_ARTIFACT", f"the sealed test {digest[:8]} was changed", fix="Restore the state.")
    return judged.read(artifact)


def shape(queries: Sequence[judged.Query]) -> dict[str, dict[str, int]]:
    """What may be told of the sealed queries before a look is charged: how they fall into units.

    Returns:
        For each of `UNITS`: `units`, how many there are, `largest`, the queries of the largest, and `squares`, the sum
        of their squared sizes.
    """
    found = {}
    for name in UNITS:
        sizes = Counter(getattr(query, name) for query in queries).values()
        found[name] = {"units": len(sizes), "largest": max(sizes, default=0), "squares": sum(n * n for n in sizes)}
    return found


def _folder(state: str, digest: str) -> Folder:
    return Folder(state) / f"sealed/{digest}"

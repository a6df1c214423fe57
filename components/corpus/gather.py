"""All shards joined: exact duplicates set aside, near-duplicates grouped, the laws of conservation checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.corpus.document import DOCUMENT_SCHEMA, DUPLICATE_SCHEMA, GROUP_SCHEMA, REJECTED_SCHEMA
from components.corpus.duplicates import groups
from components.corpus.load import conserve
from components.store.artifact import Artifact, ArtifactWriter
from components.store.errors import TouchstoneError, UserError


@dataclass(frozen=True)
class Gathered:
    """How many of what."""

    documents: int
    duplicates: int
    rejected: dict[str, int]
    near_duplicates: int


def gather(parts: list[Path], out: Path) -> Gathered:
    """Write the artifact `documents` at `out`: documents, rejected, duplicates, groups.

    Raises:
        UserError: EMPTY_CORPUS when nothing could be read.
        TouchstoneError: CORPUS_NOT_CONSERVED.
    """
    opened = _all_shards([Artifact.open(part, "part") for part in parts])
    first = _first_of_each(opened)
    with ArtifactWriter(out, "documents", {"parts": ",".join(part.digest for part in opened)}) as result:
        count = result.table("documents", DOCUMENT_SCHEMA, _kept(opened, first))
        if not count:
            raise UserError("EMPTY_CORPUS", "no document could be read", found=str(_reasons(opened)))
        duplicates = result.table("duplicates", DUPLICATE_SCHEMA, _set_aside(opened, first))
        result.table("rejected", REJECTED_SCHEMA, (row for part in opened for row in part.rows("rejected")))
        grouped = list(_groups(opened, set(first.values())))
        result.table("groups", GROUP_SCHEMA, grouped)
        near = len(grouped) - len({row["group"] for row in grouped})
        reasons = _reasons(opened)
        _check(opened, count + duplicates)
        result.facts |= {"documents": count, "duplicates": duplicates, "rejected": reasons, "near_duplicates": near}
    return Gathered(count, duplicates, reasons, near)


def _all_shards(parts: list[Artifact]) -> list[Artifact]:
    """The parts in the order of their shards, if they are all the shards of one snapshot."""
    ordered = sorted(parts, key=lambda part: int(part.facts["shard"]))
    shards = [(part.facts["shard"], part.facts["shards"], part.manifest["inputs"]["snapshot"]) for part in ordered]
    expected = [(number, len(shards), shards[0][2]) for number in range(len(shards))]
    if shards != expected:
        found = f"shards {[number for number, _, _ in shards]} of {shards[0][1]}"
        raise TouchstoneError("CORPUS_NOT_CONSERVED", "the parts are not all shards of one snapshot", found=found)
    return ordered


def _first_of_each(parts: list[Artifact]) -> dict[str, str]:
    """Content digest -> id of the first document with that content (parts are in the order of their URIs)."""
    first: dict[str, str] = {}
    for part in parts:
        for row in part.rows("documents", ["id", "digest"]):
            first.setdefault(row["digest"], row["id"])
    return first


def _kept(parts: list[Artifact], first: dict[str, str]) -> Iterator[dict[str, Any]]:
    return (row for part in parts for row in part.rows("documents") if first[row["digest"]] == row["id"])


def _set_aside(parts: list[Artifact], first: dict[str, str]) -> Iterator[dict[str, Any]]:
    for part in parts:
        for row in part.rows("documents", ["id", "uri", "digest"]):
            if first[row["digest"]] != row["id"]:
                yield {"id": row["id"], "uri": row["uri"], "document": first[row["digest"]]}


def _groups(parts: list[Artifact], kept: set[str]) -> Iterator[dict[str, Any]]:
    """Each kept document's group, named by the smallest id in it, so that names do not depend on the order."""
    rows = [row for part in parts for row in part.rows("signatures") if row["id"] in kept]
    numbers = groups(np.array([row["signature"] for row in rows], dtype=np.uint32))
    names: dict[int, str] = {}
    for row, number in zip(rows, numbers.tolist(), strict=True):
        names[number] = min(names.get(number, row["id"]), row["id"])
    return ({"document": row["id"], "group": names[n]} for row, n in zip(rows, numbers.tolist(), strict=True))


def _reasons(parts: list[Artifact]) -> dict[str, int]:
    return dict(sorted(Counter(row["reason"] for part in parts for row in part.rows("rejected", ["reason"])).items()))


def _check(parts: list[Artifact], documents: int) -> None:
    """The parts' own counts hold, and every document of theirs is kept or set aside."""
    for part in parts:
        conserve(part.facts | {"documents": part.count("documents"), "rejected": part.count("rejected")})
    found = sum(part.count("documents") for part in parts)
    conserve({"objects": 0, "read": 0, "refused": 0, "records": found, "documents": documents, "rejected": 0})

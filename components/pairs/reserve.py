"""The next generation of the sealed test: the reserve side judges, and what judged so far trains.

Whole groups go, those that are gone included. Documents of the reserve that the base or the champion was trained on,
as far as signatures tell, train too, with their groups. The queries that judged are burnt: they never judge again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from components.corpus.documents import read as read_documents
from components.pairs.ancestry import inherited
from components.pairs.config import Side
from components.pairs.judged import Query
from components.pairs.known import Known
from components.pairs.leakage import hidden
from components.pairs.material import Material
from components.pairs.split import PRECEDENCE, SPLIT, Split
from components.store.artifact import Artifact
from components.store.errors import TransientError, UserError
from components.store.state import State

NEXT: Mapping[Side, Side] = {"sealed": "train", "reserve": "sealed"}


@dataclass(frozen=True)
class Turned:
    """What a turn makes of the split.

    Attributes:
        split: The split afterwards, as far as documents of the run go.
        documents: How many go where: `trained` from the sealed side, `sealed` from the reserve, `seen` from the
            reserve to training, since a model was trained on them.
    """

    split: Split
    documents: dict[str, int]


def seen(material: Material, models: Iterable[Path], pairs: Artifact) -> set[str]:
    """Documents of the reserve in which texts stand that a model was trained on, or the other way round.

    Args:
        material: The documents and their sides.
        models: Folders of the base and the champion.
        pairs: What trains in this run; it was compared with the split already.

    Raises:
        TouchstoneError: BAD_SIGNATURES.
    """
    artifact, found = material.artifact, material.split
    every = Query("", "", (), {one: 1 for one, side in found.sides.items() if side == "reserve"})
    known: set[str] = set()
    for model in models:
        texts = (text for row in pairs.rows("pairs") for text in (row["anchor"], row["positive"], *row["negatives"]))
        known |= inherited(model, lambda: read_documents(artifact), found.groups, [every], texts).documents
    return known


def turned(found: Split, seen: Set[str]) -> Turned:
    """The split as it would be.

    Args:
        found: The split as it is.
        seen: Documents of the reserve that must not judge, nor any of their groups.

    Raises:
        UserError: NO_RESERVE.
    """
    groups = {found.groups[one] for one in seen}
    reserve = [one for one, side in found.sides.items() if side == "reserve"]
    trains = {one for one in reserve if found.groups[one] in groups}
    if len(trains) == len(reserve):
        counted = f"{len(reserve):,} documents, all seen by the base or the champion" if reserve else "none"
        fix = "Give pairs.shares a part for reserve and add documents: only new ones get a side."
        raise UserError("NO_RESERVE", "no document of the reserve side can judge", found=counted, fix=fix)
    sides = {one: "train" if one in trains else NEXT.get(side, side) for one, side in found.sides.items()}
    counts = {"trained": sum(side == "sealed" for side in found.sides.values())}
    counts |= {"sealed": len(reserve) - len(trains), "seen": len(trains)}
    return Turned(replace(found, sides=sides), counts)


def turn(state: State, after: Split, judged: Iterable[Query], record: Mapping[str, Any]) -> None:
    """Change the split in the state, and keep the record of it there, all at once.

    Args:
        state: The line's state.
        after: What `turned` made.
        judged: The queries that judged so far.
        record: What the ledger will say of it.

    Raises:
        TransientError: STATE_BUSY when a run gave documents sides meanwhile.
    """
    burnt = {hidden(query.id) for query in judged}

    def change(document: dict[str, Any]) -> dict[str, Any]:
        if len(document["segments"]) != after.segments:
            raise TransientError(
                "STATE_BUSY", "a run gave documents sides meanwhile", fix="Try again when it has ended."
            )
        old = Known.read(state.folder, document["segments"])
        sides = np.fromiter(_sides(old, after), np.int8, len(old))
        segment = replace(old, sides=sides).append(state.folder, np.flatnonzero(sides != old.sides))
        return document | {
            "segments": [*document["segments"], segment],
            "retired": [],
            "burnt": sorted({*document.get("burnt", []), *document["retired"], *burnt}),
            "generations": [*document.get("generations", []), dict(record)],
        }

    state.update(SPLIT, change)


def generations(state: State) -> list[dict[str, Any]]:
    """The records of all turns, the first one first."""
    found: list[dict[str, Any]] = (state.get(SPLIT) or {}).get("generations", [])
    return found


def _sides(old: Known, after: Split) -> Iterator[int]:
    """The side of every version: that of its document, or the next one where the document is gone."""
    for one, side in zip(old.ids, old.sides.tolist(), strict=True):
        was = PRECEDENCE[side]
        yield PRECEDENCE.index(after.sides.get(bytes(one).hex(), NEXT.get(was, was)))

"""General benchmarks while training: their dev parts keep a blend from what the gate's parts would refuse."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

from components.corpus import snapshot
from components.pairs.guards import Guard
from components.training.dev import DevSet, Scores

ALLOWED = 0.01
"""Mean nDCG@10 that a guard's dev part may lose against the base: a third of what the gate allows by default, whose
bound leaves room for chance."""


def keep(state: str, listing: str, names: Sequence[str], folder: Path) -> None:
    """Leave the dev parts of guards below `folder`, for the training processes.

    Args:
        state: The line's state.
        listing: The snapshot's digest.
        names: The guards.
        folder: A folder for each guard comes in it; none for one too small to have a dev part.
    """
    for name in names:
        guard = Guard.read(name, snapshot.read(state, listing, f"guard:{name}")).dev
        if guard.queries:
            guard.write(folder / name)


@dataclass(frozen=True)
class Guards:
    """The dev parts, and how the base does on them.

    Attributes:
        parts: Guard -> its dev part.
        base: Guard -> the base's nDCG@10 of every query.
    """

    parts: dict[str, DevSet]
    base: dict[str, Scores]

    @classmethod
    def read(cls, folder: Path, limit: int, base: SentenceTransformer) -> Guards:
        """Those that `keep` left, each searched in about `limit` documents."""
        found = {path.name: DevSet.read(path / "judged", path / "passages", limit) for path in sorted(folder.glob("*"))}
        return cls(found, {name: part.scores(*part.vectors(base)) for name, part in found.items()})

    def changes(self, model: SentenceTransformer) -> dict[str, float]:
        """Guard -> mean gain against the base."""
        found = {name: part.scores(*part.vectors(model)) for name, part in self.parts.items()}
        return {name: float(np.mean(scores - self.base[name])) for name, scores in found.items()}


def held(changes: dict[str, float]) -> bool:
    """Whether no guard lost more than it may."""
    return all(change >= -ALLOWED for change in changes.values())

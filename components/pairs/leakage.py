"""How much of what trains can be found in what judges: counted once, here; the gate reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Leakage:
    """Matches between the training side and the sealed side.

    Attributes:
        sealed_documents: Documents that judge (relevant to a sealed query).
        near: How many of them are near-duplicates of a document on the training side (MinHash >= .8, same group).
        equal_anchors: Training anchors taken out because they equal a judged query of the dev or sealed side.
    """

    sealed_documents: int
    near: int
    equal_anchors: int

    @property
    def share(self) -> float:
        """The part of the judging documents that training has seen."""
        return self.near / self.sealed_documents if self.sealed_documents else 0.0


def measure(
    judging: Iterable[str], groups: Mapping[str, str], sides: Mapping[str, str], equal_anchors: Sequence[str]
) -> Leakage:
    """Count the matches.

    Args:
        judging: Ids of documents relevant to sealed queries.
        groups: Document id -> group.
        sides: Document id -> side.
        equal_anchors: The anchors that were taken out.
    """
    trained = {groups[document] for document, side in sides.items() if side == "train"}
    documents = set(judging)
    return Leakage(len(documents), sum(groups[d] in trained for d in documents), len(equal_anchors))

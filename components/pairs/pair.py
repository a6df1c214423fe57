"""The types of what is mined: a training pair, and what was dropped instead of making one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

PAIR_SCHEMA = pa.schema(
    [
        ("anchor", pa.string()),
        ("positive", pa.string()),
        ("negatives", pa.list_(pa.string())),
        ("miner", pa.string()),
        ("document", pa.string()),
        ("group", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("weight", pa.float64()),
    ]
)
DROPPED_SCHEMA = pa.schema([(name, pa.string()) for name in ("miner", "document", "anchor", "reason")])


@dataclass(frozen=True)
class Pair:
    """One training pair, traceable to its span.

    Attributes:
        anchor: What is asked.
        positive: The text that answers, as it stands in the document.
        miner: Where the pair comes from: headings, questions, logs, general.
        document: The document's id; empty for a pair from outside of the corpus.
        group: The document's group.
        start: Where the positive begins in the document's text (characters).
        end: Where it ends.
        weight: How often the pair is trained on in a pass over the pairs, on average.
        negatives: Texts that do not answer, hardest first.
    """

    anchor: str
    positive: str
    miner: str
    document: str
    group: str
    start: int
    end: int
    weight: float = 1.0
    negatives: tuple[str, ...] = ()

    def row(self) -> dict[str, Any]:
        """The pair as a row of `PAIR_SCHEMA`."""
        return dict(vars(self)) | {"negatives": list(self.negatives)}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Pair:
        """The pair of a row."""
        return cls(**row | {"negatives": tuple(row["negatives"])})


@dataclass(frozen=True)
class Dropped:
    """What made no pair, with a stable reason code; `anchor` is empty where it is a judged query's text."""

    miner: str
    document: str
    anchor: str
    reason: str

"""The pairs as the trainer reads them: a column for each text, rows as often as their weight says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any

from datasets import Dataset

from components.store.artifact import Artifact


def read(artifact: Artifact) -> tuple[Dataset, int]:
    """Anchors, positives and hard negatives; and how many of those each row has.

    Every row needs as many negatives as the one that has most. Who has fewer repeats its own; who has none borrows
    the positives of other rows, which the loss shows it anyway.

    Args:
        artifact: The artifact `pairs`.
    """
    rows = [row for row in artifact.rows("pairs", ["anchor", "positive", "negatives", "weight"]) for _ in _times(row)]
    width = max((len(row["negatives"]) for row in rows), default=0)
    columns = {name: [row[name] for row in rows] for name in ("anchor", "positive")}
    filled = [_filled(columns["positive"], place, row["negatives"], width) for place, row in enumerate(rows)]
    columns |= {f"negative_{n + 1}": [texts[n] for texts in filled] for n in range(width)}
    return Dataset.from_dict(columns), width


def _times(row: dict[str, Any]) -> range:
    """A row of weight 1.5 comes twice in half of the cases, always in the same ones."""
    whole, rest = divmod(float(row["weight"]), 1.0)
    name = f"{row['anchor']}\0{row['positive']}".encode()
    drawn = int.from_bytes(hashlib.sha256(name).digest()[:8], "big") / 2**64
    return range(int(whole) + (drawn < rest))


def _filled(positives: list[str], place: int, negatives: list[str], width: int) -> list[str]:
    return list(islice(cycle(negatives) if negatives else _others(positives, place), width))


def _others(positives: list[str], place: int) -> Iterator[str]:
    """Positives of rows far away, as long as they say something else."""
    step = max(1, len(positives) // 3)
    found = (positives[(place + step * n + n) % len(positives)] for n in range(1, len(positives) + 1))
    return cycle([text for text in islice(found, 64) if text != positives[place]] or [positives[place]])

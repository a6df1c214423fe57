"""What a candidate remembers: signatures of all texts that it and its ancestors were trained on, beside its weights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from components.pairs import signatures
from components.pairs.signatures import Ancestor, Past, Record
from components.store.artifact import Artifact
from components.store.digests import file_digest
from components.store.intake import SIGNATURES
from components.store.models import Model


def remember(model: Path, pairs: Path, base: Path) -> None:
    """Write the signatures into the model's folder and name them in its `training.json`.

    A model that took over nothing from training is the base and remembers the pairs all the same: dev has seen it
    compared with what they made.

    Args:
        model: The trained model's folder, with its `training.json`; not an artifact yet.
        pairs: The artifact `pairs`.
        base: The artifact of the model it started from.

    Raises:
        TouchstoneError: BAD_SIGNATURES when the base's cannot be read.
    """
    past, record = Past.of(base), model / "training.json"
    texts = signatures.write(model / SIGNATURES, _texts(Artifact.open(pairs, "pairs")), past)
    nearest = Ancestor(fingerprint=Model.open(base).fingerprint, signed=past is not None)
    ancestors = [nearest, *(past.record.ancestors if past else ())]
    known = Record(sha256=file_digest(model / SIGNATURES), texts=texts, ancestors=ancestors)
    told = json.loads(record.read_text()) | {"signatures": known.model_dump()}
    record.write_text(json.dumps(told, indent=1, sort_keys=True))


def _texts(pairs: Artifact) -> Iterator[tuple[str, str]]:
    """Group and text of all that trains; a negative is of another document than its row."""
    for row in pairs.rows("pairs", ["anchor", "positive", "negatives", "group"]):
        yield row["group"], row["anchor"]
        yield row["group"], row["positive"]
        yield from (("", text) for text in row["negatives"])

"""What the documents of a run have in common, as the split wants to know it."""

from __future__ import annotations

import tempfile
from itertools import islice
from pathlib import Path

import numpy as np

from components.pairs.coverage import Coverage, Matches
from components.pairs.known import Known
from components.pairs.material import near
from components.store.artifact import Artifact

AT_ONCE = 256
"""Documents hashed together: their characters stay in the processor's cache."""


def overlap(documents: Artifact) -> tuple[Known, Matches]:
    """The documents, exact copies too, and the passages that two of them share, by their positions."""
    known = Known.of(documents)
    names = [bytes(one).hex() for one in known.ids]
    copies = {row["id"]: row["document"] for row in documents.rows("duplicates")}
    groups = near(documents)
    numbers: dict[str, int] = {}
    labels = [numbers.setdefault(groups[copies.get(name, name)], len(numbers)) for name in names]
    with tempfile.TemporaryDirectory() as work:
        coverage = Coverage(Path(work))
        found = documents.rows("documents", ["id", "sections"])
        while rows := list(islice(found, AT_ONCE)):
            coverage.add([[] if row["id"] in copies else [part["text"] for part in row["sections"]] for row in rows])
        return known, coverage.matches(np.array(labels, np.int64))

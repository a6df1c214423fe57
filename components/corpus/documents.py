"""Reading the artifact `documents`: each text once, exact duplicates left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from components.corpus.document import Document
from components.store.artifact import Artifact


def rows(artifact: Artifact, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of all documents but the duplicates, in the order of their URIs; `columns` must hold `id`."""
    aside = {row["id"] for row in artifact.rows("duplicates", ["id"])}
    return (row for row in artifact.rows("documents", columns) if row["id"] not in aside)


def read(artifact: Artifact) -> Iterator[Document]:
    """The documents, a batch at a time in memory."""
    return map(Document.from_row, rows(artifact))

"""What every miner of a run starts from: the documents, with all that the split knows of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from components.corpus.document import Document
from components.corpus.documents import read, rows
from components.corpus.passages import Cutter, Passage
from components.pairs.config import Side
from components.pairs.split import Split
from components.store.artifact import Artifact


@dataclass(frozen=True)
class Material:
    """The documents of a run and their sides.

    Attributes:
        artifact: The artifact `documents`.
        split: Where each of them lies.
        cutter: Cuts them into passages.
    """

    artifact: Artifact
    split: Split
    cutter: Cutter

    def side(self, side: Side) -> Iterator[Document]:
        """The documents on one side."""
        return (document for document in read(self.artifact) if self.split.sides[document.id] == side)

    def cut(self, side: Side) -> Iterator[tuple[Document, Iterator[Passage]]]:
        """The documents on one side, each with its passages."""
        return ((document, self.cutter.passages(document)) for document in self.side(side))


def names(artifact: Artifact, sources: list[str]) -> dict[str, str]:
    """Every name that qrels and logs may use for a document -> its id; those of exact copies lead to the one kept.

    A name that two documents share (a record id in two files) leads to neither.
    """
    copies = {row["id"]: row["document"] for row in artifact.rows("duplicates")}
    owners: dict[str, set[str]] = defaultdict(set)
    for row in artifact.rows("documents", ["id", "uri"]):
        uri, document = row["uri"], copies.get(row["id"], row["id"])
        shorter = [uri.removeprefix(f"{source.rstrip('/')}/") for source in sources]
        for name in {uri, *shorter, *([uri.partition("#")[2]] if "#" in uri else [])}:
            owners[name].add(document)
    return {name: documents.pop() for name, documents in owners.items() if len(documents) == 1}


def uris(artifact: Artifact) -> dict[str, str]:
    """Document id -> address."""
    return {row["id"]: row["uri"] for row in rows(artifact, ["id", "uri"])}


def near(artifact: Artifact) -> dict[str, str]:
    """Document id -> its group of near-duplicates, as `gather` found them."""
    return {row["document"]: row["group"] for row in artifact.rows("groups")}

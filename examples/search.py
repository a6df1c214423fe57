"""Ask the demo's documents a question with the model in production; the vectors lie in Qdrant, in a folder here.

    .venv/bin/python -m examples.search "how do I let another account read my bucket"

The model's own prompts come with `encode_query` and `encode_document`: whoever encodes otherwise gets other vectors.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from qdrant_client import QdrantClient, models
from sentence_transformers import SentenceTransformer

from components.corpus import documents, passages
from components.corpus.passages import Passage
from components.store.artifact import Artifact
from components.store.errors import TouchstoneError
from components.store.intake import fingerprint, inspect
from pipelines import artifacts
from pipelines.screen import duration
from pipelines.selftest import recipe_of

RUN = Path("runs/latest")
INDEX = Path(".touchstone/index")
ALIAS = "documents"
"""What an application asks: it leads to the collection of production's model."""


@dataclass(frozen=True)
class Cost:
    """What it took to embed the corpus anew."""

    passages: int
    tokens: int
    seconds: float

    def __str__(self) -> str:
        """One line, and what a larger corpus would take at that rate."""
        rate = self.passages / self.seconds
        took = f"{self.passages:,} passages, {self.tokens:,} tokens in {duration(self.seconds)}"
        return f"{took}: {rate:,.0f} passages a second; a million would take {duration(1e6 / rate)} here"


class Search:
    """A corpus in Qdrant, embedded by one model."""

    def __init__(self, client: QdrantClient, folder: Path) -> None:
        """Ask with the model in `folder`."""
        self.client = client
        self.model = SentenceTransformer(str(folder), local_files_only=True)
        self.name = fingerprint(inspect(folder))[:12]

    def build(self, corpus: Sequence[Passage], digest: str) -> Cost | None:
        """Embed the corpus into a collection of its own, then have the alias lead there; None if it is there already.

        Vectors of two models do not mix: a promotion changes every one. The old collection answers until the new one
        is whole, the alias moves in one step, and the old one stays for a rollback.
        """
        collection, cost = f"{self.name}-{digest[:12]}", None
        if not self.client.collection_exists(collection) or self.client.count(collection).count < len(corpus):
            cost = self._fill(collection, corpus)
        moved = [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=ALIAS)),
            models.CreateAliasOperation(create_alias=models.CreateAlias(collection_name=collection, alias_name=ALIAS)),
        ]
        self.client.update_collection_aliases(change_aliases_operations=moved)
        return cost

    def _fill(self, collection: str, corpus: Sequence[Passage]) -> Cost:
        self.client.delete_collection(collection)
        size = models.VectorParams(size=self.model.get_embedding_dimension(), distance=models.Distance.COSINE)
        self.client.create_collection(collection, vectors_config=size)
        texts, start = [passage.text for passage in corpus], time.perf_counter()
        vectors = self.model.encode_document(texts, show_progress_bar=sys.stderr.isatty())
        seconds = time.perf_counter() - start
        known = [{"document": passage.document, "path": passage.path} for passage in corpus]
        self.client.upload_collection(collection, vectors=vectors, payload=known, ids=range(len(corpus)))
        counted = self.model.tokenizer(texts, truncation=True, max_length=self.model.max_seq_length)["input_ids"]
        return Cost(len(corpus), sum(map(len, counted)), seconds)

    def ask(self, question: str, limit: int = 5) -> list[tuple[str, float]]:
        """The best documents, by their best passage: id and cosine."""
        vector = self.model.encode_query(question)
        found = self.client.query_points_groups(ALIAS, query=vector, group_by="document", limit=limit, group_size=1)
        return [(str(group.id), group.hits[0].score) for group in found.groups]


def main(questions: Sequence[str], run: Path = RUN, index: Path = INDEX) -> None:
    """Answer each question with the operations that match it best."""
    kept = artifacts.of_run(run, recipe_of(run).name)
    known, corpus = Artifact.open(kept["documents"], "documents"), Artifact.open(kept["passages"], "passages")
    named = {row["id"]: row["uri"] for row in documents.rows(known, ["id", "uri"])}
    client = QdrantClient(path=str(index))
    search = Search(client, run / "model")
    if cost := search.build(passages.read(corpus), corpus.digest):
        print(f"embedded with model {search.name}: {cost}")
        print("Every promotion costs that again, as all vectors change; the old collection answers until then.")
    for question in questions:
        print(f"\n{question}")
        for document, score in search.ask(question):
            print(f"  {score:.3f}  {'/'.join(named[document].rsplit('/', 2)[1:]).removesuffix('.html')}")
    client.close()


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description="Ask the documents of a run on this machine.")
    asked.add_argument("questions", nargs="+", metavar="QUESTION")
    asked.add_argument("--run", type=Path, default=RUN)
    given = asked.parse_args()
    try:
        main(given.questions, given.run)
    except TouchstoneError as error:
        sys.exit(str(error))

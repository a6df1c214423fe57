"""Dev nDCG@10 while training: the same encoder, search and metrics that score the candidate later."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sentence_transformers import SentenceTransformer

from components.corpus import passages
from components.pairs import judged
from components.retrieval.encoder import Encoder
from components.retrieval.index import Index, Vectors
from components.retrieval.metrics import measure
from components.store.artifact import Artifact

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class DevSet:
    """Judged queries of the dev side and the documents they are searched in.

    Attributes:
        queries: Their texts.
        relevant: Of each query, position in `index.documents` -> grade.
        clusters: Each query's cluster, the unit of statistics.
        index: The documents.
    """

    queries: list[str]
    relevant: list[dict[int, int]]
    clusters: list[str]
    index: Index

    @classmethod
    def read(cls, judged_path: Path, passages_path: Path, limit: int) -> DevSet:
        """All dev queries; their relevant documents and a fixed sample of others, about `limit` in all."""
        queries = judged.read(Artifact.open(judged_path, "judged"))
        found = passages.read(Artifact.open(passages_path, "passages"))
        needed = {document for query in queries for document in query.relevant}
        others = sorted({p.document for p in found} - needed, key=lambda d: hashlib.sha256(d.encode()).digest())
        kept = needed | set(others[: max(0, limit - len(needed))])
        index = Index.of([p for p in found if p.document in kept])
        position = {document: i for i, document in enumerate(index.documents)}
        relevant = [{position[d]: grade for d, grade in q.relevant.items()} for q in queries]
        return cls([q.text for q in queries], relevant, [q.cluster or q.id for q in queries], index)

    def vectors(self, model: SentenceTransformer) -> tuple[Vectors, Vectors]:
        """Unit vectors of queries and passages."""
        encoder = Encoder(model)
        return encoder.queries(self.queries), encoder.passages(self.index.texts, "dev passages")

    def scores(self, queries: Vectors, passages: Vectors) -> Scores:
        """nDCG@10 of every query."""
        found: Scores = measure(self.index.search(queries, passages), self.relevant)["ndcg@10"]
        return found


class Judge:
    """Scores a model as it stands while it trains, and keeps the curve.

    Texts are cut where the finished model will cut them, wherever training cuts them.

    Attributes:
        curve: Steps -> mean nDCG@10.
        base: The untrained model's scores of every query, and its vectors of queries and passages.
    """

    def __init__(self, dev: DevSet, model: SentenceTransformer) -> None:
        """Score the untrained model."""
        self.dev, self.length = dev, model.max_seq_length
        self.vectors = dev.vectors(model)
        self.base = dev.scores(*self.vectors)
        self.curve: list[tuple[int, float]] = [(0, float(self.base.mean()))]

    def score(self, model: SentenceTransformer) -> Scores:
        """nDCG@10 of every query."""
        was_training, trained_length = model.training, model.max_seq_length
        model.max_seq_length = self.length
        found = self.dev.scores(*self.dev.vectors(model))
        model.max_seq_length = trained_length
        model.train(was_training)
        return found

    def note(self, model: SentenceTransformer, steps: int) -> float:
        """Score the model after so many steps; the mean goes on the curve."""
        value = float(self.score(model).mean())
        self.curve.append((steps, value))
        return value

    @property
    def best(self) -> tuple[int, float]:
        """Steps and mean nDCG@10 of the best model so far; the earliest of equals."""
        return max(self.curve, key=lambda point: (point[1], -point[0]))

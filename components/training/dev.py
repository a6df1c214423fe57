"""Dev nDCG@10 while training: the same encoder, search and metrics that score the candidate later."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from sentence_transformers import SentenceTransformer
from sentence_transformers.base.evaluation import BaseEvaluator

from components.corpus import passages
from components.pairs import judged
from components.retrieval.encoder import Encoder
from components.retrieval.index import Index
from components.retrieval.metrics import measure
from components.store.artifact import Artifact

METRIC = "dev_ndcg@10"


@dataclass(frozen=True)
class DevSet:
    """Judged queries of the dev side and the documents they are searched in."""

    queries: list[str]
    relevant: list[dict[int, int]]
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
        return cls([q.text for q in queries], relevant, index)

    def score(self, model: SentenceTransformer) -> float:
        """Mean nDCG@10 of the model over the dev queries."""
        encoder = Encoder(model)
        ranking = self.index.search(encoder.queries(self.queries), encoder.passages(self.index.texts, "dev passages"))
        return float(measure(ranking, self.relevant)["ndcg@10"].mean())


class DevEvaluator(BaseEvaluator):
    """Hands `DevSet.score` to the trainer, and keeps the curve.

    Texts are cut where the finished model will cut them (`length`), wherever training cuts them.
    """

    def __init__(self, dev: DevSet, length: int | None) -> None:
        """Start an empty curve."""
        super().__init__()
        self.dev, self.length = dev, length
        self.curve: list[tuple[int, float]] = []

    def __call__(
        self, model: SentenceTransformer, output_path: str | None = None, epoch: float = -1, steps: int = -1
    ) -> dict[str, float]:
        """Score the model as it stands after `steps` steps."""
        was_training, trained_length = model.training, model.max_seq_length
        model.max_seq_length = self.length
        value = self.dev.score(model)
        model.max_seq_length = trained_length
        model.train(was_training)
        self.curve.append((max(steps, 0), value))
        return {METRIC: value}

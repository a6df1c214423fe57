"""Guards: general benchmarks in BEIR layout that a candidate must not get worse on."""

from __future__ import annotations

import io
import json
from collections import Counter
from dataclasses import dataclass

from components.corpus.passages import Passage
from components.corpus.snapshot import Item
from components.evaluation.scores import Numbers
from components.pairs import judged
from components.retrieval.encoder import Encoder
from components.retrieval.index import Index, Vectors
from components.retrieval.metrics import measure
from components.store.errors import UserError


@dataclass(frozen=True)
class Guard:
    """One benchmark: its documents, queries and judgements."""

    name: str
    index: Index
    queries: list[str]
    relevant: list[dict[int, int]]

    @classmethod
    def read(cls, name: str, items: list[Item]) -> Guard:
        """Read `corpus.jsonl`, `queries.jsonl` and `qrels/*.tsv` as the snapshot lists them.

        Raises:
            UserError: BAD_GUARD when there is no corpus or no judged query, or a line cannot be read.
        """
        texts = _corpus(name, items)
        index = Index.of([Passage(key, key, "", text, 0, len(text)) for key, text in texts.items()])
        position = {document: i for i, document in enumerate(index.documents)}
        queries = judged.parse(items, {key: key for key in texts}, Counter())
        if not queries:
            raise UserError("BAD_GUARD", f"guard {name} judges nothing", expected="qrels of its queries and documents")
        relevant = [{position[d]: grade for d, grade in q.relevant.items()} for q in queries]
        return cls(name, index, [q.text for q in queries], relevant)

    def score(self, encoder: Encoder, passages: Vectors) -> Numbers:
        """nDCG@10 of every query, given the vectors of `index.texts`."""
        ranking = self.index.search(encoder.queries(self.queries), passages)
        values: Numbers = measure(ranking, self.relevant)["ndcg@10"]
        return values


def _corpus(name: str, items: list[Item]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for item in items:
        if item.uri.endswith("/corpus.jsonl"):
            for number, line in enumerate(io.BytesIO(item.read()), start=1):
                try:
                    record = json.loads(line)
                    texts[str(record["_id"])] = f"{record.get('title') or ''} {record['text']}".strip()
                except (ValueError, KeyError, TypeError, AttributeError):
                    raise UserError("BAD_GUARD", f"{item.uri} line {number} is no BEIR document") from None
    if not texts:
        raise UserError("BAD_GUARD", f"guard {name} has no corpus", expected="a corpus.jsonl with _id and text")
    return texts

"""Guards: general benchmarks in BEIR layout that a candidate must not get worse on."""

from __future__ import annotations

import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from components.corpus.passages import PASSAGE_SCHEMA, Passage
from components.corpus.snapshot import Item
from components.pairs import judged
from components.retrieval.index import Index, Vectors
from components.retrieval.metrics import measure
from components.store.artifact import ArtifactWriter
from components.store.errors import UserError

if TYPE_CHECKING:  # the command line counts queries and needs no torch for that
    from components.retrieval.encoder import Encoder

Numbers = npt.NDArray[np.float64]

DEV_PART = 4
"""One in so many queries of a guard belongs to dev, where training looks at them; the gate sees the others alone."""
FEWEST = 100
"""A guard with fewer queries has none to spare for dev."""


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

    @property
    def dev(self) -> Guard:
        """The part that training may look at: a quarter of the queries; nothing of a small guard."""
        return self._part(dev=True)

    @property
    def sealed(self) -> Guard:
        """The part that the gate judges by."""
        return self._part(dev=False)

    def _part(self, *, dev: bool) -> Guard:
        enough = len(self.queries) >= FEWEST
        kept = [place for place, text in enumerate(self.queries) if (enough and _to_dev(text)) == dev]
        relevant = [self.relevant[place] for place in kept]
        return replace(self, queries=[self.queries[place] for place in kept], relevant=relevant)

    def write(self, folder: Path) -> None:
        """Leave the guard where training finds it: the artifacts `judged` and `passages` in `folder`."""
        with ArtifactWriter(folder / "passages", "passages") as out:
            names = zip(self.index.documents, self.index.texts, strict=True)
            rows = (vars(Passage(name, name, "", text, 0, len(text))) for name, text in names)
            out.table("passages", PASSAGE_SCHEMA, rows)
        known = zip(self.queries, self.relevant, strict=True)
        queries = [
            judged.Query(f"q{place}", text, (), {self.index.documents[where]: grade for where, grade in right.items()})
            for place, (text, right) in enumerate(known)
        ]
        judged.write(folder / "judged", "judged", queries, {}, {})

    def score(self, encoder: Encoder, passages: Vectors) -> Numbers:
        """nDCG@10 of every query, given the vectors of `index.texts`."""
        ranking = self.index.search(encoder.queries(self.queries), passages)
        values: Numbers = measure(ranking, self.relevant)["ndcg@10"]
        return values


def _to_dev(text: str) -> bool:
    """Always the same queries, whatever else the guard holds."""
    return hashlib.sha256(text.encode()).digest()[0] < 256 // DEV_PART


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

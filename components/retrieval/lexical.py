"""BM25 (Robertson et al. 1995) over the same passages, by bm25s with an English stemmer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import bm25s
import numpy as np
import Stemmer

from components.retrieval.index import DEPTH, Index, Ranking, merge, nothing


class Words:
    """The passages by their words: indexed once, asked many times."""

    def __init__(self, index: Index) -> None:
        """Index the passages."""
        self._index = index
        self._stemmer = Stemmer.Stemmer("english")
        self._model = bm25s.BM25()
        self._model.index(bm25s.tokenize(index.texts, stemmer=self._stemmer, show_progress=False), show_progress=False)

    def search(self, queries: Sequence[str], depth: int = DEPTH) -> Ranking:
        """Rank documents by their best passage; a document without a word of the query is not found (-1)."""
        every = np.arange(len(self._index.documents))
        found = [merge(nothing(1), every, scores[None, :], depth) for scores in self._scores(queries)]
        scores = np.concatenate([r.scores for r in found])
        return Ranking(np.where(scores > 0, np.concatenate([r.documents for r in found]), -1), scores)

    def finds(self, query: str, document: int, count: int) -> bool:
        """Whether the document (its position in the index) is among the best `count`; ties are in its favour."""
        (scores,) = self._scores([query])
        return bool(scores[document] > 0 and (scores > scores[document]).sum() < count)

    def _scores(self, queries: Sequence[str]) -> Iterator[np.ndarray]:
        """For each query each document's best passage score; zeros for words that the corpus does not have."""
        asked = bm25s.tokenize(list(queries), stemmer=self._stemmer, show_progress=False, return_ids=False)
        for tokens in asked:
            known = [token for token in tokens if token in self._model.vocab_dict]
            scores = self._model.get_scores(known) if known else np.zeros(len(self._index.texts), np.float32)
            yield np.maximum.reduceat(scores, self._index.starts).astype(np.float32)

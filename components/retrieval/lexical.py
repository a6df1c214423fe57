"""BM25 (Robertson et al. 1995) over the same passages, by bm25s with an English stemmer."""

from __future__ import annotations

from collections.abc import Sequence

import bm25s
import numpy as np
import Stemmer

from components.retrieval.index import DEPTH, Index, Ranking, merge


def search(index: Index, queries: Sequence[str], depth: int = DEPTH) -> Ranking:
    """Rank documents by their best passage; a document without a word of the query is not found (-1)."""
    stemmer = Stemmer.Stemmer("english")
    model = bm25s.BM25()
    model.index(bm25s.tokenize(index.texts, stemmer=stemmer, show_progress=False), show_progress=False)
    words = bm25s.tokenize(list(queries), stemmer=stemmer, show_progress=False, return_ids=False)
    empty = Ranking(np.empty((1, 0), np.int64), np.empty((1, 0), np.float32))
    found = [merge(empty, 0, _scores(model, index, tokens), depth) for tokens in words]
    scores = np.concatenate([r.scores for r in found])
    return Ranking(np.where(scores > 0, np.concatenate([r.documents for r in found]), -1), scores)


def _scores(model: bm25s.BM25, index: Index, tokens: list[str]) -> np.ndarray:
    """Each document's best passage score (1 x documents); zeros for words that the corpus does not have."""
    known = [token for token in tokens if token in model.vocab_dict]
    scores = model.get_scores(known) if known else np.zeros(len(index.texts), np.float32)
    return np.maximum.reduceat(scores, index.starts)[None, :].astype(np.float32)

"""Hard negatives: passages that a model takes for answers and that are none.

Of the passages of training documents that score less than a part of what the positive scores (TopK-PercPos of
NV-Retriever, arXiv 2407.15831), the highest; never one of a document that is known to answer, of its near-duplicates,
or that says what the positive says.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import chain

import numpy as np
import pyarrow as pa

from components.pairs.filters import words
from components.pairs.nearest import Pool
from components.pairs.pair import Pair
from components.pairs.wording import plain

TRAINING_SCHEMA = pa.schema([("document", pa.string()), ("group", pa.string())])
"""The documents of the training side, all of them: what negatives are taken from."""
RELEVANT_SCHEMA = pa.schema([("query", pa.binary(8)), ("document", pa.string())])
"""What answers which query, by sources that are no pairs: judged queries of the training side, and clicks."""

SHINGLE = 5
SAME = 0.8
"""The part of the shorter text's runs of 5 words that stand in the longer, from which both say the same."""


def query_key(text: str) -> bytes:
    """The name of a query in `RELEVANT_SCHEMA`: equal for those that ask the same in the same words."""
    return blake2b(plain(text).encode(), digest_size=8).digest()


class Relevant:
    """The groups of documents that are known to answer a query, in 16 bytes for each that is known."""

    def __init__(self, known: Iterable[tuple[bytes, str]], groups: Mapping[str, str]) -> None:
        """Take what is known.

        Args:
            known: `query_key` of a query, and the id of a document that answers it.
            groups: Document id -> group on the training side; others cannot become negatives.
        """
        self._names = sorted(set(groups.values()))
        number = {name: i for i, name in enumerate(self._names)}
        keys, answers = array("Q"), array("q")
        for key, document in known:
            if document in groups:
                keys.append(int.from_bytes(key, "little"))
                answers.append(number[groups[document]])
        found = np.frombuffer(keys, np.uint64) if keys else np.empty(0, np.uint64)
        order = np.argsort(found, kind="stable")
        self._keys = found[order]
        self._answers = np.array(answers, np.int64)[order]

    def groups(self, query: str) -> set[str]:
        """The groups that answer the query."""
        key = np.uint64(int.from_bytes(query_key(query), "little"))
        first, last = np.searchsorted(self._keys, key, "left"), np.searchsorted(self._keys, key, "right")
        return {self._names[i] for i in self._answers[first:last]}


def ceiling(positive: float, margin: float) -> float:
    """The score that a negative must not reach; for a positive below 0 it is as far below that."""
    return positive - (1 - margin) * abs(positive)


def choose(pair: Pair, candidates: Iterable[int], forbidden: Iterable[int], pool: Pool, wanted: int) -> tuple[str, ...]:
    """The negatives of a pair: those its miner has found, then the candidates; at most `wanted`.

    Args:
        pair: The pair, with what its miner put there. A miner sees training documents alone, but not what other
            sources say, so what stands in a forbidden document is left out.
        candidates: Positions of passages, best first, none of a forbidden document.
        forbidden: Documents that may answer.
        pool: Where negatives come from.
        wanted: How many.
    """
    chosen: list[str] = []
    mined = (text for text in pair.negatives if not any(_stands_in(text, pool.texts(d)) for d in forbidden))
    for text in chain(mined, (pool.index.texts[i] for i in candidates)):
        if len(chosen) == wanted:
            break
        if not any(same(text, other) for other in (pair.positive, *chosen)):
            chosen.append(text)
    return tuple(chosen)


def same(one: str, other: str) -> bool:
    """Whether the texts say the same: the shorter one stands in the longer, give or take a fifth.

    A negative is a whole passage and a positive a few sentences, so they are not alike as sets (MinHash estimates
    that) even where one holds the other.
    """
    return _stands_in(one, [other]) if len(_words(one)) < len(_words(other)) else _stands_in(other, [one])


def _stands_in(text: str, passages: Iterable[str]) -> bool:
    """Whether most of the text's runs of words stand in the passages; of a text too short for runs, all of it."""
    if len(_words(text)) < SHINGLE:
        return any(f" {' '.join(_words(text))} " in f" {' '.join(_words(passage))} " for passage in passages)
    runs = _runs(text)
    return len(runs & frozenset().union(*map(_runs, passages))) >= SAME * len(runs)


@lru_cache(4096)
def _words(text: str) -> tuple[str, ...]:
    return tuple(words(text))


@lru_cache(4096)
def _runs(text: str) -> frozenset[tuple[str, ...]]:
    return frozenset(zip(*(_words(text)[i:] for i in range(SHINGLE)), strict=False))

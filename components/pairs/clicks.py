"""From clicks to what trains and what judges.

What a click says is only comparable within its question: propensities are known up to a factor, if at all, and that
factor is the same for all of a question's documents. So weights and grades are in proportion to the best one's.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from components.corpus.document import Document
from components.pairs.judged import Query
from components.pairs.logs import Clicked
from components.pairs.pair import Dropped, Pair
from components.pairs.wording import plain

MINER = "logs"
WORDS = 100
"""Words of a stretch, and at most half as many more, so that no section ends in a scrap."""
MIN_WORDS = 5
"""Fewer answer nothing, as in `headings`."""
GRADES = 3

_WORD = re.compile(r"\S+")
_SPOOL = """
CREATE TABLE clicks (document TEXT, query TEXT, weight REAL);
CREATE TABLE skips (skipped TEXT, document TEXT, query TEXT, place INTEGER, text TEXT);
"""
_INDEXES = """
CREATE INDEX by_document ON clicks (document, query);
CREATE TABLE bests AS SELECT query, max(weight) AS weight FROM clicks GROUP BY query;
CREATE INDEX by_query ON bests (query);
CREATE INDEX by_skipped ON skips (skipped, query);
CREATE INDEX by_click ON skips (document, query, place);
"""


@dataclass(frozen=True)
class Stretch:
    """Some hundred words of a section.

    Attributes:
        start: Where it begins in the document's text (characters).
        end: Where it ends.
        words: Its words and those of the headings above it, as `plain` writes them.
    """

    start: int
    end: int
    words: frozenset[str]


def queries(clicked: Iterable[Clicked]) -> list[Query]:
    """What the held-out part of a log judges: its questions, in the order of their ids.

    A document's grade is 3 from two thirds of the best one's weight on, 2 from one third on, else 1. Quantiles over
    all questions would change a question's grades with every other question's clicks.
    """
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for one in clicked:
        if one.held_out:
            found[one.query][one.document] = one.weight
    return sorted((_query(text, weights) for text, weights in found.items()), key=lambda query: query.id)


def _query(text: str, weights: Mapping[str, float]) -> Query:
    best = max(weights.values())
    grades = {
        document: 1 + min(int(GRADES * weight / best), GRADES - 1) for document, weight in sorted(weights.items())
    }
    return Query(f"{MINER}-{hashlib.sha256(plain(text).encode()).hexdigest()[:16]}", text, (MINER,), grades)


def pairs(
    clicked: Iterable[Clicked], documents: Callable[[], Iterable[Document]], groups: Mapping[str, str]
) -> Iterator[Pair | Dropped]:
    """The training pairs of a log, in the order of the documents; as many results as there are clicks that train.

    The documents are read twice: first for the negatives, then for the answers. In between all lies in a temporary
    database, so memory does not grow with the log.

    Args:
        clicked: Those that are held out are passed over.
        documents: Reads the documents that may be trained on, from the start.
        groups: Document id -> group; a near-duplicate of the answer is no negative.
    """
    with closing(sqlite3.connect("")) as spool:  # a file without a name, which goes with the connection
        spool.executescript(_SPOOL)
        for one in clicked:
            if not one.held_out:
                _keep(spool, one, groups)
        spool.executescript(_INDEXES)
        for document in documents():
            _find_negatives(spool, document)
        for document in documents():
            yield from _of_document(spool, document, groups)
            spool.execute("DELETE FROM clicks WHERE document = ?", (document.id,))
        for (document_id,) in spool.execute("SELECT document FROM clicks ORDER BY document, query"):
            yield Dropped(MINER, document_id, "", "NOT_IN_TRAINING")  # its question may be one that judges


def _keep(spool: sqlite3.Connection, one: Clicked, groups: Mapping[str, str]) -> None:
    spool.execute("INSERT INTO clicks VALUES (?, ?, ?)", (one.document, one.query, one.weight))
    other = (skipped for skipped in one.skipped if groups.get(skipped) != groups.get(one.document))
    rows = ((skipped, one.document, one.query, place) for place, skipped in enumerate(other))
    spool.executemany("INSERT INTO skips VALUES (?, ?, ?, ?, NULL)", rows)


def _find_negatives(spool: sqlite3.Connection, document: Document) -> None:
    """Keep what of a document was passed over."""
    asked = spool.execute(
        "SELECT DISTINCT query FROM skips WHERE skipped = ? ORDER BY query", (document.id,)
    ).fetchall()
    found, text = (stretches(document), document.text) if asked else ([], "")
    for (query,) in asked:
        if span := best(found, query):
            said = (text[span.start : span.end], document.id, query)
            spool.execute("UPDATE skips SET text = ? WHERE skipped = ? AND query = ?", said)


def _of_document(spool: sqlite3.Connection, document: Document, groups: Mapping[str, str]) -> Iterator[Pair | Dropped]:
    asked = spool.execute(
        "SELECT query, clicks.weight / bests.weight FROM clicks JOIN bests USING (query) "
        "WHERE document = ? ORDER BY query",
        (document.id,),
    ).fetchall()
    found, text = (stretches(document), document.text) if asked else ([], "")
    for query, weight in asked:
        span = best(found, query)
        answer = text[span.start : span.end] if span else ""
        if span is None or plain(answer) == plain(query):
            yield Dropped(MINER, document.id, query, "ANSWER_REPEATS_QUERY" if span else "SHORT_ANSWER")
            continue
        negatives = tuple(text for text in _negatives(spool, document.id, query) if text != answer)
        yield Pair(query, answer, MINER, document.id, groups[document.id], span.start, span.end, weight, negatives)


def _negatives(spool: sqlite3.Connection, document: str, query: str) -> list[str]:
    wanted = "SELECT text FROM skips WHERE document = ? AND query = ? AND text IS NOT NULL ORDER BY place"
    return list(dict.fromkeys(text for (text,) in spool.execute(wanted, (document, query))))


def best(found: list[Stretch], query: str) -> Stretch | None:
    """The stretch that has the most words of the question, the first of several; nothing where there is none."""
    asked = set(plain(query).split())
    return max(found, key=lambda stretch: len(asked & stretch.words), default=None)


def stretches(document: Document) -> list[Stretch]:
    """The document in stretches that begin with a section, or `WORDS` words after the one before."""
    found, offset = [], 0
    for section in document.sections:
        above = plain(" ".join(section.path)).split()
        words = [match.span() for match in _WORD.finditer(section.text)]
        for first, last in _cuts(len(words)):
            start, end = words[first][0], words[last - 1][1]
            inside = plain(section.text[start:end]).split()
            found.append(Stretch(offset + start, offset + end, frozenset(above + inside)))
        offset += len(section.text) + 1
    return found


def _cuts(words: int) -> Iterator[tuple[int, int]]:
    """First and one past the last word of each stretch of so many words."""
    if words < MIN_WORDS:
        return
    starts = range(0, max(words - WORDS // 2, 1), WORDS)
    for start in starts:
        yield start, words if start == starts[-1] else start + WORDS

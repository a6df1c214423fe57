"""Training pairs from headings: the heading is the question, the first sentences below it are the answer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from components.corpus.document import Document, Section

PAIR_SCHEMA = pa.schema(
    [
        ("anchor", pa.string()),
        ("positive", pa.string()),
        ("negatives", pa.list_(pa.string())),
        ("miner", pa.string()),
        ("document", pa.string()),
        ("group", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("weight", pa.float64()),
    ]
)
DROPPED_SCHEMA = pa.schema([(name, pa.string()) for name in ("document", "heading", "reason")])

COMMON = 5
"""A heading that stands in more documents than this says nothing about any of them."""
SENTENCES = 3
MAX_WORDS = 60
MIN_WORDS = 5

_SENTENCE_END = re.compile(r"[.!?](?=\s)|(?<![.!?])\n")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z]{2})(?=[A-Z](?!s\b)[a-z])")
"""Where words of an identifier meet; not inside APIs, IPv4 or OAuth."""


@dataclass(frozen=True)
class Pair:
    """One training pair, traceable to its span (characters of the document's text)."""

    anchor: str
    positive: str
    miner: str
    document: str
    group: str
    start: int
    end: int
    weight: float = 1.0

    def row(self) -> dict[str, Any]:
        """The pair as a row of `PAIR_SCHEMA`."""
        return dict(vars(self)) | {"negatives": []}


@dataclass(frozen=True)
class Dropped:
    """A heading that made no pair, with a stable reason code."""

    document: str
    heading: str
    reason: str


def count_headings(documents: Iterable[Document]) -> Counter[str]:
    """In how many documents each heading stands (as `plain` writes it)."""
    counted: Counter[str] = Counter()
    for document in documents:
        counted.update({plain(section.path[-1]) for section in document.sections if section.path})
    return counted


def pairs(document: Document, group: str, common: Counter[str]) -> Iterator[Pair | Dropped]:
    """The pairs of one document, and the headings that made none."""
    offset = 0
    for section in document.sections:
        if section.path:
            yield _pair(document, group, section, offset, common)
        offset += len(section.text) + 1


def _pair(document: Document, group: str, section: Section, offset: int, common: Counter[str]) -> Pair | Dropped:
    heading = section.path[-1]
    if common[plain(heading)] > COMMON:
        return Dropped(document.id, heading, "COMMON_HEADING")
    end = _first_sentences(section.text)
    answer = section.text[:end]
    if len(answer.split()) < MIN_WORDS:
        return Dropped(document.id, heading, "SHORT_ANSWER")
    anchor = spell_out(heading)
    if plain(anchor) == plain(answer):
        return Dropped(document.id, heading, "ANSWER_REPEATS_HEADING")
    return Pair(anchor, answer, "headings", document.id, group, offset, offset + end)


def spell_out(heading: str) -> str:
    """Identifiers as words, since people ask in words: `CreateBucket` and `create_bucket` become `create bucket`."""
    words = [_CAMEL.sub(" ", word.replace("_", " ")) for word in heading.split()]
    return " ".join(word.lower() if " " in word else word for word in words)


def plain(text: str) -> str:
    """Letters and digits in lower case, identifiers spelt out: how headings and queries are compared."""
    return " ".join(re.findall(r"\w+", spell_out(text).casefold()))


def _first_sentences(text: str) -> int:
    """Where the first sentences end: at most `SENTENCES` of them and `MAX_WORDS` words."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)][:SENTENCES]
    end = ends[-1] if len(ends) == SENTENCES else len(text)
    words = list(re.finditer(r"\S+", text[:end]))
    return words[MAX_WORDS - 1].end() if len(words) > MAX_WORDS else len(text[:end].rstrip())

"""Training pairs from headings: the heading is the question, the first sentences below it are the answer.

A heading that says little by itself is asked with the one above it; one that stands in many documents says nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from components.corpus.document import Document, Section
from components.pairs.pair import Dropped, Pair
from components.pairs.wording import plain, spell_out

MINER = "headings"

COMMON = 5
"""A heading that stands in more documents than this says nothing about any of them."""
_GENERIC = """
about, abstract, appendix, background, basics, before you begin, benefits, caveats, changelog, conclusion,
configuration, contents, demo, description, details, discussion, example, examples, faq, features, further reading,
general, getting started, goal, goals, how it works, important, info, information, installation, intro,
introduction, known issues, license, limitations, links, more, motivation, next steps, note, notes, options, other,
output, overview, parameters, preface, prerequisites, purpose, questions, quick start, quickstart, reference,
references, related, remarks, requirements, resources, result, results, return value, returns, scope, see also,
setup, solution, steps, summary, support, syntax, synopsis, table of contents, tips, troubleshooting, tutorial,
usage, warning, warnings, what s new, what s next
"""
GENERIC = frozenset(" ".join(_GENERIC.split()).split(", "))
"""Headings, as `plain` writes them, that do not say what they are about."""
SENTENCES = 3
MAX_WORDS = 60
MIN_WORDS = 5

_SENTENCE_END = re.compile(r"[.!?](?=\s)|(?<![.!?])\n")


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
        return Dropped(MINER, document.id, heading, "COMMON_HEADING")
    asked = _asked(document, section)
    if not asked:
        return Dropped(MINER, document.id, heading, "GENERIC_HEADING")
    end = _first_sentences(section.text)
    answer = section.text[:end]
    if len(answer.split()) < MIN_WORDS:
        return Dropped(MINER, document.id, heading, "SHORT_ANSWER")
    anchor = spell_out(asked)
    if plain(anchor) == plain(answer):
        return Dropped(MINER, document.id, heading, "ANSWER_REPEATS_HEADING")
    return Pair(anchor, answer, MINER, document.id, group, offset, offset + end)


def _asked(document: Document, section: Section) -> str:
    """The heading; if it is generic, the nearest one above that is not (the title last) and then the heading."""
    heading = section.path[-1]
    if plain(heading) not in GENERIC:
        return heading
    above = next((one for one in (*section.path[-2::-1], document.title) if one and plain(one) not in GENERIC), "")
    return f"{above} {heading}" if above and above != heading else ""


def _first_sentences(text: str) -> int:
    """Where the first sentences end: at most `SENTENCES` of them and `MAX_WORDS` words."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)][:SENTENCES]
    end = ends[-1] if len(ends) == SENTENCES else len(text)
    words = list(re.finditer(r"\S+", text[:end]))
    return words[MAX_WORDS - 1].end() if len(words) > MAX_WORDS else len(text[:end].rstrip())

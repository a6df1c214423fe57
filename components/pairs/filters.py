"""Filters for training pairs by rule: length, language, copied text, duplicates across sources.

They are for what trains. What judges is never filtered by them: a rule that knows a model or BM25 would choose the
questions that this system answers well. A pair is kept as it is, or becomes a row with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

from components.corpus import language
from components.pairs.config import FiltersConfig
from components.pairs.pair import Dropped, Pair
from components.pairs.wording import UNSPACED_CLASS, plain

LONG = 5
"""Words of an anchor from which on copied text is looked for: shorter ones are names, and texts name their subject."""

_WIDE = re.compile(f"[{UNSPACED_CLASS}]")
_WORD = re.compile(rf"[{UNSPACED_CLASS}]|[^\W{UNSPACED_CLASS}]+")


def keep(
    found: Iterable[Pair | Dropped], languages: Mapping[str, str], config: FiltersConfig
) -> Iterator[Pair | Dropped]:
    """Pass on the pairs that may train, and a row for each of the others; one comes out for each that goes in.

    Args:
        found: What the miners made, the most trusted source first: of two that say the same the first is kept.
        languages: Document id -> its language, or nothing where it is unknown.
        config: The recipe's section.
    """
    seen = _Seen()
    for one in found:
        if isinstance(one, Dropped):
            yield one
            continue
        reason = _length(one, config) or _language(one, languages, config) or _copied(one, config) or seen.before(one)
        yield Dropped(one.miner, one.document, one.anchor, reason) if reason else one


def words(text: str) -> list[str]:
    """Its words in lower case; in scripts without spaces every letter is one."""
    return _WORD.findall(text.casefold())


def length(text: str) -> int:
    """How many words it has, as they stand between spaces; without spaces, two letters are counted as one word."""
    wide = len(_WIDE.findall(text))
    apart = _WIDE.sub(" ", text).split()
    return sum(any(map(str.isalnum, word)) for word in apart) + (wide + 1) // 2


def _length(pair: Pair, config: FiltersConfig) -> str:
    count = length(pair.anchor)
    if count < config.min_words:
        return "TOO_SHORT"
    return "TOO_LONG" if count > config.max_words else ""


def _language(pair: Pair, languages: Mapping[str, str], config: FiltersConfig) -> str:
    """A pair from outside of the corpus has no document that would know: its positive is asked."""
    if not config.languages:
        return ""
    known = languages[pair.document] if pair.document else language.detect(pair.positive, "")
    return "" if known in config.languages else "LANGUAGE"


def _copied(pair: Pair, config: FiltersConfig) -> str:
    """Whether so many words of the anchor stand in the positive in a row.

    Words are taken as they are written: a page that names `ListThingsInBillingGroup` has not been copied into the
    question `list things in billing group`.
    """
    asked = words(pair.anchor)
    run = int(config.max_copied * len(asked)) + 1
    if len(asked) < LONG or run > len(asked):
        return ""
    text = f" {' '.join(words(pair.positive))} "
    copied = any(f" {' '.join(asked[i : i + run])} " in text for i in range(len(asked) - run + 1))
    return "COPIED_TEXT" if copied else ""


class _Seen:
    """What was kept, as digests of 8 bytes: two that differ are taken for one once in 10^7 runs of a million pairs."""

    def __init__(self) -> None:
        self._texts: set[bytes] = set()
        self._documents: dict[bytes, str] = {}

    def before(self, pair: Pair) -> str:
        """`DUPLICATE` when the same was asked before with the same answer, or by another source of the same document.

        One source may ask the same of two places in a document.
        """
        anchor = plain(pair.anchor)
        text, document = _digest(anchor, plain(pair.positive)), _digest(anchor, pair.document)
        source = self._documents.get(document, pair.miner) if pair.document else pair.miner
        if text in self._texts or source != pair.miner:
            return "DUPLICATE"
        self._texts.add(text)
        if pair.document:
            self._documents[document] = pair.miner
        return ""


def _digest(*parts: str) -> bytes:
    return blake2b("\0".join(parts).encode(), digest_size=8).digest()

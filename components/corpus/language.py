"""Which language a text is in: what the document declares, else what its letters say.

py3langid counts byte n-grams and is certain or silent: on a hundred characters of technical text in 30 languages it
is right in 97 of 100 cases, needs no network, and takes 0.1 ms. Source: Lui and Baldwin, "langid.py: An
Off-the-shelf Language Identification Tool" (ACL 2012).
"""

from __future__ import annotations

import re
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

SHORTEST = 20
"""Letters below which any answer is a guess."""
SURE = 0.5
"""The least confidence (0 to 1) that counts."""

_PIECES = [slice(0, 120), slice(440, 560), slice(880, 1000)]
"""What is looked at: a beginning alone may be a table of names, and all of it would cost four times as much."""
_TAG = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{1,8})*", re.I)
_NONE = frozenset(("und", "zxx", "mul", "mis"))
_LETTER = re.compile(r"[^\W\d_]")


def detect(text: str, declared: str) -> str:
    """The language as two or three letters (ISO 639), or nothing where neither the document nor the text says it.

    Args:
        text: The document's text; its first thousand characters are enough.
        declared: What the document says of itself (BCP 47, RFC 5646); it wins if it is plausible.
    """
    tag = _TAG.fullmatch(declared.strip())
    if tag and tag[1].lower() not in _NONE:
        return tag[1].lower()
    sample = " ".join(filter(None, (text[piece] for piece in _PIECES)))
    if len(_LETTER.findall(sample)) < SHORTEST:
        return ""
    language, confidence = _identifier().classify(sample)
    return str(language) if confidence >= SURE and language not in _NONE else ""


@cache
def _identifier() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

"""How texts are compared: by their words alone."""

from __future__ import annotations

import re
import unicodedata

_MARKS = "".join(map(chr, (p for p in range(0x300, 0x20000) if unicodedata.category(chr(p)).startswith("M"))))
"""Vowel signs and accents of their own, without which words of Hindi or Thai would be others."""
_WORD, _ASCII = re.compile(rf"[\w{_MARKS}]+"), re.compile(r"\w+", re.ASCII)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z]{2})(?=[A-Z](?!s\b)[a-z])")
"""Where words of an identifier meet; not inside APIs, IPv4 or OAuth."""


def spell_out(text: str) -> str:
    """Identifiers as words, since people ask in words: `CreateBucket` and `create_bucket` become `create bucket`."""
    if text == text.lower() and "_" not in text:
        return " ".join(text.split())
    words = [_CAMEL.sub(" ", word.replace("_", " ")) for word in text.split()]
    return " ".join(word.lower() if " " in word else word for word in words)


def plain(text: str) -> str:
    """Letters and digits in lower case, identifiers spelt out: equal for texts that say the same in the same words."""
    said = unicodedata.normalize("NFC", spell_out(text)).casefold()
    return " ".join((_ASCII if said.isascii() else _WORD).findall(said))

"""How texts are compared: by their words alone."""

from __future__ import annotations

import re
import unicodedata

UNSPACED = (
    *((0x0E00, 0x0FFF), (0x1000, 0x109F), (0x1780, 0x17FF)),  # Thai, Lao, Tibetan, Burmese, Khmer
    *((0x3040, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),  # kana, Han
)
"""First and last character of the scripts that put no spaces between words."""
UNSPACED_CLASS = "".join(f"{chr(first)}-{chr(last)}" for first, last in UNSPACED)
"""The same, for within the brackets of a regular expression."""
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

"""How texts are compared: by their words alone."""

from __future__ import annotations

import re

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z]{2})(?=[A-Z](?!s\b)[a-z])")
"""Where words of an identifier meet; not inside APIs, IPv4 or OAuth."""


def spell_out(text: str) -> str:
    """Identifiers as words, since people ask in words: `CreateBucket` and `create_bucket` become `create bucket`."""
    words = [_CAMEL.sub(" ", word.replace("_", " ")) for word in text.split()]
    return " ".join(word.lower() if " " in word else word for word in words)


def plain(text: str) -> str:
    """Letters and digits in lower case, identifiers spelt out: equal for texts that say the same in the same words."""
    return " ".join(re.findall(r"\w+", spell_out(text).casefold()))

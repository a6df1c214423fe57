"""HTML that would cost its parser hours or gigabytes, made harmless before it is parsed.

Three things make the browsers' algorithm quadratic: elements nested by the ten thousand, a tag with thousands of
attributes, and formatting elements that are never closed, of which every later paragraph begins with copies.
Source: the HTML Standard, sections 13.2.4.3 (lists of elements) and 13.2.5.33 (attribute names).
"""

from __future__ import annotations

import re

from components.corpus.limits import MAX_TAGS, Refused

MAX_DEPTH = 4_000
"""Open elements; pages written by hand stay below 50."""
MAX_COPIES = 200_000
"""Copies of formatting elements."""
MAX_ATTRIBUTES = 1_000
"""Attributes of one tag."""
SMALL = 65_536
"""Characters; the attributes that fit in a page of fewer cost a second at most."""

_ATTRIBUTE = r"""[^>\s/=]*+(?:\s*+=\s*+(?:"[^"]*+"|'[^']*+'|[^\s>]*+)|[\s/]++)"""
_MANY = rf"(?>(?:{_ATTRIBUTE}){{{MAX_ATTRIBUTES}}})({_ATTRIBUTE})"
_RAW = r"<!--.*?(?:-->|\Z)|<(script|style|textarea|title)\b.*?(?:</\1|\Z)"
_TAG = re.compile(rf"{_RAW}|<(/?)([a-z][^\s/>]*+)(?:{_MANY}|(?:{_ATTRIBUTE})*+)[^>]*+", re.I | re.S)
_FORMATTING = re.compile(r"<(?=[BbCcEeFfIiSsTtUu])(?i:b|big|code|em|font|i|s|small|strike|strong|tt|u)(?=[\s/>])[^>]*+")
_LONG = re.compile(rf"<[a-zA-Z][^>]{{{2 * MAX_ATTRIBUTES}}}")
_HIDDEN_END = re.compile(r"""=\s*+(?:"[^">]*+>|'[^'>]*+>)""")
_FORMATS = "b big code em font i s small strike strong tt u"
_FLAT = "area base br col embed hr img input link meta param source track wbr p li dt dd td th tr option"
_CONTAINERS = "div p li tr td th dt dd ul ol table section article pre blockquote br main body"
_FORMATTING_NAMES, _NEVER_DEEP, _BLOCKS = (frozenset(names.split()) for names in (_FORMATS, _FLAT, _CONTAINERS))
_HEADING = re.compile(r"h[1-6]")


def tame(text: str) -> str:
    """The page itself where it is harmless; else its headings and paragraphs alone, all on one level.

    Raises:
        Refused: TOO_LARGE for more than `MAX_TAGS` tags.
    """
    tags = text.count("<")
    if tags > MAX_TAGS:
        raise Refused("TOO_LARGE", f"more than {MAX_TAGS} tags")
    if _suspicious(text, tags) and not _harmless(text):
        return _TAG.sub(_flat, text)
    return text


def _suspicious(text: str, tags: int) -> bool:
    """What a glance at the page cannot clear; it costs a tenth of parsing it.

    Few tags cannot be deep. A tag of many attributes is long, or its end seems to come early, inside a value. At most
    three formatting elements alike are copied, each before every paragraph.
    """
    if tags > MAX_DEPTH or (len(text) > SMALL and (_LONG.search(text) or _HIDDEN_END.search(text))):
        return True
    if tags * tags <= MAX_COPIES:
        return False
    distinct = set(_FORMATTING.findall(text))
    cut_short = any(tag.count('"') % 2 or tag.count("'") % 2 for tag in distinct)
    return cut_short or 3 * len(distinct) * tags > MAX_COPIES


def _harmless(text: str) -> bool:
    """Bounds from above: closing tags are taken to close an element of their name, and copies to be made everywhere."""
    opened: dict[str, int] = {}
    depth = formatting = copies = 0
    for _, end, name, many in _TAG.findall(text):
        name = name.lower()
        if name not in _NEVER_DEEP:
            step = (-1 if opened.get(name, 0) else 0) if end else 1
            opened[name] = opened.get(name, 0) + step
            depth += step
            formatting += step if name in _FORMATTING_NAMES else 0
        copies += formatting
        if many or depth > MAX_DEPTH or copies > MAX_COPIES:
            return False
    return True


def _flat(match: re.Match[str]) -> str:
    """A heading without its attributes, any other block as a paragraph, and nothing of other tags; `>` comes after."""
    raw, end, name = match[1], match[2], (match[3] or "").lower()
    if match[0].startswith("<!--"):
        return ""
    if raw:
        return match[0] if raw.lower() == "title" else f"<{raw}></{raw}"
    if _HEADING.fullmatch(name):
        return f"<{end}{name}"
    return "<p" if name in _BLOCKS else "<wbr"

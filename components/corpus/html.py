"""HTML pages: their title, language and sections, without furniture (`furniture.py`).

The tree is only built to find and cut out what does not belong. What is left is written out again by the parser, thus
well formed, and read with regular expressions: a Python object for each node would take three times as long.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from components.corpus import furniture
from components.corpus.document import Section
from components.corpus.limits import MAX_DOCUMENT, Refused
from components.corpus.nesting import tame
from components.corpus.outline import Block, sections
from components.corpus.text import decode, tidy

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w-]{2,20})""", re.I)
_ATTRIBUTES = r'[^">]*+(?:"[^"]*+"[^">]*+)*+'
_NAMES = (
    r"(?:a(?:ddress|rticle)|b(?:lockquote|ody|r)|c(?:aption|enter)|d(?:[dlt]|etails|iv)|f(?:ieldset|igcaption|igure)|"
    r"h(?:[1-6r]|eader|group)|l(?:egend|i)|main|o(?:l|ptgroup|ption)|p(?:re)?|s(?:ection|ummary)|"
    r"t(?:able|body|[dhr]|foot|head)|ul)"
)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
_HEADING = re.compile(rf"<h([1-6])({_ATTRIBUTES})>(.*?)</h\1>", re.S)
_PRE = re.compile(r"(<pre\b.*?</pre>)", re.S)
_BLOCKS = re.compile(rf"</?{_NAMES}(?=[ >]){_ATTRIBUTES}>(?:\s*+</?{_NAMES}(?=[ >]){_ATTRIBUTES}>)*+")
_TAG = re.compile(rf"<{_ATTRIBUTES}>")
_SIGNS = [f">{sign}</a>" for sign in ("¶", "#", "§", "🔗", "↩", "\u200b")]
"""What a heading's link to itself shows."""
_OWN = re.compile(r'\sid="([^"]+)"')
_INNER = re.compile(r'<(?:a|span)\b[^>]*?\s(?:id|name)="([^"]+)"')
_TAGS_BEFORE = re.compile(r"(?:<[^<>]*>\s*)+\Z")
_AROUND = re.compile(r'<(?:section|div|article|a|span)\b[^>]*?\s(?:id|name)="([^"]+)"')


class Page(NamedTuple):
    """What a page says; `title` is empty where it has none."""

    title: str
    language: str
    sections: tuple[Section, ...]


def parse(body: bytes) -> Page:
    """One page of HTML, in any encoding.

    Raises:
        Refused: UNKNOWN_FORMAT or BAD_ENCODING (`text.decode`), TOO_LARGE (`nesting.tame`).
    """
    charset = _CHARSET.search(body[:2048])
    return parse_text(decode(body, charset[1].decode() if charset else ""))


def parse_text(text: str) -> Page:
    """One page of HTML.

    Raises:
        Refused: TOO_LARGE, also for fewer characters of which one is an emoji: then each of them takes four bytes.
    """
    if sys.getsizeof(text) > 2 * MAX_DOCUMENT + 1_000:
        raise Refused("TOO_LARGE", f"more than {2 * MAX_DOCUMENT} bytes of text in memory")
    tree = LexborHTMLParser(tame(text), scripting=True)
    del text
    for root, marked in furniture.roots(tree):
        found = list(blocks(furniture.strip(root, marked)))
        if any(block.text for block in found):
            return Page(_title(tree, found), _language(tree), tuple(sections(found)))
    return Page(_title(tree, []), _language(tree), ())


def fragment(text: str) -> list[Block]:
    """The blocks of HTML that stands in another document; the first one is the text before any heading.

    Raises:
        Refused: TOO_LARGE.
    """
    body = LexborHTMLParser(tame(text), scripting=True).body
    return list(blocks(furniture.strip(body, True))) if body is not None else [Block(0, "", "")]


def blocks(html: str) -> Iterator[Block]:
    """The headings of well-formed HTML with their text and anchors (`#id`)."""
    if "<!--" in html:
        html = _COMMENT.sub("", html)
    for sign in _SIGNS:
        html = html.replace(sign, "></a>")
    parts = _HEADING.split(html)
    del html
    yield Block(0, "", plain(parts[0]))
    for before, level, attributes, heading, text in zip(*(parts[n::4] for n in range(4)), parts[4::4], strict=False):
        anchor = _anchor(before, attributes, heading)
        yield Block(int(level), _inline(heading), plain(text), f"#{_unescape(anchor)}" if anchor else "")


def plain(html: str) -> str:
    """The text of well-formed HTML: a line for each block; line breaks of the source count in `<pre>` alone."""
    if "<pre" in html:
        parts = _PRE.split(html)
        parts[::2] = [part.replace("\n", " ") for part in parts[::2]]
        html = "".join(parts)
    else:
        html = html.replace("\n", " ")
    return tidy(_unescape(_TAG.sub("", _BLOCKS.sub("\n", html))))


def _inline(html: str) -> str:
    """A heading on one line, without the sign that links to it."""
    return " ".join(_unescape(_TAG.sub("", html)).split()).rstrip("¶🔗 ")


def _unescape(text: str) -> str:
    """The four references that the HTML Standard's serializer writes (section 13.3), `&amp;` last."""
    if "&" not in text:
        return text
    text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&quot;", '"')
    return text.replace("&amp;", "&")


def _anchor(before: str, attributes: str, heading: str) -> str:
    """The heading's own id, else one within it, else one of what opens right before it."""
    own = _OWN.search(attributes) or _INNER.search(heading)
    if own:
        return own[1]
    opening = _TAGS_BEFORE.search(before[-600:])
    around = _AROUND.findall(opening[0]) if opening else []
    return str(around[-1]) if around else ""


def _title(tree: LexborHTMLParser, found: list[Block]) -> str:
    """The `<h1>` above the text; else a heading, also one outside, that the head begins with; else the head."""
    first = next((block for block in found if block.level or block.text), None)
    if first is not None and first.level == 1 and first.heading:
        return first.heading
    head = _line(tree.css_first("head > title"))
    tops = tree.css("h1")
    heading = next((block.heading for block in found if block.heading), "")
    for candidate in (heading, _line(tops[0]) if len(tops) == 1 else ""):
        if candidate and head.startswith(candidate):
            return candidate
    return head or heading


def _line(node: LexborNode | None) -> str:
    return tidy(node.text()).replace("\n", " ").rstrip("¶🔗 ") if node else ""


def _language(tree: LexborHTMLParser) -> str:
    root: LexborNode | None = tree.css_first("html")
    attributes = root.attributes if root else {}
    return (attributes.get("lang") or attributes.get("xml:lang") or "").strip()

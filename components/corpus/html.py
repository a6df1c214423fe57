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
NEAR = 300
"""Characters of markup above a heading in which something opens that has the heading's anchor."""
_OWN = re.compile(r'\sid="([^"]+)"')
_INNER = re.compile(r'<(?:a|span)\b[^>]*?\s(?:id|name)="([^"]+)"')
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
    before = _HEADING.split(_one_line(html))
    levels, attributes, headings = (before[n::4] for n in (1, 2, 3))
    anchors = [_anchor(*found) for found in zip(before[0::4], attributes, headings, strict=False)]
    texts = _plain(before[0::4])
    del html, before
    yield Block(0, "", texts[0])
    titles = _unescape(_TAG.sub("", "\0".join(headings))).split("\0")
    for level, title, text, anchor in zip(levels, titles, texts[1:], anchors, strict=False):
        yield Block(int(level), " ".join(title.split()).rstrip("¶🔗 "), text, f"#{anchor}" if anchor else "")


def _one_line(html: str) -> str:
    """Without line breaks, but in `<pre>`: nowhere else do they mean one."""
    if "<pre" not in html:
        return html.replace("\n", " ")
    parts = _PRE.split(html)
    parts[::2] = [part.replace("\n", " ") for part in parts[::2]]
    return "".join(parts)


def _plain(parts: list[str]) -> list[str]:
    """The texts of pieces of HTML, a line for each block; together, for calling a function has its price.

    NUL stands between them: the parser lets none through.
    """
    text = _TAG.sub("", _BLOCKS.sub("\n", "\n\0\n".join(parts)))
    return [part.strip("\n") for part in tidy(_unescape(text)).split("\0")]


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
        return _unescape(own[1])
    tail = before[-NEAR:].rstrip()
    around = list(_AROUND.finditer(tail)) if tail.endswith(">") and '="' in tail else []
    if not around or _TAG.sub("", tail[around[-1].start() :]).strip():
        return ""
    return _unescape(around[-1][1])


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

"""Markdown: headings, text and line numbers from its events, HTML in it through the HTML parser.

pulldown-cmark reads CommonMark with tables in linear time, whatever the input, and hands out one event after another.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html import escape
from typing import Any

import pyromark
import yaml

from components.corpus import html
from components.corpus.html import Page
from components.corpus.outline import Block, sections
from components.corpus.text import tidy

OPTIONS = (
    pyromark.Options.ENABLE_TABLES
    | pyromark.Options.ENABLE_STRIKETHROUGH
    | pyromark.Options.ENABLE_FOOTNOTES
    | pyromark.Options.ENABLE_HEADING_ATTRIBUTES
)
MAX_FRONT_MATTER = 65_536
"""Bytes of YAML above a page; more is no front matter."""

_FRONT_MATTER = re.compile(r"---[ \t]*\r?\n(.*?\n)(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.S)
_INLINE = frozenset(("Emphasis", "Strong", "Strikethrough", "Link", "Image", "Superscript", "Subscript"))
_BREAKS = {"SoftBreak": " ", "HardBreak": "\n", "Rule": "\n"}


class _Stretch:
    """A heading and what follows it; `begin` and `end` are offsets into the UTF-8 text."""

    def __init__(self, level: int, begin: int) -> None:
        self.level, self.begin, self.end = level, begin, begin
        self.heading: list[str] = []
        self.in_heading = level > 0
        self._raw = False
        self._buffer = io.StringIO()

    def add(self, kind: str, value: str) -> None:
        """More text; from the first HTML on, all of it is kept as HTML."""
        if self.in_heading:
            self.heading.append(value if kind == "text" else "")
            return
        if kind == "html" and not self._raw:
            text, self._buffer, self._raw = self._buffer.getvalue(), io.StringIO(), True
            self._buffer.write(_as_html(text))
        self._buffer.write(_as_html(value) if self._raw and kind == "text" else value)

    def blocks(self, source: str) -> Iterator[Block]:
        """The stretch, and one more block for each heading that is written as HTML."""
        heading = " ".join("".join(self.heading).split())
        if not self._raw:
            yield Block(self.level, heading, tidy(self._buffer.getvalue()), source)
            return
        first, *others = html.fragment(self._buffer.getvalue())
        yield Block(self.level, heading, first.text, source)
        yield from (other._replace(source=source) for other in others)


def parse(text: str) -> Page:
    """One page of Markdown; the sections' sources are lines, counted from 1.

    Raises:
        Refused: TOO_LARGE for HTML in it with too many tags.
    """
    matter, body = _front_matter(text)
    found = list(_blocks(body))
    headings = [block for block in found if block.heading]
    first = next((block for block in headings if block.level == 1), headings[0] if headings else None)
    title = matter.get("title") or (first.heading if first else "")
    return Page(title, matter.get("lang") or matter.get("language") or "", tuple(sections(found)))


def _front_matter(text: str) -> tuple[dict[str, str], str]:
    """What stands in YAML above the page, and the page with as many empty lines in its place."""
    match = _FRONT_MATTER.match(text[:MAX_FRONT_MATTER])
    if match is None:
        return {}, text
    try:
        found = yaml.load(match[1], yaml.CBaseLoader)  # noqa: S506  it makes strings alone, and merges nothing
    except (yaml.YAMLError, RecursionError):
        return {}, text
    if not isinstance(found, dict):
        return {}, text
    values = {key: tidy(value) for key, value in found.items() if isinstance(key, str) and isinstance(value, str)}
    return values, "\n" * match[0].count("\n") + text[match.end() :]


def _blocks(text: str) -> Iterator[Block]:
    """The headings with their text and lines."""
    lines = _Lines(text.encode())
    stretch = _Stretch(0, 0)
    for event, place in pyromark.events_with_range(text, options=OPTIONS):
        kind, value = _piece(event)
        if kind == "heading":
            yield from stretch.blocks(lines.between(stretch.begin, stretch.end))
            stretch = _Stretch(int(value), place["start"])
        elif kind == "end of heading":
            stretch.in_heading = False
        else:
            stretch.add(kind, value)
        if value.strip():
            stretch.begin = stretch.begin or place["start"]
            stretch.end = place["end"]
    yield from stretch.blocks(lines.between(stretch.begin, stretch.end))


def _piece(event: Any) -> tuple[str, str]:
    """What an event adds: text, HTML, or a heading's beginning or end."""
    if isinstance(event, str):
        return "text", _BREAKS.get(event, "")
    ((kind, value),) = event.items()
    if kind in ("Text", "Code"):
        return "text", value
    if kind in ("Html", "InlineHtml"):
        return "html", value
    if kind not in ("Start", "End"):
        return "text", ""
    name = value if isinstance(value, str) else next(iter(value))
    if name == "Heading":
        return ("heading", value[name]["level"][1]) if kind == "Start" else ("end of heading", "")
    return "text", "" if name in _INLINE else "\n"


def _as_html(text: str) -> str:
    return escape(text, quote=False).replace("\n", "<br>")


class _Lines:
    """Line numbers of offsets that mostly grow."""

    def __init__(self, data: bytes) -> None:
        self._data, self._offset, self._line = data, 0, 1

    def between(self, begin: int, end: int) -> str:
        """`lines A-B` of the text from `begin` up to `end`."""
        return f"lines {self._at(begin)}-{self._at(max(begin, end - 1))}"

    def _at(self, offset: int) -> int:
        if offset < self._offset:
            self._offset, self._line = 0, 1
        self._line += self._data.count(b"\n", self._offset, offset)
        self._offset = offset
        return self._line

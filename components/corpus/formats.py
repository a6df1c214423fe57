"""Formats: from an object's bytes to titles and sections with their heading paths.

Each parser is a function of bytes and the object's name; what it cannot read it refuses with a reason code, never
with a crash. Navigation, scripts and page furniture of HTML are dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from markdown_it import MarkdownIt
from markdown_it.token import Token
from selectolax.lexbor import LexborHTMLParser, LexborNode

from components.corpus.document import Parsed, Rejected, Section

FURNITURE = "script, style, nav, footer, aside, noscript, template, form, iframe, svg"
"""Dropped everywhere; `header` only where it is the page's: an article's holds its title."""
HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
BLOCKS = {
    "p",
    "li",
    "div",
    "tr",
    "td",
    "th",
    "dt",
    "dd",
    "pre",
    "br",
    "section",
    "article",
    "table",
    "ul",
    "ol",
    "blockquote",
}

_SPACE = re.compile(r"\s+")

Parser = Callable[[bytes, str], Iterator[Parsed | Rejected]]


def parser_for(name: str, body: bytes) -> tuple[str, Parser] | None:
    """The media type and parser for an object, by its suffix, else by how it begins; None when nothing fits."""
    start = body[:512].lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "text/html", parse_html
    return _BY_SUFFIX.get(PurePosixPath(name).suffix.lower())


def parse_html(body: bytes, name: str) -> Iterator[Parsed | Rejected]:
    """One page: `<main>`, or `<article>` if there is just one, else the body; without its furniture."""
    tree = LexborHTMLParser(body)
    articles = tree.css("article")
    content = tree.css_first("main, [role=main]") or (articles[0] if len(articles) == 1 else None)
    root = content or tree.body
    if root is None:
        yield Rejected(name, "", "NO_TEXT", "no body")
        return
    for node in root.css(FURNITURE if content else f"{FURNITURE}, header"):
        node.decompose()
    head = tree.css_first("title")
    sections = tuple(_sections(_html_events(root)))
    title = sections[0].path[0] if sections and sections[0].path else (head.text(strip=True) if head else "")
    html = tree.css_first("html")
    language = (html.attributes.get("lang") if html else "") or ""
    yield Parsed("", " ".join(title.split()) or _stem(name), language, sections)


def parse_markdown(body: bytes, name: str) -> Iterator[Parsed | Rejected]:
    """One page of CommonMark."""
    sections = tuple(_sections(_markdown_events(_decode(body))))
    title = sections[0].path[0] if sections and sections[0].path else _stem(name)
    yield Parsed("", title, "", sections)


def parse_text(body: bytes, name: str) -> Iterator[Parsed | Rejected]:
    """One text without structure."""
    yield Parsed("", _stem(name), "", tuple(_sections(iter([(0, _decode(body))]))))


def parse_jsonl(body: bytes, name: str) -> Iterator[Parsed | Rejected]:
    """One document a line, with `text`, and `id` and `title` if it has them; a bad line is rejected alone."""
    seen: set[str] = set()
    for number, line in enumerate(_decode(body).split("\n"), start=1):  # a record may hold other line separators
        if not line.strip():
            continue
        try:
            key, title, text = _record(line, number)
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
            yield Rejected(name, str(number), "BAD_RECORD", type(error).__name__)
            continue
        if key in seen:
            yield Rejected(name, str(number), "DUPLICATE_KEY", "a record above has the same id")
            continue
        seen.add(key)
        heading = [(1, title)] if title else []
        yield Parsed(key, title or key, "", tuple(_sections(iter([*heading, (0, text)]))))


def _record(line: str, number: int) -> tuple[str, str, str]:
    """Key, title and text of a line; a half of a surrogate pair, which JSON can spell, is replaced."""
    record = json.loads(line)
    if not isinstance(record["text"], str):
        raise TypeError
    key = next(key for key in (record.get("id"), record.get("_id"), number) if key not in (None, ""))
    title = " ".join(str(record.get("title") or "").split())
    return _whole(str(key)), _whole(title), _whole(record["text"])


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_BY_SUFFIX: dict[str, tuple[str, Parser]] = {
    ".html": ("text/html", parse_html),
    ".htm": ("text/html", parse_html),
    ".md": ("text/markdown", parse_markdown),
    ".markdown": ("text/markdown", parse_markdown),
    ".txt": ("text/plain", parse_text),
    ".jsonl": ("application/jsonl", parse_jsonl),
}


def _decode(body: bytes) -> str:
    """UTF-8 with or without a mark; what is not UTF-8 becomes the replacement character."""
    return body.decode("utf-8-sig", errors="replace")


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _html_events(root: LexborNode) -> Iterator[tuple[int, str]]:
    """(level, heading) and (0, text) in reading order; line breaks of the source mean something in `<pre>` alone."""
    inside: set[int] = set()
    verbatim: set[int] = set()
    for node in root.traverse(include_text=True):
        if node.mem_id in inside:
            continue
        tag = node.tag or ""
        if node.prev and node.prev.tag in BLOCKS:
            yield 0, "\n"
        if tag in HEADINGS:
            inside |= {child.mem_id for child in node.traverse(include_text=True)}
            yield HEADINGS[tag], node.text()
        elif tag == "-text":
            yield 0, node.text() if node.mem_id in verbatim else _SPACE.sub(" ", node.text())
        elif tag in BLOCKS:
            verbatim |= {child.mem_id for child in node.traverse(include_text=True)} if tag == "pre" else set()
            yield 0, "\n"


def _markdown_events(text: str) -> Iterator[tuple[int, str]]:
    """(level, heading) and (0, text) in reading order."""
    level = 0
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "heading_open":
            level = HEADINGS[token.tag]
        elif token.type in ("inline", "fence", "code_block"):
            plain = "".join(_plain(c) for c in token.children) if token.children else token.content
            yield level, plain if level else f"{plain}\n"
            level = 0


def _plain(token: Token) -> str:
    """What an inline token shows; those that open and close emphasis and links show nothing."""
    return {"softbreak": " ", "hardbreak": "\n"}.get(token.type, token.content)


def _sections(events: Iterator[tuple[int, str]]) -> Iterator[Section]:
    """Gather text under its headings; sections without text are headings of the next ones."""
    path: list[tuple[int, str]] = []
    parts: list[str] = []
    for level, text in events:
        if not level:
            parts.append(text)
            continue
        yield from _flush(path, parts)
        path = [*(above for above in path if above[0] < level), (level, " ".join(text.split()))]
        parts = []
    yield from _flush(path, parts)


def _flush(path: list[tuple[int, str]], parts: list[str]) -> Iterator[Section]:
    lines = (" ".join(line.split()) for line in "".join(parts).split("\n"))
    text = "\n".join(line for line in lines if line)
    if text:
        yield Section(tuple(heading for _, heading in path if heading), text)

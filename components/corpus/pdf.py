"""PDF: the text of each page, under the entries of the document's outline."""

from __future__ import annotations

import ctypes
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from itertools import islice, zip_longest
from typing import BinaryIO, NamedTuple

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from components.corpus.html import Page
from components.corpus.limits import BOMB_RATIO, MAX_PAGES, MIB, Refused, bomb, memory
from components.corpus.outline import Block, sections
from components.corpus.text import printable, tidy

MIN_REPEATS = 3
"""A line that begins or ends so many pages, and a twentieth of them, is a running head."""

FULL = 0.7
"""Of the longest line: a line of more is taken to end where the page does, not where its author wished."""
SHORT = 30
"""Characters of a line that ends where its author wished, however narrow the page."""

MAX_CONTENT = 4 * MIB
"""Bytes of one stream of content from which on its compression is looked at."""
MAX_CHARACTERS = 16 * MIB
"""Of the whole document, shown or not: more than five thousand pages have, and half a minute of PDFium's time."""
MAX_OBJECTS = 5_000_000
"""Pieces of text, lines and images of the whole document, shown or not."""
MEMORY = 768 * MIB
"""What PDFium may take for one document; forms that draw forms that draw forms would have all there is."""
WINDOW = MIB
OVERLAP = 4_096

_STREAM = re.compile(rb"stream\r?\n(?=[\x08\x18-\x78][\x01-\xff])")
_HYPHEN = re.compile(r"\x02(?=[a-zß-ÿ])")
"""PDFium puts the two lines of a hyphenated word together, and this in place of the hyphen."""
_DIGITS = re.compile(r"\d+")
_NUMBERED = re.compile(r"(?:(?:chapter|section|appendix)\s+)?(?:\d+|[A-Z])(?:\.\d+)*\.?\s+", re.I)
_PAGE_NUMBER = re.compile(r"(?:page\s*)?-?\s*(?:\d+|x{0,3}(?:ix|iv|v?i{0,3}))\s*-?(?:\s*(?:/|of|von)\s*\d+)?", re.I)
_NO_TITLE = re.compile(
    r"microsoft (?:word|powerpoint|excel)|untitled|.*\.(?:docx?|tex|dvi|indd|qxd|pdf|pptx?|rtf)$", re.I
)
_BULLET = re.compile(r"(?:[•◦▪*–—-]|\(?(?:\d+|[a-z])[.)])\s")


class Entry(NamedTuple):
    """An entry of the outline; `level` counts from 1."""

    level: int
    title: str


def parse(body: BinaryIO, size: int) -> tuple[Page, str]:
    """The document, and the first page of it that cannot be read (nothing if all can).

    PDFium knows no threads: a process reads one document at a time.

    Raises:
        Refused: BROKEN, ENCRYPTED, TOO_LARGE or BOMB.
    """
    _check_streams(body, size)
    with memory(MEMORY), closing(_open(body)) as document:
        if len(document) > MAX_PAGES:
            raise Refused("TOO_LARGE", f"more than {MAX_PAGES} pages")
        pages = list(_pages(document))
        missing = next((f"page {n}" for n, page in enumerate(pages, start=1) if page is None), "")
        if missing and not any(pages):
            raise Refused("BROKEN", "no page can be read")
        found = tuple(sections(_blocks([page or [] for page in pages], _outline(document))))
        return Page(_title(document), _language(document), found), missing


def _check_streams(body: BinaryIO, size: int) -> None:
    """Refuse content that unpacks to far more than it is: a glyph of it takes PDFium a hundred bytes.

    Images are passed over, blank ones compress as well as bombs, and text needs none of them.
    """
    offset = total = 0
    body.seek(0)
    while window := body.read(WINDOW):
        last = len(window) < WINDOW
        for match in _STREAM.finditer(window, 0, len(window) if last else WINDOW - OVERLAP):
            if b"/Image" not in window[max(0, match.start() - OVERLAP) : match.start()]:
                total += _unpacked(body, offset + match.end())
                if bomb(total, size):
                    raise Refused("BOMB", f"content that decompresses to more than {BOMB_RATIO} times the file")
        offset += WINDOW if last else WINDOW - OVERLAP
        body.seek(offset)


def _unpacked(body: BinaryIO, start: int) -> int:
    """The bytes in the stream that begins at `start`; one that is not compressed is harmless.

    Raises:
        Refused: BOMB.
    """
    body.seek(start)
    unpacker, produced, consumed = zlib.decompressobj(), 0, 0
    try:
        while not unpacker.eof and (piece := unpacker.unconsumed_tail or body.read(OVERLAP)):
            produced += len(unpacker.decompress(piece, MIB))
            consumed += len(piece) - len(unpacker.unconsumed_tail)
            if produced > MAX_CONTENT and produced > BOMB_RATIO * consumed:
                raise Refused("BOMB", f"content that decompresses to more than {BOMB_RATIO} times its size")
    except zlib.error:
        pass
    return produced


def _open(body: BinaryIO) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(body)
    except pdfium.PdfiumError as error:
        if error.err_code in (pdfium_c.FPDF_ERR_PASSWORD, pdfium_c.FPDF_ERR_SECURITY):
            raise Refused("ENCRYPTED", "a PDF that asks for a password") from None
        raise Refused("BROKEN", "a PDF that cannot be opened") from None


def _pages(document: pdfium.PdfDocument) -> Iterator[list[str] | None]:
    """The lines of each page, None for one that cannot be read."""
    characters = objects = 0
    for number in range(len(document)):
        try:
            with closing(document[number]) as page, closing(page.get_textpage()) as content:
                characters += content.count_chars()
                objects += pdfium_c.FPDFPage_CountObjects(page)
                if characters > MAX_CHARACTERS or objects > MAX_OBJECTS:
                    raise Refused("TOO_LARGE", f"more than {MAX_CHARACTERS} characters, or {MAX_OBJECTS} objects")
                text = content.get_text_bounded()
        except pdfium.PdfiumError:
            yield None
            continue
        text = _HYPHEN.sub("", text).replace("\x02", "-")
        yield [line for line in map(str.strip, text.splitlines()) if line]


def _outline(document: pdfium.PdfDocument) -> dict[int, list[Entry]]:
    """Page (from 0) -> the entries that begin on it, in their order."""
    found: defaultdict[int, list[Entry]] = defaultdict(list)
    try:
        for bookmark in islice(document.get_toc(max_depth=6), MAX_PAGES):
            target = bookmark.get_dest()
            page = target.get_index() if target else None
            title = " ".join(printable(bookmark.get_title()).split())
            if page is not None and title:
                found[page].append(Entry(bookmark.level + 1, title))
    except (pdfium.PdfiumError, ValueError):
        pass  # a broken outline costs headings, not text
    return found


def _blocks(pages: list[list[str]], outline: dict[int, list[Entry]]) -> Iterator[Block]:
    """Page by page, each cut where an entry's title stands on a line of its own."""
    heads = _running_heads(pages)
    for number, page in enumerate(pages):
        lines = _without_heads(page, heads)
        source = f"page {number + 1}"
        start, level, heading = 0, 0, ""
        for entry in outline.get(number, []):
            at = next((at for at in range(start, len(lines)) if _same(lines[at], entry.title)), None)
            yield Block(level, heading, _joined(lines[start : start if at is None else at]), source)
            start, level, heading = start if at is None else at + 1, *entry
        yield Block(level, heading, _joined(lines[start:]), source)


def _running_heads(pages: list[list[str]]) -> set[str]:
    """First and last lines that most pages share, but for their numbers."""
    edges = Counter(line for page in pages for line in {_DIGITS.sub("#", line) for line in (*page[:2], *page[-2:])})
    return {line for line, count in edges.items() if count >= max(MIN_REPEATS, len(pages) / 20)}


def _without_heads(page: list[str], heads: set[str]) -> list[str]:
    """The page without running heads and page numbers, which stand among its first and last two lines."""
    edges = {0, 1, len(page) - 2, len(page) - 1}
    return [
        line
        for at, line in enumerate(page)
        if at not in edges or (_DIGITS.sub("#", line) not in heads and not _PAGE_NUMBER.fullmatch(line))
    ]


def _same(line: str, title: str) -> bool:
    """Whether the line is the entry's heading; only one of the two may carry its number."""
    line, title = (" ".join(text.split()).casefold() for text in (line, title))
    return line == title or _NUMBERED.sub("", line, count=1) == title or line == _NUMBERED.sub("", title, count=1)


def _joined(lines: list[str]) -> str:
    """Lines as paragraphs: one that fills the page's width and ends in the middle of a sentence goes on in the next."""
    width = max(map(len, lines), default=0)
    parts: list[str] = []
    for line, following in zip_longest(lines, lines[1:], fillvalue=""):
        runs_on = len(line) > max(SHORT, FULL * width) and line[-1] not in ".!?:;" and not _BULLET.match(following)
        parts += [line, " " if runs_on or following[:1].islower() else "\n"]
    return tidy(printable("".join(parts)))


def _title(document: pdfium.PdfDocument) -> str:
    """The title in the metadata, unless a program put its file name there."""
    title = " ".join(printable(document.get_metadata_value("Title")).split())
    return "" if _NO_TITLE.match(title) else title


def _language(document: pdfium.PdfDocument) -> str:
    buffer = (ctypes.c_ushort * 32)()
    size = pdfium_c.FPDFCatalog_GetLanguage(document, buffer, ctypes.sizeof(buffer))
    return bytes(buffer)[: max(0, size - 2)].decode("utf-16-le", "ignore") if size <= ctypes.sizeof(buffer) else ""

"""Formats: from an object's bytes to titles and sections with their heading paths.

What an object is, its content decides (`sniff.py`); compression is taken off first (`unwrap.py`). What cannot be read
is refused with a reason code, never with a crash, and `limits.py` bounds what any of it may cost.
"""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Callable, Iterator
from typing import BinaryIO, cast

from components.corpus import docx, html, markdown, parquet, pdf, records, sniff
from components.corpus.config import Fields
from components.corpus.document import Parsed, Rejected, Section
from components.corpus.html import Page
from components.corpus.limits import MAX_DOCUMENT, MAX_UNPACKED, MIB, Refused
from components.corpus.text import decode, tidy
from components.corpus.unwrap import HEAD, unwrap

_CONTENT_ERRORS = (None, errno.EINVAL)


def parse(body: BinaryIO, size: int, name: str, fields: Fields) -> Iterator[Parsed | Rejected]:
    """The documents and refusals in one object; nothing that an object holds makes it raise.

    A container that breaks in the middle gives its documents so far, and one refusal for the rest.

    Args:
        body: The object, seekable, at its beginning.
        size: Its length in bytes.
        name: Its URI.
        fields: Which fields of JSON, or columns of Parquet, make a document.

    Raises:
        OSError: When the machine fails, not the content: the disk is full or gone.
    """
    found = False
    try:
        for one in _parse(body, size, name, fields):
            found = True
            yield one
        if not found:
            raise Refused("EMPTY", "no record")
    except Refused as refused:
        yield Rejected(name, "", refused.reason, refused.detail)
    except OSError as error:
        if error.errno not in _CONTENT_ERRORS:
            raise
        yield Rejected(name, "", "BROKEN", type(error).__name__)
    except MemoryError:
        yield Rejected(name, "", "TOO_LARGE", "more than there is memory for")
    except Exception as error:
        yield Rejected(name, "", "BROKEN", type(error).__name__)


def _parse(body: BinaryIO, size: int, name: str, fields: Fields) -> Iterator[Parsed | Rejected]:
    stream = unwrap(body)
    source = cast(BinaryIO, stream) if stream else body
    head = stream.peek(HEAD) if stream else body.read(HEAD)
    if not stream:
        body.seek(0)
    if not head:
        raise Refused("EMPTY", "no bytes")
    kind = sniff.kind(head, name)
    if kind == "jsonl":
        yield from records.jsonl(source, head, records.Records(name, fields, kind))
    elif kind in _PAGES or kind == "json":
        yield from _whole(kind, _all_of(source), name, fields)
    elif stream:
        with tempfile.SpooledTemporaryFile(max_size=MAX_DOCUMENT) as file:
            yield from _seekable(kind, cast(BinaryIO, file), _copy(source, cast(BinaryIO, file)), name, fields)
    else:
        yield from _seekable(kind, body, size, name, fields)


def _whole(kind: str, body: bytes, name: str, fields: Fields) -> Iterator[Parsed | Rejected]:
    """The documents of an object that is held in memory."""
    if kind == "json":
        yield from records.json_file(body, records.Records(name, fields, kind))
    else:
        yield _parsed(kind, _PAGES[kind](body), name)


def _seekable(kind: str, body: BinaryIO, size: int, name: str, fields: Fields) -> Iterator[Parsed | Rejected]:
    """The documents of an object that is read here and there."""
    if kind == "parquet":
        yield from parquet.read(body, size, records.Records(name, fields, kind), fields)
    elif kind == "pdf":
        page, missing = pdf.parse(body, size)
        yield _parsed(kind, page, name)
        if missing:
            yield Rejected(name, missing, "BROKEN", "this page, and maybe more, cannot be read")
    elif kind == "zip":
        yield _parsed("docx", docx.parse(body, size), name)
    elif docx.is_encrypted_office(body, size):
        raise Refused("ENCRYPTED", "an Office document that asks for a password")
    else:
        raise Refused("UNKNOWN_FORMAT", "an Office document of before 2007, or another compound file")


def _parsed(kind: str, page: Page, name: str) -> Parsed:
    return Parsed("", page.title or sniff.stem(name), page.language, page.sections, sniff.MEDIA_TYPES[kind])


def _all_of(stream: BinaryIO) -> bytes:
    body = stream.read(MAX_DOCUMENT + 1)
    if len(body) > MAX_DOCUMENT:
        raise Refused("TOO_LARGE", f"one document of more than {MAX_DOCUMENT} bytes")
    return body


def _copy(stream: BinaryIO, file: BinaryIO) -> int:
    """Decompress to where one can seek; how many bytes."""
    while piece := stream.read(MIB):
        file.write(piece)
        if file.tell() > MAX_UNPACKED:
            raise Refused("TOO_LARGE", f"decompresses to more than {MAX_UNPACKED} bytes")
    size = file.tell()
    file.seek(0)
    return size


def _text(body: bytes) -> Page:
    """One text without structure."""
    text = decode(body)
    first = text[: len(text) - len(text.lstrip())].count("\n") + 1
    last = text.rstrip().count("\n") + 1
    kept = tidy(text)
    return Page("", "", (Section((), kept, f"lines {first}-{last}"),) if kept else ())


_PAGES: dict[str, Callable[[bytes], Page]] = {
    "html": html.parse,
    "markdown": lambda body: markdown.parse(decode(body)),
    "text": _text,
}

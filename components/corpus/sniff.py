"""What an object is, by its content; its name decides only between kinds of text that look alike.

A name that its content contradicts loses: HTML in `.json` is HTML, a PDF in `.txt` a PDF. A `.jsonl` that is text but
no JSON stays JSONL, so that its owner sees the bad records; CSV and source code are plain text.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath

import msgspec

from components.corpus.limits import Refused
from components.corpus.text import decode

MEDIA_TYPES = {
    "html": "text/html",
    "markdown": "text/markdown",
    "text": "text/plain",
    "jsonl": "application/jsonl",
    "json": "application/json",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}
_SUFFIXES = {
    "html": (".html", ".htm", ".xhtml"),
    "markdown": (".md", ".markdown", ".mdx", ".mdown", ".mkd"),
    "jsonl": (".jsonl", ".ndjson", ".jsonlines"),
    "json": (".json",),
}
_BY_SUFFIX = {suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}
_COMPRESSED = frozenset((".gz", ".gzip", ".zst", ".zstd"))

_PROLOGUE = rb"(?:\xef\xbb\xbf)?(?:\s++|<!--.*?-->|<\?xml[^>]*>)*+"
_HTML = re.compile(_PROLOGUE + rb"<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_FRAGMENT = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:!--|(?:a|article|b|br|div|font|h[1-6]|iframe|main|p|script|section|style|table|title)\b)",
    re.I,
)
_OTHER_TEXT = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml|<svg|\{\\rtf|%!PS)", re.I)
_BINARY = re.compile(
    rb"\x7fELF|\x89PNG|GIF8|\xff\xd8\xff|BZh[1-9]|\xfd7zXZ|7z\xbc\xaf|Rar!|MZ.{0,62}\x00|\xca\xfe\xba\xbe|OggS|ID3|RIFF",
    re.S,
)


def kind(head: bytes, name: str) -> str:
    """A key of `MEDIA_TYPES`, or "zip" or "ole", which only a look inside can tell.

    Args:
        head: The object's first bytes, decompressed; some 64 KiB of them.
        name: The object's URI; suffixes of compressions are ignored.

    Raises:
        Refused: UNKNOWN_FORMAT, or ENCRYPTED for an encrypted Parquet file.
    """
    container = _container(head)
    if container:
        return container
    if _BINARY.match(head):
        raise Refused("UNKNOWN_FORMAT", "a binary file")
    if _HTML.match(head[:4096]) or _HTML.match(_narrow(head[:8192])):
        return "html"
    if _OTHER_TEXT.match(head[:1024]):
        raise Refused("UNKNOWN_FORMAT", "XML, SVG, RTF or PostScript")
    return _text_kind(head, suffix(name))


def suffix(name: str) -> str:
    """The last suffix that says something about the content, in lower case."""
    suffixes = [part.lower() for part in PurePosixPath(name).suffixes]
    while suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def stem(name: str) -> str:
    """The name of the object's last part, without its suffixes."""
    path = PurePosixPath(name)
    while path.suffix.lower() in _COMPRESSED:
        path = path.with_suffix("")
    return path.stem


def _container(head: bytes) -> str:
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"PARE"):
        raise Refused("ENCRYPTED", "an encrypted Parquet file")
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return "ole"
    return "pdf" if b"%PDF-" in head[:1024] else ""


def _narrow(head: bytes) -> bytes:
    """UTF-16 as ASCII, as far as its markup goes."""
    return head.lstrip(b"\xff\xfe").replace(b"\0", b"") if b"\0" in head else head


def _text_kind(head: bytes, ending: str) -> str:
    """HTML without a beginning, or JSON lines, are recognised where no name speaks against it."""
    named = _BY_SUFFIX.get(ending, "")
    if named in ("json", "jsonl"):
        decode(head[:4096])  # what is no text must not end as a million bad records
        return "jsonl" if named == "jsonl" or _is_lines(head) else "json"
    if named:
        return named
    if ending not in (".txt", ".text", ".log", ".csv"):
        if _FRAGMENT.match(head[:1024]):
            return "html"
        if _is_json_object(head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")[0]):
            return "jsonl"
    return "text"


def _is_lines(head: bytes) -> bool:
    """Whether the first of several lines is a JSON object of its own."""
    first, _, more = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    return bool(more.strip()) and _is_json_object(first)


def _is_json_object(line: bytes) -> bool:
    try:
        return line.startswith(b"{") and isinstance(msgspec.json.decode(line, type=dict[str, msgspec.Raw]), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False

"""DOCX: its ZIP archive and XML checked, then through HTML, so that headings, lists and tables are read in one way."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from html import unescape
from typing import Any, BinaryIO

import mammoth

from components.corpus import html
from components.corpus.html import Page
from components.corpus.limits import BOMB_RATIO, MAX_DOCUMENT, MAX_ELEMENTS, MIB, Refused, bomb
from components.corpus.text import tidy

MAX_DIRECTORY = 4 * MIB
"""Bytes of the archive's directory, some 40,000 files."""

STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Subtitle'] => p:fresh"
MAIN = "word/document.xml"
_CORE = "docProps/core.xml"
_END = b"PK\x05\x06"
_FIELD = re.compile(r"<dc:(title|language)[^<>]*+>([^<]*+)</dc:")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, KeyError, NotImplementedError, struct.error)


def parse(body: BinaryIO, size: int) -> Page:
    """The document; external files and entities that it names are never opened.

    Raises:
        Refused: UNKNOWN_FORMAT for another archive, BROKEN, ENCRYPTED, TOO_LARGE or BOMB.
    """
    try:
        _check_directory(body, size)
        with zipfile.ZipFile(body) as archive:
            parts = dict(_parts(archive, size))
    except _BROKEN as error:
        raise Refused("BROKEN", f"a ZIP archive that cannot be read ({type(error).__name__})") from None
    fields = dict(_FIELD.findall(parts.get(_CORE, b"").decode(errors="replace")))
    page = html.parse_text(_as_html(parts))
    title = page.title or tidy(unescape(fields.get("title", "")))
    return page._replace(title=title, language=fields.get("language", ""))


def is_encrypted_office(body: BinaryIO, size: int) -> bool:
    """Whether a compound file (OLE) is an Office document behind a password: [MS-OFFCRYPTO] 2.3.4.4.

    Its directory names the stream; it lies near one of the two ends.
    """
    name = "EncryptedPackage".encode("utf-16-le")
    body.seek(0)
    if name in body.read(MIB):
        return True
    body.seek(max(0, size - MIB))
    return name in body.read(MIB)


def _as_html(parts: dict[str, bytes]) -> str:
    """The document as HTML; mammoth raises whatever a strange document makes it run into.

    It gets an archive of the parts that were looked through, and not the original, whose directory may lie.
    """
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    try:
        return str(mammoth.convert_to_html(copy, style_map=STYLES, convert_image=_no_image).value)
    except Exception as error:
        raise Refused("BROKEN", f"a DOCX that cannot be read ({type(error).__name__})") from None


def _no_image(_: Any) -> list[Any]:
    return []


def _check_directory(body: BinaryIO, size: int) -> None:
    """The directory is read whole before anyone counts its entries."""
    start = max(0, size - 65_557)
    body.seek(start)
    tail = body.read()
    at = tail.rfind(_END)
    if at < 0:
        raise Refused("BROKEN", "a ZIP archive that ends early")
    if struct.unpack_from("<I", tail, at + 12)[0] > MAX_DIRECTORY:
        raise Refused("BOMB", "an archive of far too many files")


def _parts(archive: zipfile.ZipFile, size: int) -> Iterator[tuple[str, bytes]]:
    """The XML of the document; images and all else are never unpacked.

    Raises:
        Refused: For other archives, bombs, passwords, and XML that defines entities.
    """
    if MAIN not in archive.namelist():
        raise Refused("UNKNOWN_FORMAT", "a ZIP archive that is no DOCX")
    parts = [info for info in archive.infolist() if info.filename.endswith((".xml", ".rels"))]
    if any(info.flag_bits & 1 for info in parts):
        raise Refused("ENCRYPTED", "a DOCX that asks for a password")
    whole = sum(info.file_size for info in parts)
    if bomb(whole, size):
        raise Refused("BOMB", f"decompresses to more than {BOMB_RATIO} times its size")
    if whole > MAX_DOCUMENT:
        raise Refused("TOO_LARGE", f"more than {MAX_DOCUMENT} bytes of XML")
    elements = 0
    for info in parts:
        content = _unpacked(archive, info)
        plain = content.replace(b"\0", b"")  # XML may be UTF-16
        if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
            raise Refused("BROKEN", "a DOCX may define no document type")
        elements += plain.count(b"<")
        if elements > MAX_ELEMENTS:
            raise Refused("TOO_LARGE", f"more than {MAX_ELEMENTS} XML tags")
        yield info.filename, content


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """A file of the archive, at most as long as the directory says: only reading in pieces keeps to that."""
    with archive.open(info) as part:
        return b"".join(iter(partial(part.read, 65_536), b""))

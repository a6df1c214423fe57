"""Bytes to text: byte order marks, UTF-8, UTF-16, and what older systems wrote; plain text as a document."""

from __future__ import annotations

import codecs
import re

import charset_normalizer
import numpy as np
import numpy.typing as npt

from components.corpus.limits import MIB, Refused

_MARKS = [
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
]
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\f\r"))
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f]")
_INVISIBLE = "\u00ad\u200b\u2060\ufeff"
_SPACES = (
    "\t\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u3000"
)
_PIECE = MIB

ENOUGH = 20
"""Bytes above 127; a guess from fewer is none."""
SAMPLE = 65_536
"""Bytes that a guess at the character set looks at."""
FOREIGN = 0.3
"""From this share of bytes above 127 on, text is not Western European: Cyrillic, Greek or CJK have 0.5 and more."""


def decode(body: bytes, declared: str = "") -> str:
    """The text of `body`, lines ended by line feeds, without its byte order mark and without control characters.

    In this order: a byte order mark; UTF-8, also where a few bytes of it are broken; the charset that the document
    declares; a guess from the bytes where most are no ASCII; Windows-1252, which no bytes contradict.

    Raises:
        Refused: UNKNOWN_FORMAT for a binary file, BAD_ENCODING when no charset fits.
    """
    text = _decode(body, declared)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _decode(body: bytes, declared: str) -> str:
    for mark, charset in _MARKS:
        if body.startswith(mark):
            return _CONTROL.sub("", body[len(mark) :].decode(charset, "replace"))
    charset = _unmarked_wide(body[:4096])
    if charset:
        return _CONTROL.sub("", body.decode(charset, "replace"))
    kept = body.translate(None, _CONTROLS)
    if len(body) - len(kept) > 2 + len(body) // 100:
        raise Refused("UNKNOWN_FORMAT", "more than one control character in a hundred bytes: no text")
    return _utf8(kept) or _legacy(kept, declared)


def _unmarked_wide(sample: bytes) -> str:
    """UTF-16 of mostly ASCII letters has a NUL in every other place."""
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    if max(even, odd) * 3 < len(sample) or min(even, odd) * 20 > len(sample):
        return ""
    return "utf-16-le" if odd > even else "utf-16-be"


def _utf8(body: bytes) -> str:
    """The text if most of what is not ASCII is UTF-8: one broken byte must not garble the rest; else nothing."""
    try:
        return body.decode()
    except UnicodeDecodeError:
        text = body.decode(errors="replace")
    broken = text.count("\ufffd")
    whole = len(text) - len(text.encode("ascii", "ignore")) - broken
    return text if whole > broken else ""


def _legacy(body: bytes, declared: str) -> str:
    """One byte a letter, or one of the old East Asian encodings."""
    if not body:
        return ""
    if declared and not declared.lower().startswith(("utf", "iso-8859-1", "latin1", "us-ascii", "ascii")):
        try:
            return body.decode(declared)
        except (LookupError, ValueError):
            pass  # an unknown name, or not what it says
    foreign = len(body) - len(body.decode("ascii", "ignore"))
    if foreign < max(ENOUGH, FOREIGN * len(body)):
        return body.decode("cp1252", "replace")
    sample = body[: body.rfind(b"\n", 0, SAMPLE) + 1] or body[:SAMPLE]  # not through the middle of a letter
    guess = charset_normalizer.from_bytes(sample).best()
    if guess is None:
        raise Refused("BAD_ENCODING", "in no known character set")
    return body.decode(guess.encoding, "replace")


def printable(text: str) -> str:
    """Text without control characters, for what JSON or Parquet spelt out."""
    return _CONTROL.sub("", text)


def code_points(text: str) -> npt.NDArray[np.unsignedinteger]:
    """The characters of a text as numbers: a byte each where all are ASCII, else four."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def tidy(text: str) -> str:
    """One space between words, no blank lines, nothing invisible; in pieces, since splitting costs memory."""
    if len(text) <= _PIECE:
        return _tidy(text)
    pieces, start = [], 0
    while start < len(text):
        end = _cut(text, start)
        piece = _tidy(text[start:end])
        pieces.append(piece and piece + ("\n" if text[end - 1] == "\n" else " "))
        start = end
    return "".join(pieces).rstrip()


def _tidy(text: str) -> str:
    """Looking for characters that are not there costs next to nothing; splitting every line ten times that."""
    odd = "\t\v\f\r" if text.isascii() else _SPACES
    for space in odd:
        if space in text:
            text = text.replace(space, " ")
    for nothing in "" if text.isascii() else _INVISIBLE:
        if nothing in text:
            text = text.replace(nothing, "")
    lines = map(str.strip, text.split("\n"))
    return "\n".join([" ".join(line.split()) if "  " in line else line for line in lines if line])


def _cut(text: str, start: int) -> int:
    """Where a piece that begins at `start` ends: after a line break, else after a space."""
    limit = start + _PIECE
    if limit >= len(text):
        return len(text)
    return (text.rfind("\n", start, limit) + 1) or (text.rfind(" ", start, limit) + 1) or limit

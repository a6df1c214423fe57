"""Records: JSON lines, read as a stream, and JSON files of records. One document a record; a bad one is rejected alone.

What a record must be follows RFC 8259: NaN is not JSON, of two fields with one name the last counts, and half a
surrogate pair, which JSON can spell, becomes the replacement character.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, BinaryIO, cast

import msgspec
import numpy as np

from components.corpus.config import Fields
from components.corpus.document import Parsed, Rejected, Section
from components.corpus.limits import MAX_ITEMS, MAX_RECORD, MIB, Refused
from components.corpus.sniff import MEDIA_TYPES
from components.corpus.text import decode, printable, tidy

MAX_KEY = 1_024
"""Characters of a record's key."""

_NUMBERS = frozenset(b"%c" % first for first in b"-0123456789")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.S
)


class Keys:
    """The keys seen in an object, in eight bytes each: ten million records take 80 MB."""

    RECENT = 200_000

    def __init__(self) -> None:
        """Start with none."""
        self._recent: set[int] = set()
        self._older = np.empty(0, np.int64)

    def add(self, key: str) -> bool:
        """Remember `key`; whether it is new."""
        number = hash(key)
        at = int(self._older.searchsorted(number))
        if number in self._recent or (at < len(self._older) and self._older[at] == number):
            return False
        self._recent.add(number)
        if len(self._recent) == self.RECENT:
            self._older = np.union1d(self._older, np.fromiter(self._recent, np.int64, self.RECENT))
            self._recent.clear()
        return True


class BadRecord(Exception):
    """A record that is no document; its one argument says why, without its text."""


class Records:
    """Makes documents of the records of one object.

    Args:
        name: The object's URI.
        fields: Which fields hold what.
        kind: The object's kind, a key of `MEDIA_TYPES`.
    """

    def __init__(self, name: str, fields: Fields, kind: str) -> None:
        """Start with no record seen."""
        self._name, self._fields, self._media_type = name, fields, MEDIA_TYPES[kind]
        self._decode, self._places = _decoder(fields)
        self._keys = Keys()

    def json(self, line: bytes, number: int, source: str) -> Parsed | Rejected:
        """The document that one JSON object is; `number` names it where it has no key."""
        try:
            return self.document(*self._fields_of(line), number, source)
        except BadRecord as error:
            return self.rejected(number, "BAD_RECORD", str(error))

    def document(self, key: str, title: str, text: str, number: int, source: str) -> Parsed | Rejected:
        """The document of a record's fields.

        Raises:
            BadRecord: When its key is no key.
        """
        if len(key) > MAX_KEY:
            raise BadRecord(f"a key of more than {MAX_KEY} characters")
        key = " ".join(key.split()) or str(number)
        if not self._keys.add(key):
            return self.rejected(number, "DUPLICATE_KEY", "a record above has the same key")
        title, text = " ".join(title.split()), tidy(text)
        sections = (Section((title,) if title else (), text, source),) if text else ()
        return Parsed(key, title, "", sections, self._media_type)

    def rejected(self, number: int, reason: str, detail: str) -> Rejected:
        """The record of that number, refused."""
        return Rejected(self._name, str(number), reason, detail)

    def _fields_of(self, line: bytes) -> tuple[str, str, str]:
        """Key, title and text; what is no JSON at first is repaired and tried once more."""
        try:
            record = self._decode(line)
        except msgspec.ValidationError:
            raise BadRecord("no object with a text") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            record = self._second_try(line)
        except RecursionError:
            raise BadRecord("nested too deep") from None
        text, title, *keys = (getattr(record, place) for place in self._places)
        key = next(filter(None, map(_plain, keys)), "")
        if self._fields.id and not key:
            raise BadRecord("no key, though the recipe names its field")
        found = (key, _plain(title), text)
        return tuple(map(printable, found)) if b"\\u00" in line else found  # type: ignore[return-value]

    def _second_try(self, line: bytes) -> Any:
        try:
            return self._decode(_repaired(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Refused):
            raise BadRecord("no JSON, or no object with a text") from None


@lru_cache(maxsize=16)
def _decoder(fields: Fields) -> tuple[Callable[[bytes], Any], list[str]]:
    """A decoder that makes nothing of fields that nobody asked for, and the attributes for text, title and keys."""
    wanted = [fields.text, fields.title, *([fields.id] if fields.id else ["id", "_id"])]
    names = list(dict.fromkeys(wanted))
    empty = msgspec.Raw(b"null")
    typed = [(f"f{n}", str) if name == fields.text else (f"f{n}", msgspec.Raw, empty) for n, name in enumerate(names)]
    record = msgspec.defstruct("Record", typed, rename={f"f{n}": name for n, name in enumerate(names)})
    return msgspec.json.Decoder(record).decode, [f"f{names.index(name)}" for name in wanted]


def _plain(value: msgspec.Raw | str) -> str:
    """A string or number as text, `null` as nothing; anything else can be neither key nor title."""
    if isinstance(value, str):
        return value
    raw = bytes(value)
    if raw == b"null":
        return ""
    if raw[:1] in _NUMBERS:
        return raw.decode()
    if raw[:1] != b'"':
        raise BadRecord("a key or title that is neither text nor number")
    return msgspec.json.decode(raw, type=str)


def _repaired(line: bytes) -> bytes:
    """The line in UTF-8, without halves of surrogate pairs."""
    return _ESCAPE.sub(lambda match: rb"\ufffd" if match[1] else match[0], decode(line).encode())


def jsonl(stream: BinaryIO, head: bytes, records: Records) -> Iterator[Parsed | Rejected]:
    """The documents of JSON lines, numbered by line; a line of any length costs no more than `MAX_RECORD`."""
    for number, line in _lines(_blocks(stream, head)):
        if line is None:
            yield records.rejected(number, "RECORD_TOO_LARGE", f"a line of more than {MAX_RECORD} bytes")
        elif not line.isspace():
            yield records.json(line, number, f"line {number}")


def _blocks(stream: BinaryIO, head: bytes) -> Iterator[bytes]:
    """The stream in UTF-8, without a byte order mark, a mebibyte at a time."""
    read = partial(cast(io.BufferedIOBase, stream).read1, MIB)  # what came before a stream breaks is not lost
    if not head.startswith((b"\xff\xfe", b"\xfe\xff")):
        stream.read(3 if head.startswith(b"\xef\xbb\xbf") else 0)
        yield from iter(read, b"")
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    for block in iter(read, b""):
        yield decoder.decode(block).encode()


def _lines(blocks: Iterator[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """Number and line, None for one that is too long; only a line feed ends one, records may hold other separators."""
    number, begun, length = 1, list[bytes](), 0
    for block in blocks:
        if not begun and block.isspace():  # a gigabyte of empty lines in a second, not in minutes
            number += block.count(b"\n")
            continue
        *whole, rest = block.split(b"\n")
        for piece in whole:
            if piece or begun:
                yield number, b"".join([*begun, piece]) if length + len(piece) <= MAX_RECORD else None
                begun, length = [], 0
            number += 1
        if rest:
            length += len(rest)
            begun = [*begun, rest] if length <= MAX_RECORD else [b""]
    if length:
        yield number, b"".join(begun) if length <= MAX_RECORD else None


def json_file(body: bytes, records: Records) -> Iterator[Parsed | Rejected]:
    """The documents of a JSON file: an array of objects, one object, or after all JSON lines.

    Raises:
        Refused: TOO_LARGE for an array of too many items, UNKNOWN_FORMAT for what is no JSON.
    """
    text = decode(body).encode()
    if text.lstrip()[:1] == b"[":
        yield from _array(text, records)
        return
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        yield from jsonl(io.BytesIO(text), b"", records)
    else:
        yield records.json(text, 1, "")


def _array(text: bytes, records: Records) -> Iterator[Parsed | Rejected]:
    if text.count(b",") > MAX_ITEMS:
        raise Refused("TOO_LARGE", f"an array of more than {MAX_ITEMS} values; write it as JSON lines")
    try:
        items = msgspec.json.decode(text, type=list[msgspec.Raw])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused("BROKEN", "a JSON array that ends early or holds no JSON") from None
    for number, item in enumerate(items, start=1):
        yield records.json(bytes(item), number, f"item {number}")

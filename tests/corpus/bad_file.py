"""What a bad input is, and the words that all of them are made of."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

MIB = 1024 * 1024
CANARY = "quokka7f3a"
"""Stands in every text that can be read, and so must never stand in a detail, an exception or a log."""
HIDDEN = "wombat9c1e"
"""Stands in scripts, comments and frames: no document may show it."""
DOCUMENT = "document"
OBJECT_REASONS = {
    *("EMPTY", "UNKNOWN_FORMAT", "TOO_LARGE", "BOMB", "BROKEN", "ENCRYPTED", "MISSING_COLUMN", "BAD_ENCODING"),
    *("NO_TEXT", "PARSE_TIMEOUT", "PARSER_DIED"),
}
RECORD_REASONS = {"BAD_RECORD", "RECORD_TOO_LARGE", "DUPLICATE_KEY", "NO_TEXT"}

NOT_TEXT = "UNKNOWN_FORMAT|BAD_ENCODING|BROKEN"
"""How something ends that is no text at all."""
GIVEN_UP = "document|NO_TEXT|TOO_LARGE|BOMB|BROKEN|PARSE_TIMEOUT"
"""How something ends that is legal and absurd: read, or given up for a reason."""

_WORDS = """the valve must be closed before pressure builds up in a boiler and every engineer who turns it left will
see how steam leaves through the outlet while water stays where an operator wants it to be during winter"""

Content = bytes | Callable[[BinaryIO], object]


@dataclass(frozen=True)
class Bad:
    """A file to be made.

    Attributes:
        key: The S3 key that it should have.
        content: Its bytes, or what writes them.
        outcomes: How it may end: `document` and reason codes, with bars between them.
        records: How many documents and rows must come out; None where several numbers are right.
        documents: How many of them are documents; needless where the outcomes say it.
        says: What every document of it must say, so that garbage is not taken for one.
        heavy: Whether it takes hundreds of megabytes on disk or many seconds.
    """

    key: str
    content: Content
    outcomes: str
    records: int | None = 1
    documents: int | None = None
    says: str = ""
    heavy: bool = False


@dataclass(frozen=True)
class BadFile:
    """A file that was made; as `Bad`, with its class and where it lies."""

    class_name: str
    key: str
    path: Path
    expected: frozenset[str]
    records: int | None = None
    documents: int | None = None
    says: str = ""
    heavy: bool = False

    @classmethod
    def made(cls, class_name: str, bad: Bad, path: Path) -> BadFile:
        """Write it at `path`."""
        with path.open("wb") as file:
            if isinstance(bad.content, bytes):
                file.write(bad.content)
            else:
                bad.content(file)
        expected = frozenset(bad.outcomes.split("|"))
        documents = bad.documents
        if documents is None and (expected == {DOCUMENT} or DOCUMENT not in expected):
            documents = bad.records if DOCUMENT in expected else 0
        return cls(class_name, bad.key, path, expected, bad.records, documents, bad.says, bad.heavy)


Maker = Callable[[random.Random], Iterator[Bad]]


def prose(rng: random.Random, words: int = 40) -> str:
    """Plain English with the canary in front; about six bytes a word."""
    return f"{CANARY} {' '.join(rng.choices(_WORDS.split(), k=words))}."


def line(text: object, **fields: object) -> str:
    """A record of JSON lines with its line end."""
    return json.dumps(fields | {"text": text}, ensure_ascii=False) + "\n"


def page(body: str, head: str = "") -> str:
    """A whole HTML page."""
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'


def shapes(text: str) -> dict[str, str]:
    """Suffix -> the same text as a whole file of that format."""
    return {
        "txt": f"{text}\n",
        "md": f"# Boiler\n\n{text}\n",
        "html": page(f"<h1>Boiler</h1><p>{text}</p>"),
        "jsonl": line(text, id="a"),
    }


def repeated(piece: bytes, times: int, before: bytes = b"", after: bytes = b"") -> Callable[[BinaryIO], object]:
    """What writes a large file without holding it in memory."""

    def write(file: BinaryIO) -> None:
        file.write(before)
        chunk = piece * max(1, MIB // len(piece))
        whole, rest = divmod(len(piece) * times, len(chunk))
        for _ in range(whole):
            file.write(chunk)
        file.write(chunk[:rest])
        file.write(after)

    return write

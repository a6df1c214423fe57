"""How much of an object we take on, and how a parser says no.

The numbers bound memory: with them no object, however made, needs more than about 300 MB above its own body.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MIB = 1 << 20

MAX_DOCUMENT = 32 * MIB
"""Bytes of one HTML page, Markdown or plain text, JSON file, or of the text of a PDF."""

MAX_RECORD = 16 * MIB
"""Bytes of one line of JSONL, or of one text in a Parquet column."""

MAX_UNPACKED = 1024 * MIB
"""Decompressed bytes of a PDF, DOCX or Parquet file, which must lie on disk to be read; JSONL needs no limit."""

MAX_LAYERS = 2
"""How often an object may be compressed: gzip around zstd is one too many mistakes already."""

BOMB_BYTES = 64 * MIB
"""Decompressed bytes from which on a ratio above `BOMB_RATIO` is taken for an attack."""

BOMB_RATIO = 100
"""Text compresses four to ten times, logs forty: a hundred is no text."""

MAX_TAGS = 500_000
"""Tags of one HTML page; the parser keeps about 180 bytes for each."""

MAX_ELEMENTS = 300_000
"""XML tags of one DOCX, about 1,500 pages; its reader keeps about 700 bytes for each."""

MAX_ITEMS = 4_000_000
"""Commas in a JSON array, about 64 bytes each; larger ones belong into JSON lines."""

MAX_PAGES = 20_000
"""Pages of one PDF."""

_STATUS = Path("/proc/self/status")


@contextmanager
def memory(most: int) -> Iterator[None]:
    """Let the process take at most `most` bytes more, for native code that cannot be told: asking for more ends it.

    Only where the kernel tells what the process has (Linux).
    """
    before = resource.getrlimit(resource.RLIMIT_DATA)
    if _STATUS.exists():
        held = int(_STATUS.read_text().partition("VmData:")[2].split()[0]) * 1024
        limits = [held + most, *(limit for limit in before if limit != resource.RLIM_INFINITY)]
        resource.setrlimit(resource.RLIMIT_DATA, (min(limits), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


class Refused(Exception):
    """The rest of an object cannot be read.

    Args:
        reason: A stable code, as it will stand in the table of rejected objects.
        detail: What was wrong, without a word of the content.
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Keep both for the one who makes a Rejected of them."""
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def bomb(produced: int, consumed: int) -> bool:
    """Whether so many bytes from so few are no honest compression."""
    return produced > BOMB_BYTES and produced > BOMB_RATIO * consumed

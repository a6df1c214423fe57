"""Compression taken off: gzip and zstd, one around the other at most once, as a stream with a limit."""

from __future__ import annotations

import gzip
import io
import zlib
from typing import BinaryIO, Protocol

import pyarrow as pa

from components.corpus.limits import BOMB_RATIO, MAX_LAYERS, Refused, bomb

GZIP = b"\x1f\x8b\x08"
ZSTD = b"\x28\xb5\x2f\xfd"
PIECE = 16 * 1024
"""Bytes decompressed at once, and at most lost where an archive breaks."""
HEAD = 64 * 1024
"""Bytes that a look at the beginning can see."""


class _Readable(Protocol):
    """What every decompressor has."""

    def read1(self, size: int, /) -> bytes: ...


class _Layer(io.RawIOBase):
    """The decompressed bytes of `source`; they are counted against what was read of the object itself."""

    def __init__(self, source: _Readable, body: BinaryIO) -> None:
        self._source, self._body, self._produced = source, body, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            data = self._source.read1(min(len(buffer), PIECE))
        except (EOFError, OSError, ValueError, zlib.error) as error:
            raise Refused("BROKEN", f"the compressed data end or break early ({type(error).__name__})") from None
        self._produced += len(data)
        if bomb(self._produced, self._body.tell()):
            raise Refused("BOMB", f"decompresses to more than {BOMB_RATIO} times its size")
        buffer[: len(data)] = data
        return len(data)


def unwrap(body: BinaryIO) -> io.BufferedReader | None:
    """The stream inside `body`, or None where `body` is not compressed; it is left at its beginning then.

    Reading the stream raises `Refused`: BROKEN for what does not decompress, BOMB for what decompresses to too much,
    UNKNOWN_FORMAT for a third layer. Trailing data that belong to neither format break it at their place.
    """
    magic = body.read(4)
    body.seek(0)
    stream: io.BufferedReader | None = None
    for _ in range(MAX_LAYERS):
        source = _decompressor(magic, stream or body)
        if source is None:
            return stream
        stream = io.BufferedReader(_Layer(source, body), HEAD)
        magic = stream.peek(4)[:4]
    if _decompressor(magic, stream or body) is not None:
        raise Refused("UNKNOWN_FORMAT", f"compressed more than {MAX_LAYERS} times")
    return stream


def _decompressor(magic: bytes, source: BinaryIO | io.BufferedReader) -> _Readable | None:
    """What undoes the compression, if any; libzstd refuses windows over 128 MiB by itself."""
    if magic.startswith(GZIP):
        return gzip.GzipFile(fileobj=source)
    if magic.startswith(ZSTD):
        return pa.CompressedInputStream(pa.PythonFile(source, mode="r"), "zstd")  # type: ignore[no-any-return]
    return None

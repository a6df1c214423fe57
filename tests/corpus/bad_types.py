"""Bad inputs that are not what their names say: programs, pictures, archives, one format under another's name."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from tests.corpus.bad_archives import zstd
from tests.corpus.bad_file import CANARY, NOT_TEXT, Bad, Maker, line, page, prose, shapes

_ALL = ("txt", "md", "html", "jsonl", "json", "pdf", "docx", "parquet", "txt.gz", "jsonl.zst")


def png(rng: Random) -> bytes:
    """A real picture of noise, 32 x 32 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 32, 32, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + rng.randbytes(32) for _ in range(32)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _tar(content: bytes) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w") as archive:
        entry = tarfile.TarInfo("../escape.txt")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return body.getvalue()


class Touch:
    """Unpickled, it leaves a file behind."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return open, ("escape", "w")


def elf(rng: Random) -> Iterator[Bad]:
    body = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\0\x3e\0" + rng.randbytes(4_000) + b"\0.text\0.data\0"
    for suffix in _ALL:
        yield Bad(f"program.{suffix}", body, f"{NOT_TEXT}|BAD_RECORD", None if "json" in suffix else 1)


def pictures(rng: Random) -> Iterator[Bad]:
    body = png(rng)
    for suffix in _ALL:
        yield Bad(f"picture.{suffix}", body, f"{NOT_TEXT}|BAD_RECORD", None if "json" in suffix else 1)
    yield Bad("picture.png", body, "UNKNOWN_FORMAT")


def other_binaries(rng: Random) -> Iterator[Bad]:
    """Whatever they hold, they are no documents; a pickle above all is never loaded."""
    for name, body in {
        "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + rng.randbytes(3_000),
        "sqlite": b"SQLite format 3\0" + rng.randbytes(3_000),
        "wasm": b"\0asm\1\0\0\0" + rng.randbytes(1_000),
        "class": b"\xca\xfe\xba\xbe" + rng.randbytes(1_000),
        "pickle": pickle.dumps(Touch()),
        "noise": rng.randbytes(20_000),
        "7z": b"7z\xbc\xaf\x27\x1c" + rng.randbytes(1_000),
        "bzip2": b"BZh91AY&SY" + rng.randbytes(1_000),
        "xz": b"\xfd7zXZ\0" + rng.randbytes(1_000),
        "arrow": b"ARROW1\0\0" + rng.randbytes(1_000),
    }.items():
        for suffix in ("txt", "jsonl", "parquet"):
            yield Bad(f"{name}.{suffix}", body, f"{NOT_TEXT}|BAD_RECORD|NO_TEXT", None if suffix == "jsonl" else 1)
    yield Bad("old-pickle.txt", pickle.dumps(Touch(), 0), "document")  # protocol 0 is text, and no more than that
    yield Bad("archive.tar", _tar(prose(rng).encode()), "UNKNOWN_FORMAT")
    yield Bad("archive.txt", _tar(prose(rng).encode()), NOT_TEXT)
    yield Bad("pickle.pkl", pickle.dumps(Touch()), "UNKNOWN_FORMAT|BAD_ENCODING")


def gzip_as_text(rng: Random) -> Iterator[Bad]:
    for suffix, body in shapes(prose(rng)).items():
        packed = gzip.compress(body.encode(), mtime=0)
        yield Bad(f"packed.{suffix}", packed, f"{NOT_TEXT}|document|BAD_RECORD", None, says=CANARY)
        yield Bad(f"packed-zstd.{suffix}", zstd(body.encode()), f"{NOT_TEXT}|document|BAD_RECORD", None, says=CANARY)
        yield Bad(f"not-packed.{suffix}.gz", body.encode(), f"{NOT_TEXT}|document", says=CANARY)
        yield Bad(f"not-packed.{suffix}.zst", body.encode(), f"{NOT_TEXT}|document", says=CANARY)


def wrong_suffixes(rng: Random) -> Iterator[Bad]:
    """One format under the name of another."""
    html, text = page(f"<p>{prose(rng)}").encode(), prose(rng).encode()
    record, csv = line(prose(rng), id="a").encode(), f"id,text\n1,{prose(rng)}\n2,{prose(rng)}\n".encode()
    readable = "document|UNKNOWN_FORMAT|BROKEN|BAD_RECORD|NO_TEXT"
    for suffix in ("json", "jsonl", "md", "txt", "xml", "csv", "", "docx", "parquet", "pdf"):
        yield Bad(f"html.{suffix}", html, readable, None, says=CANARY)
    for suffix in ("txt", "md", "html", "parquet", "json"):
        yield Bad(f"record.{suffix}", record, readable, None, says=CANARY)
    yield Bad("csv.jsonl", csv, "BAD_RECORD", 3)
    yield Bad("markdown.jsonl", b"# Boiler\n\nvalve\n", "BAD_RECORD", 2)
    for suffix in ("csv", "html", "parquet", "docx", "pdf", "xyz"):
        yield Bad(f"csv.{suffix}", csv, readable, None, says=CANARY)
    for name, body in {
        "yaml": b"a: &a [*a]\nb: !!python/object/apply:os.system ['touch escape']\n",
        "xml": b"<?xml version='1.0'?><a>" + text + b"</a>",
        "rtf": b"{\\rtf1 " + text + b"}",
        "eml": b"From: a\r\nSubject: b\r\n\r\n" + text,
        "py": b"open('escape', 'w')\n",
        "sh": b"#!/bin/sh\ntouch escape\n",
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>touch()</script></svg>",
        "lnk": b"L\0\0\0\1\x14\2\0",
    }.items():
        yield Bad(f"a.{name}", body, "UNKNOWN_FORMAT|document|BAD_ENCODING|NO_TEXT")
    yield Bad("no-suffix", text, "UNKNOWN_FORMAT|document")
    yield Bad("a.tar.gz", gzip.compress(_tar(text), mtime=0), NOT_TEXT)


CLASSES: dict[str, Maker] = {
    "ELF": elf,
    "pictures": pictures,
    "other binaries": other_binaries,
    "gzip as text": gzip_as_text,
    "wrong suffixes": wrong_suffixes,
}

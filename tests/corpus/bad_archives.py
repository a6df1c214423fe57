"""Bad inputs that are packed: gzip, zstd and zip, corrupt, nested, and inflating without end."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from random import Random
from typing import BinaryIO

import pyarrow as pa

from tests.corpus.bad_file import CANARY, MIB, NOT_TEXT, Bad, Maker, line, prose, shapes

GIB = 1024 * MIB


def zipped(files: dict[str, bytes]) -> bytes:
    """An ordinary zip file."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return body.getvalue()


def zstd(content: bytes) -> bytes:
    """One zstd frame."""
    return bytes(pa.Codec("zstd").compress(content))


def packed(rng: Random) -> Iterator[Bad]:
    """The control group of the packed: each is read as what is inside."""
    for suffix, body in shapes(prose(rng)).items():
        yield Bad(f"a.{suffix}.gz", gzip.compress(body.encode(), mtime=0), "document", says=CANARY)
        yield Bad(f"a.{suffix}.zst", zstd(body.encode()), "document", says=CANARY)
    parts = [gzip.compress(line(prose(rng), id=n).encode(), mtime=0) for n in range(3)]
    yield Bad("members.jsonl.gz", b"".join(parts), "document", 3, says=CANARY)
    frames = [zstd(line(prose(rng), id=n).encode()) for n in range(3)]
    yield Bad("frames.jsonl.zst", b"".join(frames), "document", 3, says=CANARY)


def corrupt_gzip(rng: Random) -> Iterator[Bad]:
    """What breaks off after good records leaves those, and one row that says so."""
    lines = "".join(line(prose(rng), id=n) for n in range(2_000)).encode()
    for suffix, body in {"txt": prose(rng, 2_000).encode(), "jsonl": lines}.items():
        good = gzip.compress(body, mtime=0)
        half = "BROKEN|document|BAD_RECORD" if suffix == "jsonl" else "BROKEN"
        count = None if suffix == "jsonl" else 1
        for name, broken in {
            "half": good[: len(good) // 2],
            "without-its-tail": good[:-8],
            "without-its-last-byte": good[:-1],
            "wrong-sum": good[:-8] + b"\0\0\0\0" + good[-4:],
            "wrong-length": good[:-4] + b"\xff\xff\xff\xff",
            "noise-within": good[:200] + rng.randbytes(50) + good[250:],
        }.items():
            yield Bad(f"{name}.{suffix}.gz", broken, half, count, says=CANARY)
        for name, odd in {"zeros-behind": good + bytes(512), "noise-behind": good + rng.randbytes(50)}.items():
            yield Bad(f"{name}.{suffix}.gz", odd, "document|BROKEN", None, says=CANARY)
        for name, broken in {
            "header-alone": good[:10],
            "magic-alone": good[:3],
            "unknown-method": good[:2] + b"\x07" + good[3:],
        }.items():
            yield Bad(f"{name}.{suffix}.gz", broken, "BROKEN|UNKNOWN_FORMAT|BAD_ENCODING|EMPTY")
        reserved = good[:3] + b"\xe0" + good[4:]  # RFC 1952, section 2.3.1.2, wants an error; no library gives it
        yield Bad(f"reserved-flags.{suffix}.gz", reserved, "BROKEN|document", None, says=CANARY)
        yield Bad(f"nothing.{suffix}.gz", gzip.compress(b"", mtime=0), "EMPTY|NO_TEXT")
        named = good[:3] + b"\x08" + good[4:10] + b"../../escape.txt\0" + good[10:]
        yield Bad(f"named.{suffix}.gz", named, "document", 2_000 if suffix == "jsonl" else 1, says=CANARY)


def corrupt_zstd(rng: Random) -> Iterator[Bad]:
    lines = "".join(line(prose(rng), id=n) for n in range(2_000)).encode()
    for suffix, body in {"txt": prose(rng, 2_000).encode(), "jsonl": lines}.items():
        good = zstd(body)
        half = "BROKEN|document|BAD_RECORD" if suffix == "jsonl" else "BROKEN"
        for name, broken in {"half": good[: len(good) // 2], "without-its-last-byte": good[:-1]}.items():
            yield Bad(f"{name}.{suffix}.zst", broken, half, None)
        spoilt = good[:100] + rng.randbytes(50) + good[150:]  # without a sum in the frame it may pass for text
        yield Bad(f"noise-within.{suffix}.zst", spoilt, f"{half}|document|BAD_ENCODING|DUPLICATE_KEY", None)
        yield Bad(f"noise-behind.{suffix}.zst", good + rng.randbytes(50), f"{half}|document", None, says=CANARY)
        skippable = struct.pack("<II", 0x184D2A50, 5) + b"valve"
        yield Bad(f"skippable-alone.{suffix}.zst", skippable, "EMPTY|NO_TEXT|BROKEN|UNKNOWN_FORMAT")
        yield Bad(f"nothing.{suffix}.zst", zstd(b""), "EMPTY|NO_TEXT")
        other = b"\x28\xb5\x2f\xfd\x01\x58\x07\x01\0\0"  # asks for dictionary 7
        yield Bad(f"dictionary.{suffix}.zst", other, "BROKEN")
        yield Bad(f"magic-alone.{suffix}.zst", b"\x28\xb5\x2f\xfd", "BROKEN|EMPTY")


def packed_twice(rng: Random) -> Iterator[Bad]:
    text = prose(rng).encode()
    outcomes = f"{NOT_TEXT}|document|BOMB"
    once = gzip.compress(text, mtime=0)
    yield Bad("a.txt.gz.gz", gzip.compress(once, mtime=0), outcomes, says=CANARY)
    yield Bad("a.txt.gz", gzip.compress(once, mtime=0), outcomes, says=CANARY)
    yield Bad("a.txt.zst.gz", gzip.compress(zstd(text), mtime=0), outcomes, says=CANARY)
    yield Bad("a.txt.gz.zst", zstd(once), outcomes, says=CANARY)
    many = text
    for _ in range(100):
        many = gzip.compress(many, mtime=0)
    yield Bad("a.txt.gz.gz.gz.gz.gz.gz.gz.gz", many, outcomes, says=CANARY)
    yield Bad("a.zip.gz", gzip.compress(zipped({"a.txt": text}), mtime=0), outcomes, says=CANARY)
    bomb = io.BytesIO()
    gzip_bomb(b"valve ", GIB)(bomb)
    yield Bad("bomb.txt.gz.gz", gzip.compress(bomb.getvalue(), mtime=0), f"{NOT_TEXT}|BOMB|TOO_LARGE")


def gzip_bomb(piece: bytes, size: int, members: bool = False) -> Callable[[BinaryIO], object]:
    """What writes a gzip file of `piece` over and over: as many members, or as one whose sum at the end is wrong."""
    block = piece * (MIB // len(piece))

    def write(file: BinaryIO) -> None:
        if members:
            file.write(gzip.compress(block, mtime=0) * (size // len(block)))
            return
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        deflated = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
        file.write(b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + deflated * (size // len(block)) + b"\x03\0" + bytes(8))

    return write


def zstd_bomb(size: int, window: int = 0x38, content_size: int | None = None) -> Callable[[BinaryIO], object]:
    """What writes one zstd frame of so many letters, four bytes for 128 KiB (RFC 8878, section 3.1.1.2: RLE blocks)."""

    def write(file: BinaryIO) -> None:
        claimed = b"" if content_size is None else struct.pack("<Q", content_size)
        file.write(b"\x28\xb5\x2f\xfd" + (b"\xc0" if claimed else b"\0") + bytes([window]) + claimed)
        block = struct.pack("<I", 1 << 1 | 1 << 20)[:3] + b"v"
        file.write(block * (size // (1 << 17)))
        file.write(struct.pack("<I", 1 | 1 << 1 | 1 << 3)[:3] + b"v")

    return write


def gzip_bombs(rng: Random) -> Iterator[Bad]:
    too_much = "BOMB|TOO_LARGE"
    records = line(prose(rng)).encode()
    for suffix in ("txt", "md", "html"):
        yield Bad(f"ten-gigabytes.{suffix}.gz", gzip_bomb(b"valve ", 10 * GIB), too_much)
    yield Bad("members.txt.gz", gzip_bomb(b"valve ", 4 * GIB, members=True), too_much)
    yield Bad("zeros.txt.gz", gzip_bomb(b"\0", 10 * GIB), f"{too_much}|BAD_ENCODING|UNKNOWN_FORMAT")
    yield Bad("spaces.txt.gz", gzip_bomb(b" ", 10 * GIB), too_much)
    yield Bad("one-line.jsonl.gz", gzip_bomb(b"valve ", 10 * GIB), f"{too_much}|RECORD_TOO_LARGE")
    yield Bad("empty-lines.jsonl.gz", gzip_bomb(b"\n", 10 * GIB), f"{too_much}|EMPTY|NO_TEXT")
    yield Bad("records.jsonl.gz", gzip_bomb(records, 10 * GIB), f"{too_much}|document", None)
    yield Bad("parquet.parquet.gz", gzip_bomb(b"PAR1", 10 * GIB), f"{too_much}|UNKNOWN_FORMAT|BROKEN")
    yield Bad("pdf.pdf.gz", gzip_bomb(b"%PDF-1.7\n", 10 * GIB), f"{too_much}|UNKNOWN_FORMAT|BROKEN")
    yield Bad("repetitive.txt.gz", gzip.compress(b"valve " * 5 * MIB, mtime=0), "document|BOMB")


def zstd_bombs(rng: Random) -> Iterator[Bad]:
    too_much = "BOMB|TOO_LARGE"
    yield Bad("ten-gigabytes.txt.zst", zstd_bomb(10 * GIB), too_much)
    yield Bad("one-line.jsonl.zst", zstd_bomb(10 * GIB), f"{too_much}|RECORD_TOO_LARGE")
    yield Bad("large-window.txt.zst", zstd_bomb(MIB, window=0xF8), f"{too_much}|BROKEN")
    yield Bad("two-gigabyte-window.txt.zst", zstd_bomb(10 * GIB, window=21 << 3), f"{too_much}|BROKEN")
    yield Bad("claims-an-exabyte.txt.zst", zstd_bomb(MIB, content_size=2**60), f"{too_much}|BROKEN")
    yield Bad("claims-a-byte.txt.zst", zstd_bomb(10 * GIB, content_size=1), f"{too_much}|BROKEN")
    frames = zstd(line(prose(rng)).encode() * 5_000)
    yield Bad("records.jsonl.zst", frames * 3_000, f"{too_much}|document", None)


@dataclass(frozen=True)
class Entry:
    """An entry of a zip file whose headers say what they like."""

    name: str
    deflated: bytes
    size: int
    crc: int = 0
    flags: int = 0


def raw_zip(entries: Iterable[Entry], overlapping: bool = False) -> bytes:
    """A zip file by hand (PKWARE APPNOTE 4.3); overlapping, all its entries are the bytes of the first."""
    body, directory, count = bytearray(), bytearray(), 0
    for entry in entries:
        name = entry.name.encode()
        common = struct.pack("<HHHHHIII", 20, entry.flags, 8, 0, 33, entry.crc, len(entry.deflated), entry.size)
        offset = 0 if overlapping else len(body)
        if not overlapping or not body:
            body += b"PK\3\4" + common + struct.pack("<HH", len(name), 0) + name + entry.deflated
        directory += b"PK\1\2" + b"\x14\0" + common + struct.pack("<HHHHHII", len(name), 0, 0, 0, 0, 0, offset) + name
        count += 1
    ends = struct.pack("<HHHHIIH", 0, 0, count & 0xFFFF, count & 0xFFFF, len(directory), len(body), 0)
    return bytes(body + directory + b"PK\5\6" + ends)


def deflated(content: bytes) -> bytes:
    """Raw deflate, as zip files hold it."""
    return zlib.compress(content, 9, -zlib.MAX_WBITS)


def inflating(piece: bytes, size: int, before: bytes = b"", after: bytes = b"") -> bytes:
    """Raw deflate of `size` bytes of `piece` over and over, between two other pieces."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    start = packer.compress(before) + packer.flush(zlib.Z_FULL_FLUSH)
    block = piece * max(1, MIB // len(piece))
    middle = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    return start + middle * (size // len(block)) + packer.compress(after) + packer.flush()


def zip_bombs(rng: Random) -> Iterator[Bad]:
    unread = "UNKNOWN_FORMAT|BOMB|BROKEN"
    kernel = inflating(b"\0", 100 * MIB)
    nested = zipped({"zeros": bytes(MIB)})
    for level in range(6):
        nested = zipped({f"{level}-{n}.zip": nested for n in range(10)})
    for name, body in {
        "ten-gigabytes": raw_zip([Entry("a.txt", inflating(b"\0", 10 * GIB), (10 * GIB) & 0xFFFFFFFF)]),
        "overlapping": raw_zip((Entry(f"{n}.txt", kernel, 100 * MIB) for n in range(30_000)), overlapping=True),
        "nested": nested,
        "entries": raw_zip(Entry(f"{n}.txt", b"\3\0", 0) for n in range(60_000)),
        "ordinary": zipped({"a.txt": prose(rng).encode()}),
    }.items():
        for suffix in ("zip", "txt", "docx"):
            outcomes = f"{unread}|BAD_ENCODING" if suffix == "txt" else unread
            yield Bad(f"{name}.{suffix}", body, outcomes)


def zip_slip(rng: Random) -> Iterator[Bad]:
    """Names that would lead out of a folder, for whoever unpacks."""
    text = prose(rng).encode()
    for number, name in enumerate(
        ["../../escape.txt", "/tmp/escape.txt", "C:\\escape.txt", "..\\escape.txt", "a/../../escape", "a\0b.txt", ""]
    ):
        packed_name = Entry(name, deflated(text), len(text), zlib.crc32(text))
        yield Bad(f"{number}.zip", raw_zip([packed_name]), "UNKNOWN_FORMAT|BROKEN")
    link = io.BytesIO()
    with zipfile.ZipFile(link, "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
        archive.writestr(zipfile.ZipInfo("link/escape.txt"), text)
    yield Bad("link.zip", link.getvalue(), "UNKNOWN_FORMAT|BROKEN")
    notebook = json.dumps({"cells": [{"source": [prose(rng)]}]}).encode()
    yield Bad("notebook.ipynb", notebook, "UNKNOWN_FORMAT|document|BAD_RECORD")


CLASSES: dict[str, Maker] = {
    "packed": packed,
    "corrupt gzip": corrupt_gzip,
    "corrupt zstd": corrupt_zstd,
    "packed twice": packed_twice,
    "gzip bombs": gzip_bombs,
    "zstd bombs": zstd_bombs,
    "zip bombs": zip_bombs,
    "zip slip": zip_slip,
}

"""Compression: gzip and zstd, one in the other, broken, and made to burst."""

import gzip
import io
import random

import pyarrow as pa
import pytest

from components.corpus.limits import Refused
from components.corpus.unwrap import unwrap
from tests.corpus.reading import read, records, refusals, sections

TEXT = b"Close the valve before the pressure rises.\n" * 100


def zstd(body: bytes) -> bytes:
    return pa.compress(body, codec="zstd", asbytes=True)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(TEXT),
        zstd(TEXT),
        zstd(gzip.compress(TEXT)),
        gzip.compress(gzip.compress(TEXT)),
        gzip.compress(TEXT[:50]) + gzip.compress(TEXT[50:]),
        zstd(TEXT[:50]) + zstd(TEXT[50:]),
    ],
)
def test_what_was_compressed_once_or_twice_is_read(body):
    stream = unwrap(io.BytesIO(body))
    assert stream is not None
    assert stream.read() == TEXT


def test_what_is_not_compressed_is_left_at_its_beginning():
    body = io.BytesIO(TEXT)
    assert unwrap(body) is None
    assert body.read() == TEXT


def test_three_layers_are_refused():
    assert refusals("a.txt", zstd(gzip.compress(zstd(TEXT)))) == [("", "UNKNOWN_FORMAT")]


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_a_bomb_is_refused_before_it_bursts(compress):
    body = compress(b"\n" * (100 << 20))
    assert len(body) < 200_000
    assert refusals("a.jsonl", body) == [("", "BOMB")]
    twice = unwrap(io.BytesIO(compress(body)))
    assert twice is not None
    with pytest.raises(Refused, match="BOMB"):
        twice.read()


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_an_archive_that_breaks_gives_its_documents_so_far_and_one_refusal(compress):
    noise = random.Random(1)
    lines = [f'{{"text": "{noise.randbytes(3_000).hex()}"}}\n'.encode() for _ in range(100)]
    body = compress(b"".join(lines))
    found = read("a.jsonl", body[: len(body) // 2])
    assert 10 < len(records("a.jsonl", body[: len(body) // 2])) < 60
    assert [one.reason for one in found if hasattr(one, "reason")] == ["BROKEN"]
    assert len(read("a.jsonl", body)) == 100


def test_a_compressed_container_is_read_too():
    body = io.BytesIO()
    pa.parquet.write_table(pa.table({"text": ["One."]}), body)
    assert sections("a.parquet.gz", gzip.compress(body.getvalue())) == [((), "One.")]

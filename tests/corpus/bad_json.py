"""Bad inputs of JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from random import Random

from tests.corpus.bad_file import CANARY, MIB, Bad, Maker, line, prose, repeated

_ONE_BAD = "document|BAD_RECORD"
_NO_RECORD = "BAD_RECORD|UNKNOWN_FORMAT|BROKEN|NO_TEXT"


def among(bad: bytes, rng: Random, bad_lines: int = 1) -> tuple[bytes, int]:
    """A bad line between two good ones, and how many records that makes."""
    first, last = (line(prose(rng), id=name).encode() for name in ("first", "last"))
    return first + bad + b"\n" + last, 2 + bad_lines


def deep_json(rng: Random) -> Iterator[Bad]:
    for depth in (1_000, 100_000, 1_000_000):
        closed = "[" * depth + "]" * depth
        objects = '{"a":' * depth + "1" + "}" * depth
        for name, text in {
            "arrays": closed,
            "unclosed": "[" * depth,
            "objects": objects,
            "in-text": f'{{"text": {closed}}}',
            "in-id": f'{{"text": "valve", "id": {closed}}}',
        }.items():
            body, records = among(text.encode(), rng)
            in_id = name == "in-id"  # a list is a strange key, but the text beside it is good
            yield Bad(f"{name}-{depth}.jsonl", body, _ONE_BAD, records, None if in_id else 2)
        beside, records = among(f'{{"text": "valve", "other": {objects}}}'.encode(), rng)
        yield Bad(f"beside-text-{depth}.jsonl", beside, _ONE_BAD, records)
    yield Bad("alone.json", b"[" * 100_000, f"{_NO_RECORD}|document", None)


def no_json_numbers(rng: Random) -> Iterator[Bad]:
    """NaN and the infinities, which Python reads and JSON does not have (RFC 8259, section 6); huge numbers."""
    digits = "9" * 5_000
    for name, number in {
        "nan": "NaN",
        "infinity": "Infinity",
        "minus-infinity": "-Infinity",
        "huge-exponent": "1e999999",
        "huge-integer": digits,
        "a-megabyte-of-digits": "9" * MIB,
        "leading-zero": "007",
        "minus-zero": "-0",
    }.items():
        text, records = among(f'{{"text": {number}}}'.encode(), rng)
        yield Bad(f"{name}-text.jsonl", text, _ONE_BAD, records, 2)
        for field in ("id", "other"):
            body, records = among(f'{{"text": "{prose(rng)}", "{field}": {number}}}'.encode(), rng)
            yield Bad(f"{name}-{field}.jsonl", body, _ONE_BAD, records, None, CANARY)


def duplicate_keys(rng: Random) -> Iterator[Bad]:
    """Twice the same name within an object, and twice the same key among records."""
    text = prose(rng)
    for name, record in {
        "text": f'{{"text": "{text}", "text": "{text}"}}',
        "id": f'{{"id": 1, "id": 2, "text": "{text}"}}',
        "text-and-null": f'{{"text": null, "text": "{text}"}}',
    }.items():
        body, records = among(record.encode(), rng)
        yield Bad(f"within-{name}.jsonl", body, f"{_ONE_BAD}|DUPLICATE_KEY", records, None, CANARY)
    for name, ids, kept in (
        ("same", ["a", "a", "a"], 1),
        ("number-and-string", [1, "1"], None),
        ("explicit-and-line-number", ["2", None], None),
        ("surrogates", ["\ud83d", "\ud83e"], None),
        ("normal-forms", ["é", "e\u0301"], 2),
        ("many", ["a"] * 20_000, 1),
    ):
        lines = "".join(json.dumps({"id": one, "text": f"{text} {n}"}) + "\n" for n, one in enumerate(ids))
        reasons = "document" if kept == len(ids) else "document|DUPLICATE_KEY|BAD_RECORD"
        yield Bad(f"{name}.jsonl", lines.encode(), reasons, len(ids), kept)


def truncated_last_line(rng: Random) -> Iterator[Bad]:
    whole = line(f"{prose(rng)} Größe \\ud83d", id="last").replace("\\\\", "\\").encode()
    before = (line(prose(rng), id="a") + line(prose(rng), id="b")).encode()
    cuts = {
        "in-a-name": 4,
        "before-the-colon": 5,
        "in-a-value": 30,
        "in-a-character": whole.index("ö".encode()) + 1,
        "in-an-escape": whole.index(b"\\ud83d") + 3,
        "before-the-brace": len(whole) - 2,
    }
    for name, cut in cuts.items():
        yield Bad(f"{name}.jsonl", before + whole[:cut], _ONE_BAD, 3, 2, CANARY)
    yield Bad("without-a-line-end.jsonl", before + line(prose(rng), id="c").strip().encode(), "document", 3)


def trailing_garbage(rng: Random) -> Iterator[Bad]:
    record = line(prose(rng)).strip()
    for number, garbage in enumerate([" xyz", ",", ";", "}", record, " // why", " \\n", "]", '"']):
        body, records = among((record + garbage).encode(), rng)
        yield Bad(f"{number}.jsonl", body, _ONE_BAD, records, 2, CANARY)


def wrong_values(rng: Random) -> Iterator[Bad]:
    for number, value in enumerate([None, 5, 1.5, True, [], ["valve"], {}, {"text": "valve"}]):
        body, records = among(line(value).encode().strip(), rng)
        yield Bad(f"text-{number}.jsonl", body, _ONE_BAD, records, 2, CANARY)
    for number, value in enumerate([None, True, 1.5, [], ["a"], {}, {"a": 1}, "", " ", "x" * 100_000, "a/../b#c\n"]):
        for field in ("id", "_id", "title"):
            body, records = among(line(prose(rng), **{field: value}).encode().strip(), rng)
            yield Bad(f"{field}-{number}.jsonl", body, _ONE_BAD, records, None, CANARY)


def no_records(rng: Random) -> Iterator[Bad]:
    """JSON, but no objects; objects, but not one on a line; nearly JSON."""
    for name, text in {
        "array": '["text"]',
        "string": '"text"',
        "number": "5",
        "null": "null",
        "empty-object": "{}",
        "other-case": '{"TEXT": "valve"}',
        "single-quotes": "{'text': 'valve'}",
        "bare-names": '{text: "valve"}',
        "bad-escape": '{"text": "\\x41"}',
        "raw-tab": '{"text": "a\tb"}',
        "comment": "# valve",
        "comma": '{"text": "valve",}',
    }.items():
        body, records = among(text.encode(), rng)
        yield Bad(f"{name}.jsonl", body, _ONE_BAD, records, 2, CANARY)
    array = json.dumps([{"text": prose(rng)}] * 3, indent=1).encode()
    yield Bad("array-over-lines.jsonl", array, _NO_RECORD, None)
    yield Bad("array-over-lines.json", array, f"{_NO_RECORD}|document|DUPLICATE_KEY", None)
    yield Bad("object.json", line(prose(rng)).encode(), f"{_NO_RECORD}|document", None, says=CANARY)


def long_lines(rng: Random) -> Iterator[Bad]:
    """No line over 32 MiB is held in memory, and those around it are kept."""
    first, last = (line(prose(rng), id=name).encode() for name in ("first", "last"))
    for name, size in (("33-MiB", 33 * MIB), ("100-MiB", 100 * MIB)):
        content = repeated(b"valve ", size // 6, first + b'{"text": "', b'"}\n' + last)
        yield Bad(f"{name}.jsonl", content, "document|RECORD_TOO_LARGE", 3, 2, CANARY, heavy=size > 50 * MIB)
    spaces = repeated(b" ", 40 * MIB, first, b"\n" + last)
    yield Bad("40-MiB-of-spaces.jsonl", spaces, "document|RECORD_TOO_LARGE|BAD_RECORD", None, 2, CANARY)
    many = "".join(line(f"{CANARY} {n}") for n in range(50_000))
    yield Bad("fifty-thousand.jsonl", many.encode(), "document", 50_000, says=CANARY)
    gigabyte = repeated(b"valve ", 1_000_000_000 // 6, b'{"text": "', b'"}')
    yield Bad("gigabyte.jsonl", gigabyte, "RECORD_TOO_LARGE", 1, heavy=True)
    no_end = repeated(b"[", 1_000_000_000)
    yield Bad("gigabyte-of-brackets.jsonl", no_end, "RECORD_TOO_LARGE", 1, heavy=True)
    empty = repeated(b"\n", 1_000_000_000)
    yield Bad("gigabyte-of-line-ends.jsonl", empty, "EMPTY|NO_TEXT|BOMB", 1, heavy=True)


CLASSES: dict[str, Maker] = {
    "deep JSON": deep_json,
    "no JSON numbers": no_json_numbers,
    "duplicate keys": duplicate_keys,
    "truncated last line": truncated_last_line,
    "trailing garbage": trailing_garbage,
    "wrong values": wrong_values,
    "no records": no_records,
    "long lines": long_lines,
}

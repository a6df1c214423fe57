"""JSON lines and JSON files: one document a record, bad ones alone."""

import json

import pytest

from components.corpus.limits import MAX_RECORD
from components.corpus.records import Keys
from tests.corpus.reading import document, read, records, refusals, sources


def test_a_line_is_a_document_and_a_bad_line_is_rejected_alone():
    lines = [
        '{"id": "a", "title": " The  title ", "text": "One."}',
        "{half",
        "",
        '{"_id": 0, "text": "Two."}',
        '{"text": "Three, with \u2028 and \u0085 in it.", "id": null, "title": null}',
        '{"title": "no text"}',
        '{"text": null}',
        '["text"]',
        "[" * 100_000,
        '{"text": "x", "more": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"id": "a", "text": "Another."}',
        '{"text": "x", "more": NaN}',
        '{"text": "x"} trailing',
        '{"id": ["a"], "text": "x"}',
        '{"title": {"en": "a"}, "text": "x"}',
        '{"id": "half a pair", "title": "\\ud83d", "text": "\\ud83d \\ud83d\\ude00 \\\\ud83d \\u0000"}\r',
        '{"text": "the last one is cut sh',
    ]
    body = "\n".join(lines)
    assert records("many.jsonl", body) == [
        ("a", "The title", "One."),
        ("0", "", "Two."),
        ("5", "", "Three, with and in it."),
        ("half a pair", "\ufffd", "\ufffd \U0001f600 \\ud83d"),
    ]
    assert refusals("many.jsonl", body) == [
        *((str(n), "BAD_RECORD") for n in (2, 6, 7, 8, 9, 10)),
        ("11", "DUPLICATE_KEY"),
        *((str(n), "BAD_RECORD") for n in (12, 13, 14, 15, 17)),
    ]


def test_a_record_knows_its_line_and_its_title_is_its_heading():
    found = document("a.jsonl", '\n{"title": "T", "text": "x"}')
    assert [(section.path, section.text, section.source) for section in found.sections] == [(("T",), "x", "line 2")]
    assert (found.record, found.media_type, found.language) == ("2", "application/jsonl", "")


def test_an_empty_text_is_a_document_without_sections():
    assert document("a.jsonl", '{"text": " "}').sections == ()


def test_the_recipe_names_the_fields():
    body = '{"body text": "One.", "name": "T", "key": 7}\n{"body text": "Two.", "id": "b"}'
    fields = {"text": "body text", "title": "name", "id": "key"}
    assert records("a.jsonl", body, **fields) == [("7", "T", "One.")]
    assert refusals("a.jsonl", body, **fields) == [("2", "BAD_RECORD")]
    assert records("a.jsonl", '{"text": "One."}', title="text", id="text") == [("One.", "One.", "One.")]


@pytest.mark.parametrize("key", ["-1.5e3", "12345678901234567890123", '"12345678901234567890123"', '" a  b "'])
def test_a_key_is_kept_as_it_is_written(key):
    ((record, _, _),) = records("a.jsonl", f'{{"id": {key}, "text": "x"}}')
    assert record == " ".join(key.strip('"').split())


def test_a_key_that_is_a_novel_is_none():
    assert refusals("a.jsonl", json.dumps({"id": "x" * 2_000, "text": "x"})) == [("1", "BAD_RECORD")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_lines_are_read_in_every_encoding(encoding):
    body = '{"text": "Größe"}\n{"text": "Maß \u0a0a"}\n' if encoding == "utf-16" else '{"text": "Größe"}\n'
    assert records("a.jsonl", body.encode(encoding))[0] == ("1", "", "Größe")
    assert len(records("a.jsonl", body.encode(encoding))) == body.count("\n")


def test_a_line_too_long_is_passed_over():
    long = '{"text": "' + "x" * (MAX_RECORD + 1_000_000) + '"}'
    body = f'{{"text": "a"}}\n{long}\n{{"text": "b"}}\n{long}'
    assert [key for key, _, _ in records("a.jsonl", body)] == ["1", "3"]
    assert refusals("a.jsonl", body) == [("2", "RECORD_TOO_LARGE"), ("4", "RECORD_TOO_LARGE")]
    whole = '{"text": "' + "x" * (MAX_RECORD - 12) + '"}'
    assert len(records("a.jsonl", f"{whole}\n{whole}")) == 2


def test_empty_lines_are_counted():
    body = b"\n" * 5_000_000 + b'{"text": "a"}' + b"\n" * 5_000_000 + b' \n{"text": "b"}'
    assert [key for key, _, _ in records("a.jsonl", body)] == ["5000001", "10000002"]


def test_a_table_in_a_jsonl_file_is_bad_records():
    assert refusals("a.jsonl", "text,title\nx,y\n") == [("1", "BAD_RECORD"), ("2", "BAD_RECORD")]


def test_a_json_file_is_an_array_of_records():
    body = '[{"text": "One.", "id": "a"},\n {"text": "Two."}, 3, {"id": "a", "text": "x"}]'
    assert records("a.json", body) == [("a", "", "One."), ("2", "", "Two.")]
    assert refusals("a.json", body) == [("3", "BAD_RECORD"), ("4", "DUPLICATE_KEY")]
    assert sources("a.json", '[{"text": "One."}]') == ["item 1"]


def test_a_json_file_is_one_record():
    assert records("a.json", '{\n  "title": "T",\n  "text": "One."\n}') == [("1", "T", "One.")]
    assert refusals("a.json", '{\n  "version": 3\n}') == [("1", "BAD_RECORD")]


@pytest.mark.parametrize(
    ("body", "reason"),
    [("[{}, {", "BROKEN"), ("[" * 100_000, "BROKEN"), ("[]", "EMPTY"), ("[" + "1," * 4_000_001 + "1]", "TOO_LARGE")],
)
def test_a_json_file_that_is_no_array_of_records_is_refused(body, reason):
    assert refusals("a.json", body) == [("", reason)]


def test_duplicate_keys_are_found_among_many():
    keys = Keys()
    count = 2 * Keys.RECENT + 1_000
    assert all(keys.add(str(number)) for number in range(count))
    assert not any(keys.add(str(number)) for number in range(0, count, 999))
    assert keys.add("new")


def test_every_record_is_accounted_for():
    lines = [json.dumps({"text": f"Text {n}"}) if n % 3 else "bad" for n in range(300)]
    assert len(read("a.jsonl", "\n".join(lines))) == 300

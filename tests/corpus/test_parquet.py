"""Parquet: columns by the recipe, rows as documents, and files that hold more than they seem to."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.corpus.limits import MAX_RECORD
from tests.corpus.reading import document, read, records, refusals


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    body = io.BytesIO()
    pq.write_table(pa.table(columns), body, **options)
    return body.getvalue()


def test_a_row_is_a_document_and_a_row_without_text_is_rejected_alone():
    columns = {
        "id": ["a", "b", "a", None, "\0"],
        "title": ["T", None, "U", "V", "W"],
        "text": ["One.", None, "x", "2", ""],
    }
    body = parquet(columns, row_group_size=2)
    assert records("a.parquet", body) == [("a", "T", "One."), ("4", "V", "2"), ("5", "W", "")]
    assert refusals("a", body) == [("2", "BAD_RECORD"), ("3", "DUPLICATE_KEY")]


def test_a_row_knows_its_number_and_its_title_is_its_heading():
    found = document("a.bin", parquet({"title": [" The  title"], "text": ["One.  Two."], "more": [[1, 2]]}))
    assert [(s.path, s.text, s.source) for s in found.sections] == [(("The title",), "One. Two.", "row 1")]
    assert found.media_type == "application/vnd.apache.parquet"


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_kind_of_string_is_text(kind):
    assert records("a.parquet", parquet({"text": pa.array(["One.", "Two."]).cast(kind)})) == [
        ("1", "", "One."),
        ("2", "", "Two."),
    ]


def test_the_recipe_names_the_columns():
    body = parquet({"body": ["One."], "name": ["T"], "key": [7], "id": ["x"]})
    assert records("a.parquet", body, text="body", title="name", id="key") == [("7", "T", "One.")]


@pytest.mark.parametrize(
    ("columns", "fields"),
    [
        ({"body": ["x"]}, {}),
        ({"text": [1]}, {}),
        ({"text": [["x"]]}, {}),
        ({"text": [b"x"]}, {}),
        ({"text": [{"text": "x"}]}, {}),
        ({"text": ["x"]}, {"id": "key"}),
    ],
)
def test_without_the_columns_that_the_recipe_names_nothing_is_read(columns, fields):
    assert refusals("a.parquet", parquet(columns), **fields) == [("", "MISSING_COLUMN")]


@pytest.mark.parametrize("column", [{"id": [[1]]}, {"title": [{"en": "x"}]}, {"id": [True]}])
def test_a_key_or_title_that_is_neither_text_nor_number_is_refused(column):
    assert refusals("a.parquet", parquet({"text": ["x"]} | column)) == [("1", "BAD_RECORD")]


def test_no_rows_are_no_document():
    assert refusals("a.parquet", parquet({"text": pa.array([], pa.string())})) == [("", "EMPTY")]


def test_a_text_too_long_is_passed_over():
    body = parquet({"text": ["a", "x" * (MAX_RECORD + 1), "b"]})
    assert [key for key, _, _ in records("a.parquet", body)] == ["1", "3"]
    assert refusals("a.parquet", body) == [("2", "RECORD_TOO_LARGE")]


def test_text_that_is_no_utf8_is_read_with_replacement_characters():
    column = pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 1, 4], np.int32)), pa.py_buffer(b"a\xffbc"))
    assert records("a.parquet", parquet({"text": column})) == [("1", "", "a"), ("2", "", "\ufffdbc")]


@pytest.mark.parametrize("cut", [3, 8, 100, 300])
def test_a_file_cut_short_is_broken(cut):
    assert refusals("a.parquet", parquet({"text": ["One."] * 100})[:-cut]) == [("", "BROKEN")]


def test_a_broken_row_group_costs_the_rows_from_there_on():
    words = np.random.default_rng(1).integers(0, 10**9, (400, 20))
    body = bytearray(
        parquet({"text": [" ".join(map(str, row)) for row in words]}, row_group_size=100, compression="zstd")
    )
    at = pq.ParquetFile(io.BytesIO(body)).metadata.row_group(2).column(0).dictionary_page_offset
    body[at : at + 200] = bytes(200)
    found = read("a.parquet", bytes(body))
    assert len(found) == 201
    assert refusals("a.parquet", bytes(body)) == [("", "BROKEN")]


def test_an_encrypted_file_says_so():
    body = parquet({"text": ["x"]})
    assert refusals("a.parquet", b"PARE" + body[4:-4] + b"PARE") == [("", "ENCRYPTED")]
    assert refusals("a.parquet", body[:-4] + b"PARE") == [("", "ENCRYPTED")]


def bombs() -> dict[str, bytes]:
    zeros = pa.array(np.zeros(3_000_000, np.int32))
    return {
        "a value named three million times": parquet(
            {"text": pa.DictionaryArray.from_arrays(zeros, pa.array(["x" * 1_000_000]))}
        ),
        "one value of a gigabyte": parquet({"text": ["x", "x" * 300_000_000]}, compression="zstd", row_group_size=1),
    }


def test_a_file_that_holds_far_more_than_its_size_is_given_up():
    for name, body in bombs().items():
        assert len(body) < 200_000, name
        shown = [found for found in read("a.parquet", body) if hasattr(found, "reason")]
        assert shown[-1].reason == "BOMB", name
    assert len(read("a.parquet", bombs()["one value of a gigabyte"])) == 1, "refused by its footer alone"

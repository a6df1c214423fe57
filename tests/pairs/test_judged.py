"""Judged queries in BEIR layout, read through a real snapshot."""

import io
import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.corpus import snapshot
from components.corpus.config import Source
from components.pairs import judged
from components.pairs.judged import Query
from components.store.artifact import Artifact
from components.store.errors import UserError
from components.store.s3 import Folder

DOCUMENTS = {"s3://b/boiler.md": "d1", "boiler.md": "d1", "tap.md": "d2", "pipe.md": "d3"}
HEADER = "query-id\tcorpus-id\tscore\n"
HUM = '{"_id": "1", "text": "why does the boiler hum"}\n'


def parse(place: str, files: dict[str, str | bytes]) -> tuple[list[Query], Counter[str]]:
    """The queries in these files, and the counted drops that are not zero."""
    for name, body in files.items():
        Folder(f"{place}/judged").write(name, body.encode() if isinstance(body, str) else body)
    digest = snapshot.take(f"{place}/state", {"judged": [Source(uri=f"{place}/judged")]}).digest
    dropped: Counter[str] = Counter()
    queries = judged.parse(snapshot.read(f"{place}/state", digest, "judged"), DOCUMENTS, dropped)
    return queries, +dropped


def test_queries_come_sorted_with_their_grades_and_slices(place):
    lines = [
        {"_id": "2", "text": "which tap drips", "metadata": {"slices": ["taps", 2024]}, "more": 1},
        {"_id": 1, "text": "wie entlüftet man\u2028den Kessel?"},
    ]
    queries, dropped = parse(
        place,
        {
            "queries.jsonl": "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines),
            "qrels/test.tsv": f"{HEADER}1\tboiler.md\t1\n2\ttap.md\t2\n1\ts3://b/boiler.md\t3\n",
            "qrels/train.tsv": f"{HEADER}2\tpipe.md\t1\n",
            "qrels/README.md": "not a table",
            "corpus.jsonl": "not read",
        },
    )
    assert queries == [
        Query("1", "wie entlüftet man\u2028den Kessel?", (), {"d1": 3}),
        Query("2", "which tap drips", ("taps", "2024"), {"d2": 2, "d3": 1}),
    ]
    assert dropped == {}


@pytest.mark.parametrize(
    ("qrels", "kept", "dropped"),
    [
        ("1\tboiler.md\t1\n1\tnowhere.md\t1", ["1"], {"QRELS_TO_UNKNOWN_DOCUMENT": 1}),
        ("1\tnowhere.md\t1", [], {"QRELS_TO_UNKNOWN_DOCUMENT": 1, "QUERY_WITHOUT_RELEVANT_DOCUMENT": 1}),
        ("9\tboiler.md\t1\n1\ttap.md\t1", ["1"], {"QRELS_OF_UNKNOWN_QUERY": 1}),
        (
            "1\tboiler.md\t0\n1\ttap.md\t-1",
            [],
            {"NOT_RELEVANT": 1, "NEGATIVE_GRADE": 1, "QUERY_WITHOUT_RELEVANT_DOCUMENT": 1},
        ),
        ("", [], {"QUERY_WITHOUT_RELEVANT_DOCUMENT": 1}),
    ],
    ids=["unknown document", "no known document", "unknown query", "no positive grade", "no qrels"],
)
def test_what_cannot_judge_is_counted(place, qrels, kept, dropped):
    queries, counted = parse(place, {"queries.jsonl": HUM, "qrels/test.tsv": HEADER + qrels})
    assert [query.id for query in queries] == kept
    assert counted == dropped


def test_marks_at_the_start_and_strange_bytes_in_qrels_are_read(place):
    mark = b"\xef\xbb\xbf"
    qrels = mark + f"{HEADER}1\ttap.md\t1\n".encode() + b"1\tcaf\xe9.md\t1\n"
    queries, dropped = parse(place, {"queries.jsonl": mark + HUM.encode(), "qrels/test.tsv": qrels})
    assert queries == [Query("1", "why does the boiler hum", (), {"d2": 1})]
    assert dropped == {"QRELS_TO_UNKNOWN_DOCUMENT": 1}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"queries.jsonl": HUM + HUM}, "queries.jsonl line 2: found the id 1 a second time"),
        ({"queries.jsonl": HUM + "{"}, "queries.jsonl line 2: found no JSON object"),
        ({"queries.jsonl": HUM.encode() + b'{"_id": "2", "text": "caf\xe9"}'}, "queries.jsonl line 2: found no JSON"),
        ({"queries.jsonl": '{"_id": "1"}'}, "queries.jsonl line 1: found no JSON object"),
        ({"queries.jsonl": '["1", "why"]'}, "queries.jsonl line 1: found no JSON object"),
        ({"queries.jsonl": HUM, "qrels/a.tsv": f"{HEADER}1\ttap.md\t0.5\n"}, "qrels/a.tsv line 2: found no query-id"),
        ({"queries.jsonl": HUM, "qrels/a.tsv": "1\ttap.md\t1\n1 tap.md 1\n"}, "qrels/a.tsv line 2: found no query-id"),
        ({"qrels/a.tsv": HEADER}, "no judged queries: expected a queries.jsonl"),
    ],
    ids=["same id", "no JSON", "no UTF-8", "no text", "no object", "no whole number", "no tabs", "no queries"],
)
def test_a_file_that_cannot_be_read_is_named_with_its_line(place, files, message):
    with pytest.raises(UserError) as caught:
        parse(place, files)
    assert caught.value.code == "BAD_JUDGED_QUERIES"
    assert message in str(caught.value)


def test_queries_come_back_from_their_artifact(tmp_path):
    queries = [
        Query("1", "why does it hum", ("noise", "boiler"), {"d1": 2, "d2": 1}, "d1", "s3://b", "d0", 4),
        Query("2", "", (), {"d3": 1}),
    ]
    judged.write(tmp_path / "a", "judged", queries, {"sealed": "x"}, {"documents": "y"})
    artifact = Artifact.open(tmp_path / "a", "judged")
    assert judged.read(artifact) == queries
    assert (artifact.facts, artifact.manifest["inputs"]) == ({"sealed": "x"}, {"documents": "y"})


def table(rows: list[dict]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def test_parquet_says_the_same_as_lines_and_tables(place):
    queries = [{"_id": "1", "text": "why does the boiler hum"}, {"_id": "2", "text": "which tap drips"}]
    qrels = [
        {"query-id": "1", "corpus-id": "boiler.md", "score": 2.0},
        {"query-id": "2", "corpus-id": "tap.md", "score": 1.0},
    ]
    lines = "\n".join(map(json.dumps, queries))
    rows = HEADER + "".join(f"{row['query-id']}\t{row['corpus-id']}\t{row['score']:g}\n" for row in qrels)
    told = parse(f"{place}/a", {"queries.jsonl": lines, "qrels/test.tsv": rows})
    assert parse(f"{place}/b", {"queries.parquet": table(queries), "qrels/test.parquet": table(qrels)}) == told
    assert [query.relevant for query in told[0]] == [{"d1": 2}, {"d2": 1}]


def test_near_copies_are_as_relevant_as_what_they_copy_unless_somebody_judged_them():
    groups = {"a": "1", "a2": "1", "a3": "1", "b": "2", "c": "3"}
    queries = [Query("1", "x", (), {"a": 3, "a2": 1, "b": 2}), Query("2", "y", (), {"c": 1})]
    dropped: Counter[str] = Counter()
    first, second = judged.with_copies(queries, groups, dropped)
    assert first.relevant == {"a": 3, "a2": 1, "a3": 3, "b": 2}
    assert second.relevant == {"c": 1}
    assert dropped == {"NEAR_COPY_ADDED": 1}

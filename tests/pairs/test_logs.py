"""Search logs: read through a real snapshot, filtered with every row accounted for, freed of the position's bias."""

import gzip
import io
import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.corpus import snapshot
from components.corpus.config import Source
from components.pairs import log_files, logs
from components.pairs.config import LogsConfig
from components.pairs.logs import Aggregated, Clicked
from components.store.errors import UserError
from components.store.s3 import Folder

NAMES = {f"{name}.md": f"id-{name}" for name in "abcde"} | {"s3://b/a.md": "id-a"}
START = 1_772_000_000
OPEN = {"min_impressions": 1, "min_clicks": 1, "session_share": 1, "held_out": 0}
"""Lets every row through that can be read."""

Row = dict[str, Any]


def search(
    shown: str, clicked: str = "", query: str = "boiler hums", session: Any = "s", time: Any = START, first: int = 1
) -> list[Row]:
    """The rows of one search: `shown` and `clicked` are documents, a letter each."""
    return [
        {"query": query, "document": f"{name}.md", "position": rank, "clicked": name in clicked}
        | {"timestamp": time, "session": session}
        for rank, name in enumerate(shown, start=first)
    ]


def jsonl(rows: list[Row]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def parquet(rows: list[Row], **columns: Any) -> bytes:
    """The rows with some columns in a form of their own."""
    made = io.BytesIO()
    pq.write_table(pa.table({name: [row[name] for row in rows] for name in rows[0]} | columns), made)
    return made.getvalue()


def aggregate(place: str, work: Path, files: list[Row] | dict[str, bytes], **config: Any) -> Aggregated:
    """What is counted in these files; every row must be accounted for."""
    for name, body in files.items() if isinstance(files, dict) else [("log.jsonl", jsonl(files))]:
        Folder(f"{place}/logs").write(name, body)
    digest = snapshot.take(f"{place}/state", {"logs": [Source(uri=f"{place}/logs")]}).digest
    items = snapshot.read(f"{place}/state", digest, "logs")
    work.mkdir(exist_ok=True)
    found = logs.aggregate(items, NAMES, LogsConfig(uri=f"{place}/logs", **OPEN | config), work)
    assert found.rows == found.used + sum(found.dropped.values())
    return found


def clicked(*arguments: Any, **config: Any) -> list[Clicked]:
    return list(aggregate(*arguments, **config).clicked())


TWO = search("abc", "c", session=1) + search("abc", "a", session=2, time=START + 60)


@pytest.mark.parametrize(
    "file",
    [
        {"log.jsonl": b"\xef\xbb\xbf" + jsonl(TWO)},
        {"log": gzip.compress(jsonl(TWO))},
        {"part.zst": pa.compress(jsonl(TWO), codec="zstd", asbytes=True)},
        {"a.jsonl": jsonl(TWO[:3]), "b.jsonl": jsonl(TWO[3:])},
        {"log.parquet": parquet(TWO)},
        {
            "misnamed.jsonl": parquet(
                TWO,
                document=pa.array([row["document"] for row in TWO]).dictionary_encode(),
                position=pa.array([float(row["position"]) for row in TWO]),
                clicked=pa.array([int(row["clicked"]) for row in TWO], pa.int8()),
                timestamp=pa.array([datetime.fromtimestamp(row["timestamp"], UTC) for row in TWO]),
                other=pa.array([[1]] * 6),
            )
        },
    ],
    ids=["jsonl", "gzip", "zstd", "two objects", "parquet", "parquet of other types"],
)
def test_every_form_of_a_log_is_read(place, tmp_path, file):
    assert clicked(place, tmp_path, file) == [
        Clicked("boiler hums", "id-a", 2, 1, 0.5, (), False),
        Clicked("boiler hums", "id-c", 2, 1, 1.5, ("id-b",), False),
    ]


def test_columns_may_have_other_names_and_documents_several(place, tmp_path):
    rows = [{"q": "x", "doc": doc, "rank": "1", "hit": "TRUE", "ts": str(START), "user": 7} for doc in NAMES]
    columns = {"query": "q", "document": "doc", "position": "rank", "clicked": "hit", "timestamp": "ts"}
    found = clicked(place, tmp_path, rows, **columns, session="user")
    assert [(one.document, one.impressions) for one in found] == [("id-a", 2), *((f"id-{name}", 1) for name in "bcde")]


def test_the_weights_of_a_biased_log_find_the_true_relevance_where_click_rates_do_not(place, tmp_path):
    """The position-based model (Craswell et al. 2008): a click is a look, 1/rank, times the relevance."""
    relevance = {"a": 0.15, "b": 0.3, "c": 0.45, "d": 0.6, "e": 0.75}
    rng = np.random.default_rng(5)
    rows = []
    for number in range(6_000):
        shown = "".join(rng.permutation(list("bcde")))
        shown = "abcde" if number % 4 else f"a{shown}"  # the old ranking is the wrong way round
        chosen = [name for rank, name in enumerate(shown, 1) if rng.random() < relevance[name] / rank]
        rows += search(shown, "".join(chosen), session=number, time=START + number)
    found = clicked(place, tmp_path, rows, min_impressions=10, min_clicks=2)
    rates = {
        one.document: sum(row["clicked"] for row in rows if row["document"] == f"{one.document[-1]}.md")
        for one in found
    }
    assert sorted(rates, key=rates.__getitem__) != [f"id-{name}" for name in "abcde"]
    assert {one.document[-1]: one.weight for one in found} == pytest.approx(relevance, abs=0.05)


@pytest.mark.parametrize(
    ("config", "weights"),
    [
        ({}, [1, 2, 3, 10, 10]),
        ({"clip": 2.5}, [1, 2, 2.5, 2.5, 2.5]),
        ({"propensities": [1, 0.5, 0.25]}, [1, 2, 4, 4, 4]),
        ({"propensities": [0.8, 0.05], "clip": 10}, [1.25, 10, 10, 10, 10]),
    ],
    ids=["1/rank up to 10", "clipped earlier", "given", "given and clipped"],
)
def test_a_click_counts_one_over_the_chance_that_its_position_was_looked_at(place, tmp_path, config, weights):
    rows = [row for rank in (1, 2, 3, 10, 40) for row in search("a", "a", query=f"at {rank:02}", first=rank)]
    assert [one.weight for one in clicked(place, tmp_path, rows, **config)] == weights


def test_what_was_passed_over_above_a_click_is_a_negative_the_most_often_first(place, tmp_path):
    rows = [
        *search("abcd", "c", session=1),
        *search("badc", "c", session=2),
        *search("bcea", "c", session=3),
        *search("dc", "d", session=4),  # so d answers too, and is no negative
        *search("ec", "e", session=5, query="another question"),
        *search("ec", "c", session=5, query="a third question"),
    ]
    found = {(one.query, one.document): one.skipped for one in clicked(place, tmp_path, rows)}
    assert found["boiler hums", "id-c"] == ("id-b", "id-a")
    assert found["boiler hums", "id-d"] == ()
    assert found["another question", "id-e"] == ()
    assert found["a third question", "id-c"] == ("id-e",)


def test_no_document_that_the_session_clicked_itself_was_passed_over(place, tmp_path):
    rows = search("abc", "ac", session=1) + search("cab", "", session=1) + search("c", "c", session=2)
    found = clicked(place, tmp_path, rows, min_clicks=2)
    assert [(one.document, one.skipped) for one in found] == [("id-c", ())]  # b came above it, and beside it


def test_spellings_of_the_same_words_are_one_question_in_its_commonest(place, tmp_path):
    spellings = ["boiler hums", "Boiler  hums?", "Boiler hums?", "BOILER_HUMS"]
    rows = [row for number, text in enumerate(spellings) for row in search("a", "a", query=text, session=number)]
    assert clicked(place, tmp_path, rows) == [Clicked("Boiler hums?", "id-a", 4, 4, 1.0, (), False)]


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-01T11:00:00Z",
        "2026-03-01T13:00:00+02:00",
        "2026-03-01T11:00:00.125",
        "2026-03-01 11:00:00",
        1772362800,
        1772362800.5,
        "1772362800000",
    ],
)
def test_times_are_understood_however_they_are_written_and_the_latest_rows_judge(place, tmp_path, time):
    rows = [row for number in range(8) for row in search("ab", "a", session=number, time=time)]
    rows += [row for number in range(2) for row in search("ba", "b", session=number, time="2026-03-01T12:00:00Z")]
    assert clicked(place, tmp_path, rows, held_out=0.2) == [
        Clicked("boiler hums", "id-a", 8, 8, 1.0, (), False),
        Clicked("boiler hums", "id-b", 2, 2, 1.0, (), True),
    ]


GOOD = [row for number in range(40) for row in search("ab", "a", session=number, time=START + 3600 * number)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b"{\n", "BAD_ROW"),
        (b'["boiler"]\n', "BAD_ROW"),
        (b'{"query": "caf\xe9"}\n', "BAD_ROW"),
        (b'{"query": ' + b"[" * 5000 + b"\n", "BAD_ROW"),
        (b" " * log_files.MAX_LINE + b"{}\n", "BAD_ROW"),
        ({"query": ["boiler"]}, "BAD_ROW"),
        ({"query": None}, "MISSING_VALUE"),
        ({"session": ""}, "MISSING_VALUE"),
        (b'{"query": "boiler"}\n', "MISSING_VALUE"),
        ({"query": "boiler " * 200}, "LONG_QUERY"),
        ({"query": "?!"}, "NO_WORDS"),
        ({"query": "mail anna.meier@acme-pumps.com"}, "PERSONAL_DATA"),
        ({"position": 0}, "BAD_POSITION"),
        ({"position": 1.5}, "BAD_POSITION"),
        ({"position": "first"}, "BAD_POSITION"),
        ({"position": 1e300}, "BAD_POSITION"),
        ({"clicked": 2}, "BAD_CLICKED"),
        ({"clicked": "perhaps"}, "BAD_CLICKED"),
        ({"timestamp": "yesterday"}, "BAD_TIMESTAMP"),
        ({"timestamp": "2026-02-30T00:00:00Z"}, "BAD_TIMESTAMP"),
        ({"timestamp": 0}, "BAD_TIMESTAMP"),
        ({"timestamp": "infinity"}, "BAD_TIMESTAMP"),
        ({"timestamp": START * 10**6}, "BAD_TIMESTAMP"),
        ({"document": "nowhere.md"}, "UNKNOWN_DOCUMENT"),
        ({"timestamp": START + 90 * 86_400}, "CLOCK_SKEW"),
        ({"query": "another question"}, "FEW_IMPRESSIONS"),
    ],
)
def test_a_row_that_cannot_count_is_dropped_by_its_reason_alone(place, tmp_path, bad, reason):
    line = bad if isinstance(bad, bytes) else jsonl([GOOD[0] | bad])
    found = aggregate(place, tmp_path, {"log.jsonl": jsonl(GOOD[:40]) + line + jsonl(GOOD[40:])}, min_impressions=2)
    assert (found.rows, found.used, found.dropped) == (81, 80, {reason: 1})


def test_a_null_of_parquet_is_a_missing_value(place, tmp_path):
    found = aggregate(place, tmp_path, {"log.parquet": parquet([*GOOD, GOOD[0] | {"session": None}])})
    assert (found.used, found.dropped) == (80, {"MISSING_VALUE": 1})


@pytest.mark.parametrize(("seconds", "dropped"), [(60, {}), (59, {"BOT": 4})], ids=["in a minute", "in less"])
def test_a_session_that_sees_more_than_a_person_can_is_a_bot(place, tmp_path, seconds, dropped):
    times = [START + 30, START + 50, START + 70, START + 30 + seconds]  # over the end of a minute by the clock
    rows = [row for time in times for row in search("a", session="fast", time=time)]
    assert aggregate(place, tmp_path, rows + search("a", "a"), bot_rows=3).dropped == dropped


def test_one_user_who_makes_half_of_the_rows_does_not_count(place, tmp_path):
    flood = [row for _ in range(40) for row in search("ba", "b", session="flood")]
    found = aggregate(place, tmp_path, GOOD + flood, session_share=0.1)
    assert (found.used, found.dropped) == (80, {"DOMINANT_SESSION": 80})
    assert [one.document for one in found.clicked()] == ["id-a"]


def test_clicks_of_too_few_sessions_say_nothing_however_many(place, tmp_path):
    rows = search("ab", "b", session=1) * 5 + search("ab", "a", session=1) + search("ab", "a", session=2)
    found = aggregate(place, tmp_path, rows, min_clicks=2)
    assert [(one.document, one.clicks) for one in found.clicked()] == [("id-a", 2)]
    assert (found.used, found.few_clicks) == (14, 1)


def test_a_log_of_which_nothing_is_left_gives_the_counts(place, tmp_path):
    found = aggregate(place, tmp_path, GOOD, session_share=0.001)
    assert (found.used, found.dropped, list(found.clicked())) == (0, {"DOMINANT_SESSION": 80}, [])


def test_what_engines_leave_beside_their_files_is_no_log(place, tmp_path):
    found = aggregate(
        place, tmp_path, {"log.jsonl": jsonl(GOOD), "_SUCCESS": b"", ".log.crc": b"crc\0", "none.jsonl": b""}
    )
    assert found.rows == 80


def test_the_order_of_rows_and_objects_changes_no_byte(place, tmp_path):
    rows = [
        row
        for number in range(300)
        for row in search(random.Random(number).sample("abcde", 5), "ace"[number % 3], f"q {number % 7}", number)
    ]
    mixed = random.Random(1).sample(rows, len(rows))
    one = aggregate(f"{place}/1", tmp_path / "1", rows, propensities=[0.7, 0.3, 0.1])
    other = {"x.jsonl": jsonl(mixed[:700]), "y.parquet": parquet(mixed[700:])}
    two = aggregate(f"{place}/2", tmp_path / "2", other, propensities=[0.7, 0.3, 0.1])
    assert one.file.read_bytes() == two.file.read_bytes()
    assert len(list(one.clicked())) > 20


@pytest.mark.parametrize(
    ("name", "body", "code", "message"),
    [
        (
            "a.jsonl",
            b'{"query": "secret", "rank": 1}\n',
            "MISSING_COLUMN",
            "is without document, position, clicked, timestamp, session: found query, rank",
        ),
        (
            "a.parquet",
            parquet([{"query": "secret", "session": 1}]),
            "MISSING_COLUMN",
            "found query, session, expected query",
        ),
        ("a.html", b"<html><p>secret</p></html>", "BAD_LOGS", "no JSON object in its first lines"),
        ("a.json", b'[{"query": "secret"},\n{"query": "secret"}]', "BAD_LOGS", "no JSON object in its first lines"),
        ("a.jsonl.gz", gzip.compress(jsonl(GOOD))[:200], "BAD_LOGS", "the compressed data end or break early"),
        ("a.jsonl.gz", gzip.compress(b" " * (100 << 20)), "BAD_LOGS", "decompresses to more than 100 times"),
        ("a.parquet", parquet(GOOD)[:-9] + b"secret", "BAD_LOGS", "no Parquet file of plain columns"),
        ("a.parquet", parquet(GOOD, query=[["secret"]] * 80), "BAD_LOGS", "no Parquet file of plain columns"),
    ],
)
def test_a_file_that_is_no_log_is_named_and_nothing_in_it(place, tmp_path, name, body, code, message):
    with pytest.raises(UserError) as caught:
        aggregate(place, tmp_path, {"good.jsonl": jsonl(GOOD), name: body})
    assert caught.value.code == code
    assert f"{place}/logs/{name}" in str(caught.value)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("statement", ["FROM read_text('{}')", "COPY (SELECT 1) TO '{}'", "INSTALL httpfs"])
def test_the_database_reaches_no_other_file(tmp_path, statement):
    file = tmp_path / "file.csv"
    file.write_text("1")
    with logs._database(tmp_path / "base", tmp_path / "spill") as database, pytest.raises(duckdb.PermissionException):
        database.execute(statement.format(file))


@pytest.mark.parametrize("wrong", [{"session": "query"}, {"propensities": [0.5, 0]}, {"propensities": [1.1]}])
def test_columns_that_are_one_and_chances_that_are_none_are_refused(wrong):
    with pytest.raises(UserError, match="six different columns|greater than 0|less than or equal to 1"):
        LogsConfig.parse({"uri": "s3://b/logs"} | wrong, where="recipe.yaml")

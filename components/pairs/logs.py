"""Search logs: from rows of what was shown and clicked to how well a document answers a question.

A click far down says more than one at the top, since fewer people look there. Each click counts one over the chance
that its position was looked at (inverse propensity scoring: Joachims, Swaminathan, Schnabel, WSDM 2017), but never more
than `clip`, which bounds the variance (Swaminathan, Joachims, ICML 2015); that sum over all times shown estimates the
relevance without the bias of the position. What a session passed over above its click is a negative (skip-above:
Joachims, KDD 2002).

DuckDB holds the rows, within `MEMORY`; what is more goes to the disk. It opens no file but its own and no connection.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from components.corpus import personal
from components.corpus.snapshot import Item
from components.corpus.text import printable
from components.pairs import log_files, logs_sql
from components.pairs.config import LogsConfig
from components.pairs.wording import plain
from components.store.s3_read import download_exact

MEMORY = "384MB"
"""What DuckDB may hold; Python, Arrow and the names of documents come on top."""

THREADS = 2
"""Each wants memory of its own."""

BATCH = 50_000
"""Questions, names or results in memory at once."""

ROLES = ("query", "document", "position", "clicked", "timestamp", "session")
_SPELLINGS = ["number", "query", "spelling", "key", "reason"]
SKEW = 24 * 3600 * 1_000_000
"""Microseconds that may lie beyond the newest plausible row."""


@dataclass(frozen=True)
class Clicked:
    """A document that was clicked for a question.

    Attributes:
        query: The question in its most frequent spelling; those whose words are equal (`wording.plain`) are one.
        document: Its id.
        impressions: How often it was shown for the question.
        clicks: How many sessions clicked it.
        weight: The estimated relevance: up to 1, unless the propensities are too small. Comparable within a question.
        skipped: Ids of documents passed over above a click on this one, the most often passed over first.
        held_out: Whether all this was in the part of the log that judges.
    """

    query: str
    document: str
    impressions: int
    clicks: int
    weight: float
    skipped: tuple[str, ...]
    held_out: bool


@dataclass(frozen=True)
class Aggregated:
    """A search log in numbers; `rows` = `used` + the sum of `dropped`.

    Attributes:
        rows: Rows read.
        used: Rows that count as impressions.
        dropped: Reason code -> rows.
        few_clicks: Questions' documents that were clicked, but in fewer sessions than asked for.
        file: Where the Clicked lie.
    """

    rows: int
    used: int
    dropped: dict[str, int]
    few_clicks: int
    file: Path

    @property
    def facts(self) -> dict[str, Any]:
        """The numbers, for the record."""
        return {name: value for name, value in vars(self).items() if name != "file"}

    def clicked(self) -> Iterator[Clicked]:
        """What was clicked; the training part first, in the order of the questions' words."""
        with pq.ParquetFile(self.file) as table:
            for batch in table.iter_batches(BATCH):
                for row in batch.to_pylist():
                    yield Clicked(**row | {"skipped": tuple(row["skipped"])})


def aggregate(items: Iterable[Item], names: Mapping[str, str], config: LogsConfig, work: Path) -> Aggregated:
    """Read the log and count.

    Args:
        items: The log's objects in the snapshot; those that `_is_data` says no to are no part of it.
        names: Every name of a document -> its id.
        config: The recipe's section.
        work: An empty folder on a disk with room for the log; the result lies there.

    Raises:
        UserError: MISSING_COLUMN, BAD_LOGS.
        TouchstoneError: SNAPSHOT_CHANGED, and what else keeps an object from being read.
    """
    dropped: Counter[str] = Counter()
    base = work / "logs.duckdb"
    with _database(base, work / "spill") as database:
        log = _Log(database, config, dropped)
        log.name_documents(names)
        rows = sum(log.load(item, work / "object") for item in items if _is_data(item.uri))
        log.drop_values()
        log.drop_sessions()
        log.drop_questions()
        log.count()
        used, few_clicks = log.write(work / "clicked.parquet")
    base.unlink()
    return Aggregated(rows, used, dict(sorted((+dropped).items())), few_clicks, work / "clicked.parquet")


def _is_data(uri: str) -> bool:
    """Whether an object may hold rows: engines that write logs leave `_SUCCESS` and `.part.crc` beside them."""
    return not uri.rpartition("/")[2].startswith(("_", "."))


def _database(file: Path, spill: Path) -> duckdb.DuckDBPyConnection:
    """An empty database that from now on reaches nothing but its own files."""
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": MEMORY,
        "threads": THREADS,
        "temp_directory": str(spill),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
        "preserve_insertion_order": False,
    }
    database = duckdb.connect(str(file), config=settings)
    for setting in ("TimeZone = 'UTC'", "enable_external_access = false", "lock_configuration = true"):
        database.execute(f"SET {setting}")
    return database


class _Log:
    """The rows on their way from what was read to what was clicked."""

    def __init__(self, database: duckdb.DuckDBPyConnection, config: LogsConfig, dropped: Counter[str]) -> None:
        self._database, self._config, self._dropped = database, config, dropped
        database.execute(logs_sql.TABLES)

    def name_documents(self, names: Mapping[str, str]) -> None:
        """Keep the names; documents are numbered in the order of their ids."""
        pairs = iter(names.items())
        while part := list(islice(pairs, BATCH)):
            self._insert(
                "INSERT INTO names SELECT * FROM batch", pa.table(list(zip(*part, strict=True)), ["name", "id"])
            )
        self._database.execute(logs_sql.DOCUMENTS)

    def load(self, item: Item, file: Path) -> int:
        """Add the rows of one object, each with the reason for which it cannot count, if any; how many there were."""
        columns = [getattr(self._config, role) for role in ROLES]
        download_exact(item, file)
        read = 0
        for found in log_files.rows(file, item.uri, columns):
            if isinstance(found, int):
                self._dropped["BAD_ROW"] += found
                read += found
            else:
                self._insert(logs_sql.LOAD, found.rename_columns(ROLES))
                read += len(found)
        file.unlink()
        return read

    def drop_values(self) -> None:
        """Rows that say nothing, and those from the future: a clock was wrong.

        No clock of ours is asked. The newest plausible row lies as far beyond the time by which 95% were written as
        that lies beyond the middle, and a day: even traffic never reaches it, and one wrong server of twenty does.
        """
        self._dropped.update(dict(self._database.execute(logs_sql.REASONS).fetchall()))
        self._database.execute("DELETE FROM rows WHERE reason IS NOT NULL")
        late, middle = self._at(0.95), self._at(0.5)
        if late is not None and middle is not None:
            newest = late + (late - middle) + SKEW
            self._drop("CLOCK_SKEW", "DELETE FROM rows WHERE moment > $newest", newest=newest)

    def drop_sessions(self) -> None:
        """Sessions that would outweigh all others, and those that no person had."""
        self._drop("DOMINANT_SESSION", logs_sql.DOMINANT, share=self._config.session_share)
        self._drop("BOT", logs_sql.BOTS, most=self._config.bot_rows)

    def drop_questions(self) -> None:
        """Questions without words, and those with personal data; each spelling is looked at once."""
        asked = self._database.cursor().sql("SELECT DISTINCT query FROM rows").to_arrow_reader(BATCH)
        numbers = count()
        for batch in asked:
            found = [_spelling(query) for query in batch.column(0).to_pylist()]
            spelling, key, reason = (pa.array(column, pa.string()) for column in zip(*found, strict=True))
            table = pa.table(
                [pa.array(islice(numbers, len(found)), pa.int32()), batch.column(0), spelling, key, reason], _SPELLINGS
            )
            self._insert("INSERT INTO spellings SELECT * FROM batch", table)
        for reason in ("NO_WORDS", "PERSONAL_DATA"):
            self._drop(reason, logs_sql.QUESTIONS, reason=reason)

    def count(self) -> None:
        """From rows to what each session did with each document, and from there to questions' documents."""
        config = self._config
        weights = [min(config.clip, 1 / chance) for chance in config.propensities]
        weights = weights or [min(config.clip, float(rank)) for rank in range(1, math.ceil(config.clip) + 1)]
        self._run(logs_sql.NUMBERED)
        self._run(logs_sql.SHOWN, newest=self._at(1 - config.held_out))
        self._run(logs_sql.SESSIONS, weights=weights)
        self._dropped["FEW_IMPRESSIONS"] += self._run(logs_sql.RARE, least=config.min_impressions)
        self._run(logs_sql.ANSWERS, least=config.min_impressions)
        self._run(logs_sql.CLICKED, least=config.min_clicks)

    def write(self, file: Path) -> tuple[int, int]:
        """Write what was clicked; how many rows it is made of, and how much was clicked too seldom."""
        found = self._database.sql(logs_sql.RESULT).to_arrow_reader(BATCH)
        with pq.ParquetWriter(file, found.schema, compression="zstd") as out:
            for batch in found:
                out.write_batch(batch)
        return self._run(logs_sql.USED), self._run(logs_sql.FEW_CLICKS, least=self._config.min_clicks)

    def _insert(self, statement: str, table: pa.Table) -> None:
        self._database.register("batch", table)
        self._database.execute(statement)
        self._database.unregister("batch")

    def _drop(self, reason: str, statement: str, /, **values: Any) -> None:
        self._dropped[reason] += self._run(statement, **values)

    def _run(self, statement: str, /, **values: Any) -> int:
        """The number that the statement yields: rows deleted, or what it counts."""
        row = self._database.execute(statement, values).fetchone()
        return int(row[0] or 0) if row else 0

    def _at(self, part: float) -> int | None:
        """The time by which that part of the rows was written, in microseconds; sorting can go to the disk."""
        offset = max(math.ceil(part * self._run("SELECT count(*) FROM rows")) - 1, 0)
        row = self._database.execute(
            "SELECT moment FROM rows ORDER BY moment LIMIT 1 OFFSET $offset", {"offset": offset}
        ).fetchone()
        return int(row[0]) if row else None


def _spelling(query: str) -> tuple[str, str, str | None]:
    """A question as it is shown, its words as they are compared, and why it cannot be used, if so."""
    shown = " ".join(printable(query).split())
    key = plain(shown)
    if not key:
        return shown, key, "NO_WORDS"
    return shown, key, "PERSONAL_DATA" if personal.stands_in(shown) else None

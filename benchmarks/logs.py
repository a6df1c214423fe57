"""How fast and in how much memory a million rows of a search log are counted: `python -m benchmarks.logs`.

Made rows: 20,000 documents, up to 60,000 questions in three spellings each, 100,000 sessions, clicks by the
position-based model. Each round is a process of its own on objects in a real S3 server; its peak memory is sampled
every 10 ms, the server's does not count. Prints a table.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

from components.corpus import snapshot
from components.corpus.config import Source
from components.pairs.config import LogsConfig
from components.store.s3 import Folder
from pipelines.s3_server import running

DOCUMENTS, QUESTIONS, SESSIONS = 20_000, 60_000, 100_000
SHOWN = 10
START, DAYS = 1_790_000_000, 90


def made(rows: int, seed: int = 1) -> pa.Table:
    """So many rows, ten to a search, in the order of time."""
    rng = np.random.default_rng(seed)
    searches = rows // SHOWN
    question = np.minimum(rng.zipf(1.3, searches), QUESTIONS)
    spelling = rng.integers(0, 3, searches)
    texts = [_question(number, how) for number, how in zip(question, spelling, strict=True)]
    shown = (question[:, None] * 31 + rng.permuted(np.tile(np.arange(SHOWN), (searches, 1)), axis=1)) % DOCUMENTS
    rank = np.tile(np.arange(1, SHOWN + 1), searches)
    relevance = np.where(shown.ravel() % 7 == 0, 0.6, 0.05)
    clicked = rng.random(searches * SHOWN) < relevance / rank
    times = np.sort(rng.integers(START, START + DAYS * 86_400, searches))
    return pa.table(
        {
            "query": np.repeat(np.array(texts, object), SHOWN),
            "document": [f"guide/page-{number}.html" for number in shown.ravel()],
            "position": rank,
            "clicked": clicked,
            "timestamp": np.repeat(times, SHOWN),
            "session": np.repeat([f"session-{n}" for n in rng.integers(0, SESSIONS, searches)], SHOWN),
        }
    )


def _question(number: int, spelling: int) -> str:
    text = f"how does part {number} of the service answer request {number * 7919 % 1000}"
    return (text, text.capitalize(), f"{text}?")[spelling]


def put(place: str, table: pa.Table, folder: Path) -> dict[str, tuple[str, int]]:
    """The log in each form below an address of its own; form -> digest of its snapshot and bytes."""
    plain = folder / "log.jsonl"
    with plain.open("w") as out:
        for batch in table.to_batches(50_000):
            out.writelines(json.dumps(row) + "\n" for row in batch.to_pylist())
    packed = folder / "log.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes(), 6))
    pq.write_table(table, folder / "log.parquet", compression="zstd")
    found = {}
    for file in (plain, packed, folder / "log.parquet"):
        address = f"{place}/{file.name}"
        Folder(address).upload(file.name, file)
        taken = snapshot.take(f"{place}/state", {"logs": [Source(uri=address)]})
        found[file.name.partition(".")[2]] = (taken.digest, taken.bytes)
    return found


def measured(place: str, digest: str) -> tuple[float, int, str]:
    """Seconds, peak bytes and what a child process counted."""
    start, peak = time.monotonic(), 0
    child = psutil.Popen(
        [sys.executable, "-m", __spec__.name, "--count", place, digest], stdout=subprocess.PIPE, text=True
    )
    while child.poll() is None:
        try:
            peak = max(peak, child.memory_info().rss)
        except psutil.Error:
            break
        time.sleep(0.01)
    counted, _ = child.communicate()
    if child.returncode:
        raise SystemExit("the child failed")
    return time.monotonic() - start, peak, counted.strip()


def count(place: str, digest: str) -> None:
    """What the child does."""
    from components.pairs.logs import aggregate

    names = {f"guide/page-{number}.html": f"{number:064x}" for number in range(DOCUMENTS)}
    items = snapshot.read(f"{place}/state", digest, "logs")
    with tempfile.TemporaryDirectory() as work:
        found = aggregate(items, names, LogsConfig(uri=place), Path(work))
        print(f"{found.used:,} of {found.rows:,} rows used, {sum(1 for _ in found.clicked()):,} clicked")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.count:
        count(*asked.count)
        return
    with tempfile.TemporaryDirectory() as work, running(Path(work) / "s3") as server, server.applied():
        Folder("s3://bench").ensure_bucket()
        forms = put("s3://bench/logs", made(asked.rows), Path(work))
        rounds = [(form, measured("s3://bench/logs", forms[form][0])) for _ in range(asked.rounds) for form in forms]
    print(f"{asked.rows:,} rows, {asked.rounds} rounds: median (range)")
    for form, (_, size) in forms.items():
        found = [result for name, result in rounds if name == form]
        seconds, peaks = [one[0] for one in found], [one[1] / 2**20 for one in found]
        print(
            f"{form:<10} {size / 1e6:>6.0f} MB"
            f" {statistics.median(seconds):>6.1f} s ({min(seconds):.1f} to {max(seconds):.1f})"
            f" {statistics.median(peaks):>6.0f} MiB ({min(peaks):.0f} to {max(peaks):.0f})  {found[0][2]}"
        )


if __name__ == "__main__":
    main()

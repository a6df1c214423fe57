"""How fast many small objects are read: `fetch` of the S3 door against the loop that everybody writes first.

A real SeaweedFS on loopback, objects of 4 KB below 100 prefixes, everything verified by `fetch` (length, ETag, MD5)
and nothing by the loop. The two alternate, so that what else the machine does falls on both; the loop reads a part of
the objects in each round, and rates are compared. Prints a table.
Run: `python -m benchmarks.s3_clients` (5 minutes; `--objects 4000 --rounds 3` in one).
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3

from components.store.s3 import Entry, Folder
from components.store.s3_fetch import fetch
from pipelines.s3_server import running

SIZE = 4096
LOOPED = 2000
"""Objects that the loop reads in a round."""


def filled(count: int) -> list[Entry]:
    """The listing of so many objects, each with bytes of its own."""
    folder = Folder("s3://bench/small")
    folder.ensure_bucket()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: folder.write(f"d{n % 100:02}/{n:06}.html", os.urandom(SIZE)), range(count)))
    return list(folder.entries())


def fetched(entries: list[Entry]) -> int:
    """All of them, through the door; bytes read."""
    return sum(len(body) for _, body in fetch(entries) if isinstance(body, bytes))


def looped(entries: list[Entry]) -> int:
    """Some of them, one after the other, through boto3; bytes read."""
    client = boto3.client("s3")
    keys = [entry.uri.removeprefix("s3://bench/") for entry in entries[:LOOPED]]
    return sum(len(client.get_object(Bucket="bench", Key=key)["Body"].read()) for key in keys)


def measured(read: Callable[[list[Entry]], int], entries: list[Entry]) -> tuple[float, float]:
    """Objects a second, and microseconds of this process's CPU for each."""
    began, used = time.perf_counter(), time.process_time()
    count = read(entries) / SIZE
    return count / (time.perf_counter() - began), (time.process_time() - used) / count * 1e6


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as data, running(Path(data)) as server, server.applied():
        entries = filled(wanted.objects)
        for read in (fetched, looped):
            read(entries[:200])
        rounds = [(measured(looped, entries), measured(fetched, entries)) for _ in range(wanted.rounds)]
    print(f"{len(entries):,} objects of {SIZE:,} bytes, {wanted.rounds} rounds; objects a second")
    print(f"{'':<22} {'median':>8} {'lowest':>8} {'highest':>8} {'CPU us/object':>14}")
    for name, found in zip(("boto3, one by one", "fetch"), zip(*rounds, strict=True), strict=True):
        rates, cpu = zip(*found, strict=True)
        spread = f"{statistics.median(rates):>8,.0f} {min(rates):>8,.0f} {max(rates):>8,.0f}"
        print(f"{name:<22} {spread} {statistics.median(cpu):>14,.0f}")
    ratios = [fast[0] / slow[0] for slow, fast in rounds]
    print(f"{'times, in each round':<22} {statistics.median(ratios):>8.1f} {min(ratios):>8.1f} {max(ratios):>8.1f}")


if __name__ == "__main__":
    main()

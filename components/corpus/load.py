"""One shard, loaded by a process that is watched: every object ends somewhere, whatever it does to a parser."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from components.corpus.block import COUNTED, SCHEMAS, SUMMED
from components.corpus.config import ReadingConfig
from components.corpus.job import Job
from components.corpus.kept import parser_digest
from components.store.artifact import ArtifactWriter
from components.store.errors import TouchstoneError, TransientError
from components.store.events import Progress, emit

WORKER = (sys.executable, "-m", "components.corpus.worker")
PARSE_SECONDS = 60.0
"""An object whose parser tells nothing for so long is rejected as PARSE_TIMEOUT."""

Message = dict[str, Any]


def load(state: str, digest: str, shard: int, config: ReadingConfig, out: Path) -> int:
    """Write the artifact `part` of one shard at `out`: documents, rejected, signatures, a file each for every block.

    Returns:
        How many objects were fetched and parsed; the others are as in the last run.

    Raises:
        TouchstoneError: SNAPSHOT_CHANGED and what else keeps an object from being read; never a partial shard.
    """
    start = time.monotonic()
    job = Job(state, digest, shard, config.model_dump(mode="json", exclude_none=True), "", [], {})
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent) as work, ArtifactWriter(out, "part") as part:
        part.inputs |= {"snapshot": digest, "parser": parser_digest(config)}
        found, parsed = _follow(watched(replace(job, out=work)))
        part.facts |= {"shard": shard} | found
        for number in sorted(int(block) for block, *_ in part.facts["blocks"]):
            for name in SCHEMAS:
                part.adopt(f"{name}/{number:05}", Path(work) / f"{number:05}" / f"{name}.parquet")
        conserve(part.facts)
    known = {"objects": found["objects"], "bytes": found["bytes"], "parsed": parsed}
    emit("loaded", seconds=round(time.monotonic() - start, 3), **known)
    return parsed


def watched(job: Job, command: Sequence[str] = WORKER, seconds: float = PARSE_SECONDS) -> Iterator[Message]:
    """What the worker tells. One that dies or hangs while it parses is started again, without that object."""
    while True:
        last: Message = {}
        with _started(job, command) as worker:
            try:
                for last in _messages(worker, seconds):
                    job.done.extend([last["block"]] if "block" in last else [])
                    yield last
                reason = "PARSER_DIED"
                worker.wait()
            except TimeoutError:
                reason = "PARSE_TIMEOUT"
        if worker.returncode == 0:
            return
        if not last.get("parse"):
            raise TransientError("WORKER_DIED", "the loading process ended", found=f"exit status {worker.returncode}")
        job.condemned[last["parse"]] = reason


@contextlib.contextmanager
def _started(job: Job, command: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The worker, its job given; it does not outlive the block."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdin
        try:
            with contextlib.suppress(BrokenPipeError), worker.stdin as given:
                given.write(json.dumps(asdict(job)).encode())
            yield worker
        finally:
            worker.kill()


def _messages(worker: subprocess.Popen[bytes], seconds: float) -> Iterator[Message]:
    """The worker's lines until it closes its output.

    Raises:
        TimeoutError: when nothing came for `seconds` after it began to parse an object.
        TouchstoneError: the one that the worker gave up with.
    """
    assert worker.stdout
    begun, message = b"", dict[str, Any]()
    while select.select([worker.stdout], [], [], seconds if message.get("parse") else None)[0]:
        got = os.read(worker.stdout.fileno(), 1 << 16)
        *lines, begun = (begun + got).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if "error" in message:
                raise TouchstoneError.from_record(message["error"])
            yield message
        if not got:
            return
    raise TimeoutError


def _follow(messages: Iterable[Message]) -> tuple[dict[str, Any], int]:
    """The shard's facts, added up from its blocks, and how many objects were parsed; progress is told on the way."""
    count: Counter[str] = Counter(dict.fromkeys(SUMMED, 0))
    counted = {name: Counter[str]() for name in COUNTED}
    blocks: dict[int, list[str]] = {}
    told, parsed = {"shards": 0, "listed": 0}, 0
    progress = Progress(0, "objects")
    for message in messages:
        if "shards" in message:
            told |= {"shards": message["shards"], "listed": message["objects"]}
            progress.total = message["objects"]
        elif message.get("done"):
            progress.add(1)
        elif "block" in message:
            facts, parsed = message["facts"], parsed + message["parsed"]
            progress.add(count["objects"] + facts["objects"] - progress.done)
            blocks[message["block"]] = [message["first"], message["last"], message["name"]]
            for name, found in counted.items():
                found.update(facts.pop(name))
            count.update(facts)
    known = {name: dict(sorted(found.items())) for name, found in counted.items()}
    return {**told, **count, **known, "blocks": [[str(number), *blocks[number]] for number in sorted(blocks)]}, parsed


def conserve(count: Mapping[str, int]) -> None:
    """Objects listed = read + refused; records found = documents + rejected. Checked on write and on read."""
    objects = count["listed"] - count["read"] - count["refused"]
    records = count["records"] - count["documents"] - count["rejected"]
    if objects or records:
        found = f"{objects} objects and {records} records unaccounted for"
        raise TouchstoneError("CORPUS_NOT_CONSERVED", "something was lost between listing and documents", found=found)

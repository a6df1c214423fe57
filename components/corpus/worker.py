"""The process that loads a shard: `python -m components.corpus.worker`, its job on standard input as JSON.

It tells on standard output what it does, one JSON object a line: `{"parse": uri}` before each object that it parses and
`{"done": uri}` after it, `{"block": number, "facts": {...}}` after each block, `{"error": record}` if it must give up.
Parsers meet whatever lies in a bucket: one that never ends or takes its process down costs one object, because `load`
watches from outside.
"""

from __future__ import annotations

import io
import json
import resource
import sys
import tempfile
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from components.corpus import formats, language, personal, snapshot
from components.corpus.block import BlockWriter, facts
from components.corpus.blocks import blocks, shards
from components.corpus.config import Fields, ReadingConfig
from components.corpus.document import Document, Parsed, Rejected
from components.corpus.duplicates import signature
from components.corpus.job import Job
from components.corpus.kept import KeptBlocks, OldBlock, Signed, block_digest, parser_digest
from components.corpus.snapshot import Item
from components.store.connection import Connection
from components.store.errors import TouchstoneError, unexpected
from components.store.s3 import Folder
from components.store.s3_fetch import fetch
from components.store.s3_read import download_exact

SMALL = 8 << 20
"""Objects up to this many bytes are read ahead into memory; larger ones go through a file."""

MEMORY = 4 << 30
"""Bytes that this process may map, the threads' stacks and arenas included, which stay mostly untouched: a parser that
wants more ends here, and does not take its neighbours with it."""
ALIVE = 100
"""Records of one object after which the worker tells that it is still there."""

Body = bytes | TouchstoneError
Say = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Block:
    """A block to write: its number, its name among the kept ones, its objects, and what the last run knew of them."""

    number: int
    name: str
    items: list[Item]
    old: list[OldBlock]

    def missing(self) -> list[Item]:
        """The objects that must be fetched and parsed."""
        known = {uri for old in self.old for uri in old.objects}
        return [item for item in self.items if item.uri not in known]


def work(job: Job, say: Say) -> None:
    """Write every block of the shard: taken whole, or made of what did not change and what is parsed anew."""
    config = ReadingConfig.parse(job.config, where="corpus")
    out = Path(job.out)
    with tempfile.TemporaryDirectory() as folder:
        parser = parser_digest(config)
        kept = KeptBlocks(job.state, parser, Path(folder))
        todo = []
        for number, items in _blocks(job, config, say):
            name = block_digest(parser, items)
            if kept.whole(name, out / f"{number:05}"):
                _done(number, name, items, 0, out, say)
            else:
                todo.append(Block(number, name, items, kept.old(items)))
        reader = Reader(config, job.condemned, say, Path(folder))
        reader.ahead(item for block in todo for item in block.missing())
        for block in todo:
            made = out / f"{block.number:05}"
            lasting = _write(block, reader, made)
            if lasting:
                kept.keep(block.name, made)
            _done(block.number, block.name if lasting else "", block.items, len(block.missing()), out, say)


def _blocks(job: Job, config: ReadingConfig, say: Say) -> Iterator[tuple[int, list[Item]]]:
    """The number and objects of each block of the shard that is not done; tells how much there is."""
    listing = snapshot.table(job.state, job.snapshot, "documents")
    cuts = blocks(listing)
    runs = shards(listing, cuts, config.shard_bytes)
    first, last = runs[job.shard]
    say({"shards": len(runs), "objects": cuts[last - 1][1] - cuts[first][0]})
    for number in range(first, last):
        if number not in job.done:
            start, stop = cuts[number]
            yield number, snapshot.items(listing.slice(start, stop - start))


def _done(number: int, name: str, items: list[Item], parsed: int, out: Path, say: Say) -> None:
    known = {"name": name, "first": items[0].uri, "last": items[-1].uri, "facts": facts(out / f"{number:05}")}
    say({"block": number, "parsed": parsed, **known})


def _write(block: Block, reader: Reader, out: Path) -> bool:
    """Write the block into `out`; whether it may be kept."""
    known = {uri: found for old in block.old for uri, found in old.rows().items()}
    with BlockWriter(out) as writer:
        for item in block.items:
            writer.add(item, known[item.uri] if item.uri in known else reader.found(item))
    return not writer.passing


class Reader:
    """Fetches objects ahead and makes documents of them."""

    def __init__(self, config: ReadingConfig, condemned: Mapping[str, str], say: Say, work: Path) -> None:
        """Nothing is fetched yet; large objects pass through the folder `work`."""
        self._personal, self._denied_share = config.personal, config.denied_share
        self._condemned, self._say, self._work = condemned, say, work
        self._places = [(f"{Folder(one.uri).uri}/", one.connection, one.fields) for one in config.sources]
        self._ahead: dict[Connection, Iterator[tuple[Item, Body]]] = {}

    def ahead(self, items: Iterable[Item]) -> None:
        """Fetch `items` from now on; `found` must then be asked for each of them, in this order."""
        small: dict[Connection, list[Item]] = defaultdict(list)
        for item in items:
            if item.size <= SMALL and item.uri not in self._condemned:
                small[self._place(item)[0]].append(item)
        self._ahead = {connection: fetch(wanted, connection) for connection, wanted in small.items()}

    def found(self, item: Item) -> Iterator[Signed | Rejected]:
        """What the object comes to.

        Raises:
            TouchstoneError: SNAPSHOT_CHANGED and what else keeps it from being read.
        """
        if item.uri in self._condemned:
            yield Rejected(item.uri, "", self._condemned[item.uri], "the parser was stopped")
            return
        connection, fields = self._place(item)
        with self._opened(item, connection) as body:
            if isinstance(body, Rejected):
                yield body
                return
            found = formats.parse(body, item.size, item.uri, fields)
            self._say({"parse": item.uri})
            for number, one in enumerate(found, start=1):
                yield one if isinstance(one, Rejected) else self._judged(item, one)
                if not number % ALIVE:
                    self._say({"parse": item.uri})
            self._say({"done": item.uri})

    def _judged(self, item: Item, parsed: Parsed) -> Signed | Rejected:
        """A document, if it has text and nothing that must not be kept."""
        if not parsed.sections:
            return Rejected(item.uri, parsed.record, "NO_TEXT", "nothing but furniture and white space")
        cleaned, counts, refused = personal.clean(parsed, self._personal)
        if refused:
            return Rejected(item.uri, parsed.record, "PERSONAL_DATA", refused)
        tongue = language.detect("\n".join(section.text for section in cleaned.sections[:8]), cleaned.language)
        known = replace(cleaned, language=tongue)
        document = Document.of(known, uri=item.uri, version=item.version, personal=counts)
        return document, signature(document)

    @contextmanager
    def _opened(self, item: Item, connection: Connection) -> Iterator[BinaryIO | Rejected]:
        """The object's bytes, or why it may be passed over."""
        if item.size > SMALL:
            file = self._work / "large"
            try:
                download_exact(item, file, connection)
            except TouchstoneError as error:
                yield self._refused(item, error)
                return
            with file.open("rb") as body:
                yield body
            file.unlink()
            return
        _, got = next(self._ahead[connection])
        yield self._refused(item, got) if isinstance(got, TouchstoneError) else io.BytesIO(got)

    def _refused(self, item: Item, error: TouchstoneError) -> Rejected:
        """A denied object is passed over if the recipe lets some be; everything else ends the load."""
        if error.code != "ACCESS_DENIED" or not self._denied_share:
            raise error
        return Rejected(item.uri, "", "ACCESS_DENIED", error.found)

    def _place(self, item: Item) -> tuple[Connection, Fields]:
        """How the source that an object was listed in is reached and read."""
        return next((found, fields) for start, found, fields in self._places if item.uri.startswith(start))


def main() -> int:
    """Do the job on standard input; 0 if everything was written."""

    def say(message: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    try:
        work(Job(**json.loads(sys.stdin.read())), say)
    except TouchstoneError as error:
        say({"error": error.record()})
        return 1
    except Exception as error:  # its message may quote a document: the type and where it happened must do
        say({"error": unexpected(error, "in the loading process").record()})
        sys.stderr.write("".join(traceback.format_tb(error.__traceback__)))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

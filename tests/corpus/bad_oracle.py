"""What must be true of every bad input: the parser runs in a process of its own, and its answer is judged here.

`formats.parse` is called as the loading step calls it. The child counts what comes out, so that nothing large
crosses over; a child that dies or takes too long is what `load` calls PARSER_DIED and PARSE_TIMEOUT.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, BinaryIO

import psutil

from components.corpus import formats
from components.corpus.config import Fields
from components.corpus.document import Parsed, Rejected
from tests.corpus.bad_file import CANARY, DOCUMENT, HIDDEN, MIB, OBJECT_REASONS, RECORD_REASONS, BadFile

SECONDS = 60.0
MEMORY = 1024 * MIB
_CEILING = 4 * 1024 * MIB
"""Address space of a child: a parser that fails the 1 GiB must not take the machine along."""
_SECRET = "root:"
"""How /etc/passwd begins, which no document may quote."""
_KEYS = 200_000
"""Record keys that are compared with one another; more would be the oracle's own memory."""

Parse = Callable[[BinaryIO, int, str, Fields], Iterator[Parsed | Rejected]]


@dataclass
class Outcome:
    """What came of a file.

    Attributes:
        rows: How many documents and rejected rows; at least one, since an object without any is EMPTY to `load`.
        reasons: Reason code -> rows.
        problems: What must never be, found while the answer came in, and how often.
        memory: Peak resident memory of the process and its children, in bytes; as seen from outside if it died.
    """

    rows: int = 0
    documents: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    memory: int = 0

    def add(self, reason: str) -> None:
        """Count a rejected row."""
        self.rows += 1
        self.reasons[reason] += 1


def observe(file: BadFile, parse: Parse = formats.parse) -> Outcome:
    """Parse the file in this process."""
    outcome, seen, started = Outcome(), set[str](), time.perf_counter()
    try:
        with file.path.open("rb") as body:
            for found in parse(body, file.path.stat().st_size, _uri(file), Fields()):
                outcome.problems.update(_add(outcome, file, found))
                if isinstance(found, Parsed) and len(seen) < _KEYS:
                    outcome.problems["two documents with one key"] += found.record in seen
                    seen.add(found.record)
    except Exception as error:
        outcome.problems[f"raised {type(error).__name__}"] += 1
        outcome.problems["text in an exception"] += CANARY in str(error)
    outcome.problems = +outcome.problems
    if not outcome.rows and not outcome.problems:
        outcome.add("EMPTY")
    outcome.seconds = time.perf_counter() - started
    return outcome


def _uri(file: BadFile) -> str:
    return f"s3://corpus/{file.key}"


def _add(outcome: Outcome, file: BadFile, found: Parsed | Rejected) -> Iterator[str]:
    """Count it; what is wrong with it."""
    if isinstance(found, Rejected):
        outcome.add(found.reason)
        yield from _wrong_row(file, found)
    elif not found.sections:  # as `load` has it
        outcome.add("NO_TEXT")
    else:
        outcome.rows += 1
        outcome.documents += 1
        yield from _wrong_document(file, found)


def _wrong_row(file: BadFile, found: Rejected) -> Iterator[str]:
    if found.reason not in (RECORD_REASONS if found.record else OBJECT_REASONS):
        yield f"the reason {found.reason} for {'a record' if found.record else 'an object'}"
    if CANARY in found.detail or len(found.detail) > 500:
        yield "text in a detail"
    if found.uri != _uri(file):
        yield "a row about another object"


def _wrong_document(file: BadFile, found: Parsed) -> Iterator[str]:
    headings = [heading for section in found.sections for heading in section.path]
    whole = "\n".join([found.title, found.record, found.language, *headings, *(s.text for s in found.sections)])
    try:
        whole.encode()
    except UnicodeEncodeError:
        yield "a document that is no Unicode"
    if not any(section.text.strip() for section in found.sections):
        yield "a document without text"
    if file.says not in whole:
        yield "a document that does not say what the file says"
    for hidden, what in ((HIDDEN, "a script or a frame"), (_SECRET, "another file")):
        if hidden in whole:
            yield f"a document that quotes {what}"


def watched(file: BadFile, parse: Parse = formats.parse, seconds: float = SECONDS) -> Outcome:
    """Parse the file in a new process, with an empty folder to work in."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        process = context.Process(target=_child, args=(file, parse, folder, theirs))
        process.start()
        theirs.close()
        outcome = _answer(process, ours, seconds)
        process.kill()
        process.join()
        left = sum(1 for _ in Path(folder).rglob("*"))
    if left and not _stopped(outcome):  # whoever was killed could not clean up
        outcome.problems["files left behind"] += left
    return outcome


def _answer(process: Any, ours: Connection, seconds: float) -> Outcome:
    """What the child tells, or what its silence means to `load`."""
    outcome, started = Outcome(), time.perf_counter()
    while not (heard := ours.poll(0.02)) and outcome.seconds < seconds:
        with contextlib.suppress(psutil.Error):
            outcome.memory = max(outcome.memory, psutil.Process(process.pid).memory_info().rss)
        outcome.seconds = time.perf_counter() - started
    try:
        if heard:
            received: Outcome = ours.recv()
            return received
        outcome.add("PARSE_TIMEOUT")
    except (EOFError, ConnectionResetError):
        outcome.add("PARSER_DIED")
    return outcome


def _stopped(outcome: Outcome) -> bool:
    """Whether the child never came to an end: what it had found is lost then."""
    return not outcome.reasons.keys().isdisjoint({"PARSE_TIMEOUT", "PARSER_DIED"})


def _child(file: BadFile, parse: Parse, folder: str, theirs: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_CEILING, _CEILING))
    os.chdir(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = folder
    touched: Counter[str] = Counter()
    sys.addaudithook(lambda event, args: touched.update(_audit(folder, event, args)))
    outcome = observe(file, parse)
    outcome.problems.update(touched)
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    outcome.memory = peak * (1 if sys.platform == "darwin" else 1024)
    theirs.send(outcome)


def _audit(folder: str, event: str, args: tuple[Any, ...]) -> Iterator[str]:
    """What a parser has no business with: other programs, the network, writing elsewhere."""
    if event in {"socket.connect", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"}:
        yield f"called {event}"
    if event == "open" and isinstance(args[0], str | bytes) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        path = os.path.abspath(os.fsdecode(args[0]))
        if path != folder and not path.startswith((f"{folder}/", os.devnull, "/dev/shm/")):  # O_TMPFILE: the folder
            yield "wrote outside its folder"


def violations(file: BadFile, outcome: Outcome) -> list[str]:
    """In words, what of the outcome may not be."""
    wrong = [f"{problem} ({count})" for problem, count in sorted(outcome.problems.items())]
    ended = set(outcome.reasons) | ({DOCUMENT} if outcome.documents else set())
    if ended - file.expected:
        wrong.append(f"ended as {', '.join(sorted(ended))}, not {' or '.join(sorted(file.expected))}")
    if not _stopped(outcome):
        if file.records is not None and outcome.rows != file.records:
            wrong.append(f"{outcome.rows} documents and rows, not {file.records}")
        if file.documents is not None and outcome.documents != file.documents:
            wrong.append(f"{outcome.documents} documents, not {file.documents}")
    if outcome.seconds >= SECONDS:
        wrong.append(f"took {outcome.seconds:.0f} s")
    if outcome.memory >= MEMORY:
        wrong.append(f"took {outcome.memory / MIB:.0f} MiB")
    return wrong

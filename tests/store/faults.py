"""The campaign of faults against the S3 door: every kind in every phase, once and always.

The oracle: every object comes with exactly its bytes, or one typed error names it; nothing is ever partial. What
happened only once must not be noticed at all, unless the server meant it (access denied, gone).
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import botocore.endpoint

from components.store import s3_client, s3_fetch, s3_listing, s3_read
from components.store.connection import Connection
from components.store.errors import TouchstoneError
from components.store.s3 import Entry, Folder
from components.store.s3_fetch import fetch
from components.store.s3_read import download_exact
from tests.servers.faulty_s3 import ALWAYS, Fault, faulty

SMALL = {f"small/{n}.txt": (f"{n} " * 500).encode() for n in range(12)} | {"small/empty": b""}
LARGE = bytes(range(256)) * 12_000
UPLOAD = bytes(range(255)) * 40_000
"""10 MB: two parts."""

KINDS: dict[str, tuple[dict[str, object], set[str]]] = {
    "503": ({"kind": "status"}, {"S3_FAILED"}),
    "500": ({"kind": "status", "status": 500, "code": "InternalError"}, {"S3_FAILED"}),
    "denied": ({"kind": "status", "status": 403, "code": "AccessDenied"}, {"ACCESS_DENIED"}),
    "expired": ({"kind": "status", "status": 400, "code": "ExpiredToken"}, {"BAD_CREDENTIALS"}),
    "silence": ({"kind": "silence"}, {"S3_INTERRUPTED"}),
    "reset": ({"kind": "reset", "at": 7}, {"S3_INTERRUPTED"}),
    "truncate 0": ({"kind": "truncate", "at": 0}, {"S3_INTERRUPTED", "S3_FAILED"}),
    "truncate 1": ({"kind": "truncate", "at": 1}, {"S3_INTERRUPTED", "S3_FAILED"}),
    "truncate late": ({"kind": "truncate", "at": -1}, {"S3_INTERRUPTED", "S3_FAILED"}),
    "flip first": ({"kind": "flip", "at": 0}, {"OBJECT_DAMAGED", "S3_INTERRUPTED"}),
    "flip last": ({"kind": "flip", "at": -1}, {"OBJECT_DAMAGED", "S3_INTERRUPTED"}),
    "shorter": ({"kind": "length", "at": -3}, {"OBJECT_DAMAGED", "S3_INTERRUPTED"}),
    "longer": ({"kind": "length", "at": 3}, {"OBJECT_DAMAGED", "S3_INTERRUPTED"}),
    "wrong checksum": ({"kind": "headers", "headers": {"X-Amz-Checksum-Crc32": "AAAAAA=="}}, {"OBJECT_DAMAGED"}),
    "late": ({"kind": "delay", "seconds": 4.0}, {"S3_INTERRUPTED"}),
    "drip": ({"kind": "drip", "seconds": 0.4}, {"S3_INTERRUPTED"}),
    "dripping headers": ({"kind": "drip_headers", "seconds": 0.4}, {"S3_INTERRUPTED"}),
    "lost answer": ({"kind": "lost"}, {"S3_INTERRUPTED"}),
    "flip on the way there": ({"kind": "flip_request", "at": 5}, {"OBJECT_DAMAGED", "S3_FAILED", "BAD_CREDENTIALS"}),
}
SLOW = {"late", "drip", "dripping headers"}
MEANT = {"denied", "expired"}
GIVEN_UP = {("put", "dripping headers"), ("swap", "dripping headers")}
"""A write whose answer does not come in time may have happened: it is not sent again."""
WRITING = {"503", "500", "denied", "expired", "silence", "late", "dripping headers", "lost answer"}
READING = KINDS.keys() - {"lost answer", "flip on the way there"}
PHASES: dict[str, tuple[str, str, set[str]]] = {
    "listing": ("GET", "list-type=2", READING - {"wrong checksum", "flip first", "flip last", "shorter", "longer"}),
    "small": ("GET", "/small/3.txt", READING),
    "all small": ("GET", "/small/", READING - {"drip", "dripping headers", "late"}),
    "large": ("GET", "/large", READING),
    "download": ("HEAD", "/large", {"503", "500", "denied", "silence", "late"}),
    "put": ("PUT", "/put", WRITING | {"flip on the way there"}),
    "swap": ("PUT", "/swap", WRITING | {"flip on the way there"}),
    "upload": ("PUT", "partNumber=2", WRITING - {"dripping headers", "late"} | {"flip on the way there"}),
}
"""Which requests a phase disturbs, and which kinds can be meant for it."""


@dataclass(frozen=True)
class Outcome:
    """What a fault led to: `exact` or an error's code, and what broke the oracle ("" for nothing)."""

    fault: str
    phase: str
    often: str
    outcome: str
    violation: str


@contextlib.contextmanager
def impatient(seconds: float) -> Iterator[None]:
    """No waiting between tries, and a deadline of `seconds`, for clients made inside."""
    hurried = SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic)
    with contextlib.ExitStack() as patched:
        for module in (botocore.endpoint, s3_read, s3_listing):
            patched.enter_context(patch.object(module, "time", hurried))
        for module, name, value in (
            (s3_client, "DEADLINE", seconds),
            (s3_client, "READ_TIMEOUT", seconds / 2),
            (s3_fetch, "FAST_SECONDS", seconds / 2),
        ):
            patched.enter_context(patch.object(module, name, value))
        yield


def faults_campaign(endpoint: str, place: str, *, sample: int = 1) -> list[Outcome]:
    """Every `sample`-th fault of the matrix, through a proxy before `endpoint`, on objects written below `place`."""
    real = Folder(place)
    for key, body in {**SMALL, "large": LARGE}.items():
        real.write(key, body)
    entries = list(real.entries())
    cases = [
        (kind, phase, often) for phase in PHASES for kind in sorted(PHASES[phase][2]) for often in ("once", "always")
    ]
    return [run(endpoint, place, entries, *case) for case in cases[::sample]]


def run(endpoint: str, place: str, entries: list[Entry], kind: str, phase: str, often: str) -> Outcome:
    """One case."""
    method, match, _ = PHASES[phase]
    made, codes = KINDS[kind]
    fault = Fault(method=method, match=match, times=1 if often == "once" else ALWAYS, **made)  # type: ignore[arg-type]
    patient = impatient(2 if kind in SLOW else 30)
    with faulty(endpoint, fault) as proxy, patient, tempfile.TemporaryDirectory() as work:
        connection = Connection(endpoint=proxy.endpoint)
        try:
            violation = PHASE_OF[phase](Folder(place, connection), Folder(place), entries, Path(work))
            outcome = "exact"
        except TouchstoneError as error:
            outcome, violation = error.code, _named(error, place, codes)
        except Exception as error:
            outcome, violation = "untyped", f"{type(error).__name__}: {error}"
    if not fault.hits:
        violation = violation or "the fault never hit"
    if often == "once" and outcome != "exact" and not (kind in MEANT or (phase, kind) in GIVEN_UP):
        violation = violation or "noticed, though it happened once"
    return Outcome(kind, phase, often, outcome, violation)


def _named(error: TouchstoneError, place: str, codes: set[str]) -> str:
    if place not in error.what:
        return f"{error.code} does not name the object"
    return "" if error.code in codes else f"{error.code} instead of {' or '.join(sorted(codes))}"


def _listing(there: Folder, real: Folder, entries: list[Entry], work: Path) -> str:
    del real, work
    return "" if there.entries() == entries else "another listing"


def _small(there: Folder, real: Folder, entries: list[Entry], work: Path) -> str:
    """Whatever happens to some, the others come whole; the first error is raised after that."""
    del real, work
    wanted = [entry for entry in entries if entry.key in SMALL]
    found = list(fetch(wanted, there.connection))
    errors = [body for _, body in found if isinstance(body, TouchstoneError)]
    if [entry for entry, _ in found] != wanted:
        return "another order"
    for entry, body in found:
        if isinstance(body, bytes) and body != SMALL[entry.key]:
            return f"{entry.key} has other bytes"
        if isinstance(body, TouchstoneError) and entry.uri not in body.what:
            return f"{body.code} does not name {entry.uri}"
    if errors:
        raise errors[0]
    return ""


def _large(there: Folder, real: Folder, entries: list[Entry], work: Path) -> str:
    del real
    (entry,) = (entry for entry in entries if entry.key == "large")
    return _into(work / "file", lambda file: download_exact(entry, file, there.connection))


def _download(there: Folder, real: Folder, entries: list[Entry], work: Path) -> str:
    del real, entries
    return _into(work / "file", lambda file: there.download("large", file))


def _into(file: Path, download: Callable[[Path], None]) -> str:
    """Nothing but the whole file, and nothing else beside it."""
    try:
        download(file)
    except TouchstoneError:
        if list(file.parent.iterdir()):
            return "an error, and a file all the same"
        raise
    return "" if file.read_bytes() == LARGE and len(list(file.parent.iterdir())) == 1 else "another file"


def _put(there: Folder, real: Folder, entries: list[Entry], work: Path) -> str:
    del entries, work
    real.write("put", b"before" * 50)
    return _either(real, "put", b"after" * 50, lambda body: there.write("put", body))


def _swap(there: Folder, real: Folder, entries: list[Entry], work: Path) -> str:
    del entries, work
    before = real.write("swap", b"before" * 50)

    def swap(body: bytes) -> None:
        assert there.swap("swap", body, expected=before), "refused, though nobody else was there"

    return _either(real, "swap", b"after" * 50, swap)


def _either(real: Folder, key: str, after: bytes, write: Callable[[bytes], object]) -> str:
    """The new bytes, or after an error the old ones or the new ones; nothing else."""
    before = real.read(key)
    try:
        write(after)
    except TouchstoneError:
        if real.read(key) not in (before, after):
            return "neither the old bytes nor the new ones"
        raise
    return "" if real.read(key) == after else "no error, and not the new bytes"


def _upload(there: Folder, real: Folder, entries: list[Entry], work: Path) -> str:
    del entries
    (work / "file").write_bytes(UPLOAD)
    real.delete("upload")
    try:
        there.upload("upload", work / "file")
    except TouchstoneError:
        if real.exists("upload"):
            return "an error, and an object all the same"
        raise
    return "" if real.read("upload") == UPLOAD else "other bytes"


PHASE_OF = {
    "listing": _listing,
    "small": _small,
    "all small": _small,
    "large": _large,
    "download": _download,
    "put": _put,
    "swap": _swap,
    "upload": _upload,
}

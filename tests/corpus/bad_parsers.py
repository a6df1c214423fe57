"""Parsers that each do one thing that the oracle must notice."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from components.corpus.config import Fields
from components.corpus.document import Parsed, Rejected, Section
from tests.corpus.bad_file import CANARY, HIDDEN, MIB

Found = Iterator[Parsed | Rejected]


def document(text: str, record: str = "") -> Parsed:
    return Parsed(record, "Boiler", "en", (Section(("Boiler",), text),), "text/plain")


def good(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    yield document(body.read().decode(), "a")
    yield Rejected(name, "b", "BAD_RECORD", "no JSON")


def of_nothing(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    yield from ()


def raising(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    raise KeyError(body.read())


def quoting(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    yield Rejected(name, "", "BROKEN", f"found {body.read(20)!r}")


def inventing(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    yield Rejected(name, "", "ODD")


def garbling(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    yield document("v\0a\0l\0v\0e")


def half(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    yield document(f"{CANARY} \ud83d")


def scripted(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    yield document(f"{CANARY} {HIDDEN}()")


def repeating(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    yield from (document(CANARY, "a"), document(CANARY, "a"))


def escaping(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    Path("../escape.txt").touch()
    Path("../escape.txt").unlink()
    yield document(CANARY)


def littering(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    Path("litter").touch()
    yield document(CANARY)


def calling_home(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    with socket.socket() as door:
        door.connect_ex(("127.0.0.1", 9))
    yield document(CANARY)


def gorging(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    yield document(f"{CANARY} {len(b'v' * 1100 * MIB)}")


def bursting(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    eaten = b"v" * 1100 * MIB
    time.sleep(0.3)
    os.kill(os.getpid(), signal.SIGKILL)
    yield document(f"{CANARY} {len(eaten)}")


def dying(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    os.kill(os.getpid(), signal.SIGKILL)
    yield document(CANARY)


def hanging(body: BinaryIO, size: int, name: str, fields: Fields) -> Found:
    yield document(CANARY)
    time.sleep(60)

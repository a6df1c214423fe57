"""What a step says while it works: one JSON line an event, to standard output or to the file that the caller names.

The laptop run reads them to draw its screen, a cluster keeps them as the pod's log. Events hold counts, rates and
codes, never the text of a document.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path

from components.store.errors import TouchstoneError, unexpected
from components.store.state import State

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "32",
    "MALLOC_ARENA_MAX": "2",
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""Models enter through the store alone, libraries keep quiet, and batches of ever new widths do not pile up kernels and
freed memory (measured while training on two cores: 0.4 GB less, not slower). A thread that waits sleeps: beside other
work on the machine one that spins keeps the core from the one it waits for (docs/results.md, "Threads that wait")."""

OFFLINE = "TOUCHSTONE_HUB_OFFLINE"
"""What HF_HUB_OFFLINE was before we set it for every library: whether our own door to the Hub is closed as well."""


def environment() -> dict[str, str]:
    """What a step, or a process that runs some, sets over its environment."""
    return ENVIRONMENT | {OFFLINE: os.environ.get(OFFLINE) or os.environ.get("HF_HUB_OFFLINE", "") or "0"}


def emit(event: str, message: str = "", **fields: object) -> None:
    """Write one event."""
    line = {"event": event, "step": os.environ.get("TOUCHSTONE_STEP", ""), "message": message, **fields}
    line |= {"time": round(time.time(), 3), "run": os.environ.get("TOUCHSTONE_RUN", "")}
    relay(json.dumps(line))
    if pulse := os.environ.get("TOUCHSTONE_PULSE"):
        Path(pulse).touch()  # for whoever watches this process


def relay(line: str) -> None:
    """Write an event as another process has told it."""
    with open(os.environ.get("TOUCHSTONE_EVENTS", "/dev/stdout"), "a", encoding="utf-8") as out:
        out.write(line + "\n")


def note(message: str, **fields: object) -> None:
    """The step's result in a few words: what stands beside its name on the screen."""
    emit("note", message, **fields)


def warn(message: str) -> None:
    """Something the operator should know although the run goes on."""
    emit("warning", message)


class Progress:
    """Counts work done and tells at most twice a second, with the rate."""

    def __init__(self, total: int, unit: str) -> None:
        """Start the clock for `total` pieces of `unit`."""
        self.total, self.unit, self.done = total, unit, 0
        self._start = self._told = time.monotonic()

    def add(self, count: int, message: str = "") -> None:
        """`count` more are done."""
        self.done += count
        now = time.monotonic()
        if now - self._told > 0.5 or self.done >= self.total:
            self._told = now
            rate = self.done / max(now - self._start, 1e-9)
            emit("progress", message, done=self.done, total=self.total, unit=self.unit, rate=round(rate, 2))


@contextlib.contextmanager
def step(name: str) -> Iterator[None]:
    """Run one step: offline, quiet, its start and end told, its typed error put on the run's record."""
    os.environ.update(environment() | {"TOUCHSTONE_STEP": name})
    warnings.filterwarnings("ignore")
    logging.captureWarnings(True)
    emit("start")
    start = time.monotonic()
    try:
        yield
    except TouchstoneError as error:
        emit("error", str(error), error=error.record())
        _record(name, error)
        raise
    except Exception as error:
        told = unexpected(error, f"in step {name}")
        emit("error", str(told), error=told.record(), where=traceback.format_tb(error.__traceback__))
        _record(name, told)
        raise told from None
    emit("end", seconds=round(time.monotonic() - start, 2))


def _record(name: str, error: TouchstoneError) -> None:
    """Leave the error where `finish` finds it; the error itself matters more than failing to note it down."""
    state, run = os.environ.get("TOUCHSTONE_STATE"), os.environ.get("TOUCHSTONE_RUN")
    if state and run:
        with contextlib.suppress(TouchstoneError):
            State(f"{state}/runs/{run}").put("error.json", {"step": name, **error.record()})

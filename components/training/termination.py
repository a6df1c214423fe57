"""What a process does when it is told to end."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def on_termination(act: Callable[[], object]) -> Iterator[None]:
    """Call `act` when SIGTERM arrives inside the block; only the main thread can be told, elsewhere nothing changes."""
    try:
        before = signal.signal(signal.SIGTERM, lambda *_: act())
    except ValueError:  # not the main thread: somebody else listens
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

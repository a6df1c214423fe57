"""What the loading process is asked to do; apart from it, so that whoever asks need not import its parsers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Job:
    """What to load: the shard of a snapshot, into the folder `out`, without the blocks that are done.

    Attributes:
        condemned: URI -> why an object is rejected unseen: it took the process down before.
    """

    state: str
    snapshot: str
    shard: int
    config: dict[str, Any]
    out: str
    done: list[int]
    condemned: dict[str, str]

"""The one cache: bytes by the digest of what they were made from, kept in the state."""

from __future__ import annotations

from typing import Any

from components.store.digests import digest
from components.store.s3 import Folder


class Cache:
    """Bytes by content address below `<state>/cache/<kind>/`."""

    def __init__(self, state: str, kind: str) -> None:
        """Open the cache of one kind of thing."""
        self.folder = Folder(state) / f"cache/{kind}"

    def get(self, key: Any) -> bytes | None:
        """What was kept for `key` (any JSON value), or None."""
        found = self.folder.find(digest(key))
        return found[0] if found else None

    def put(self, key: Any, body: bytes) -> None:
        """Keep `body` for `key`; for one key every writer must write the same meaning."""
        self.folder.write(digest(key), body)

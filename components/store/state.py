"""What a line keeps between its runs, changed only by compare-and-swap.

One recipe has one state folder: split map, sealed test sets, ledger, `runs/<run>/` records, caches. Every change of
a shared document reads it, computes the new one and writes it only if nobody else did in between; a loser reads
again. There is no lock, so a step that dies leaves nothing locked.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from typing import Any

from components.store.digests import canonical
from components.store.errors import TouchstoneError, TransientError
from components.store.s3 import Folder

TRIES = 20
"""Lost races before giving up; each waits a little longer, with jitter."""


class State:
    """The state of one line below `s3://bucket/prefix`."""

    def __init__(self, uri: str) -> None:
        """Open the state at `uri`; nothing is read yet."""
        self.folder = Folder(uri)

    def get(self, name: str) -> Any:
        """The JSON document `name`, or None when there is none.

        Raises:
            TouchstoneError: STATE_CORRUPT when the object is there and is no JSON.
        """
        found = self.folder.find(name)
        return None if found is None else self._json(name, found[0])

    def put(self, name: str, value: Any) -> None:
        """Write a document that only one run ever writes."""
        self.folder.write(name, canonical(value))

    def update(self, name: str, change: Callable[[Any], Any]) -> Any:
        """Replace the document by `change(document)` (None when there is none yet), atomically.

        `change` may run several times and must not have effects; what it raises leaves the document alone.

        Returns:
            The document as written.
        """
        for attempt in range(TRIES):
            found = self.folder.find(name)
            value = change(None if found is None else self._json(name, found[0]))
            if self.folder.swap(name, canonical(value), expected=found[1] if found else None):
                return value
            time.sleep(random.uniform(0, 0.05 * (attempt + 1)))
        raise TransientError("STATE_BUSY", f"{self.folder.address(name)} kept changing under {TRIES} tries")

    def run(self, run: str) -> Folder:
        """The folder that holds the record of one run."""
        return self.folder / f"runs/{run}"

    def _json(self, name: str, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError:
            where = self.folder.address(name)
            raise TouchstoneError("STATE_CORRUPT", f"{where} is no JSON", fix="Restore it from a backup.") from None

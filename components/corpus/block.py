"""One block: what each of its objects came to, written as three tables and their counts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from components.corpus.document import DOCUMENT_SCHEMA, REJECTED_SCHEMA, SIGNATURE_SCHEMA, Rejected
from components.corpus.kept import PASSING, Signed
from components.corpus.snapshot import Item
from components.store.digests import canonical
from components.store.tables import TableWriter

FACTS = "facts.json"
SCHEMAS = {"documents": DOCUMENT_SCHEMA, "rejected": REJECTED_SCHEMA, "signatures": SIGNATURE_SCHEMA}
SUMMED = ("objects", "bytes", "read", "refused", "records", "documents", "rejected")
COUNTED = ("reasons", "personal")


class BlockWriter:
    """Writes `documents`, `rejected` and `signatures` into a folder, then `facts.json`.

    Attributes:
        passing: Whether something was rejected for a reason that another try may not find again.
    """

    def __init__(self, folder: Path) -> None:
        """Start the tables in `folder`."""
        self.passing = False
        self._folder = folder
        self._tables = {name: TableWriter(folder / f"{name}.parquet", schema) for name, schema in SCHEMAS.items()}
        self._count: Counter[str] = Counter(dict.fromkeys(SUMMED, 0))
        self._counted: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}

    def __enter__(self) -> BlockWriter:
        """The writer itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the tables and write the facts."""
        for table in self._tables.values():
            table.__exit__(kind, error, trace)
        if kind is None:
            facts = {**self._count, **{name: dict(sorted(known.items())) for name, known in self._counted.items()}}
            (self._folder / FACTS).write_bytes(canonical(facts))

    def add(self, item: Item, found: Iterable[Signed | Rejected]) -> None:
        """Everything that one object came to; an object without anything is EMPTY."""
        before = self._tables["documents"].rows
        records = 0
        for one in found:
            records += 1
            self._add(item, one)
        if not records:
            self._add(item, Rejected(item.uri, "", "EMPTY", "no record"))
        read = self._tables["documents"].rows > before
        self._count.update(objects=1, bytes=item.size, read=read, refused=not read, records=max(records, 1))

    def _add(self, item: Item, one: Signed | Rejected) -> None:
        if isinstance(one, Rejected):
            self.passing |= one.reason in PASSING
            self._count["rejected"] += 1
            self._counted["reasons"][one.reason] += 1
            self._tables["rejected"].add(vars(one) | {"version": item.version})
            return
        document, signature = one
        self._count["documents"] += 1
        self._counted["personal"].update(document.personal)
        self._tables["documents"].add(document.row(), weight=2 * sum(len(s.text) for s in document.sections))
        known = {"id": bytes.fromhex(document.id), "digest": bytes.fromhex(document.digest), "signature": signature}
        self._tables["signatures"].add(known)


def facts(folder: Path) -> dict[str, Any]:
    """The counts of a block: objects, bytes, read, refused, records, documents, rejected, and the counters by name."""
    found: dict[str, Any] = json.loads((folder / FACTS).read_bytes())
    return found

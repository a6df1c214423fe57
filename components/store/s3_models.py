"""A model store in an S3 bucket.

    <prefix>/revisions/<revision>/...          the files, then revision.json that lists them: immutable
    <prefix>/production.json                   the promotion that counts; replaced by a conditional write
    <prefix>/promotions/<id>.json              those before it, each put there just before it is replaced: immutable

A reader takes the pointer, then a revision whose listing was written last: it never sees a mixture. A record lies
among the promotions only if it was production's: one that lost its race leaves none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.store.digests import canonical, file_digest
from components.store.errors import TouchstoneError
from components.store.intake import inspect
from components.store.models import Promotion, revision_of
from components.store.s3 import Folder

POINTER = "production.json"


class S3Models:
    """The `ModelStore` at `s3://bucket/prefix`."""

    def __init__(self, address: str) -> None:
        """Open the store; nothing is read yet."""
        self.folder = Folder(address)
        self.address = address

    def head(self) -> Promotion | None:
        """What production points at, or None when nothing was ever promoted.

        Raises:
            TouchstoneError: whatever keeps the pointer from being read; a champion that cannot be read is never
                taken for an absent one.
        """
        found = self.folder.find(POINTER)
        return None if found is None else self._promotion(POINTER, found[0])

    def fetch(self, revision: str, folder: Path) -> None:
        """Bring the revision's files into `folder`.

        Raises:
            TouchstoneError: MODEL_UNREADABLE when the revision is missing or a file is not the one published.
        """
        for name, described in self._files(revision).items():
            target = folder / name
            if not target.resolve().is_relative_to(folder.resolve()):
                raise _unreadable(self._where(revision), f"a path outside the folder: {name}")
            try:
                self.folder.download(f"revisions/{revision}/{name}", target)
            except TouchstoneError as error:
                if error.code == "NO_SUCH_OBJECT":
                    raise _unreadable(self._where(revision), f"{name} is missing") from None
                raise
            if file_digest(target) != described["sha256"]:
                raise _unreadable(self._where(revision), f"{name} has another sha256 than the one published")

    def stage(self, folder: Path) -> str:
        """Keep the folder's files under the digest of them all; the same files again change nothing."""
        files = inspect(folder)
        revision = revision_of(files)
        listing = f"revisions/{revision}/revision.json"
        if self.folder.exists(listing):
            return revision
        for name in files:
            self.folder.upload(f"revisions/{revision}/{name}", folder / name)
        self.folder.swap(listing, canonical({"files": files}), expected=None)
        return revision

    def promote(self, promotion: Promotion, folder: Path) -> Promotion | None:
        """Keep the files, then move the pointer to them if it still stands where the promotion expects it."""
        return self._move(replace(promotion, revision=self.stage(folder)))

    def _move(self, promotion: Promotion) -> Promotion | None:
        found = self.folder.find(POINTER)
        current = self._promotion(POINTER, found[0]) if found else None
        if (current.id if current else "") != promotion.previous:
            return None
        if found and current:
            self.folder.swap(_name(current.id), found[0], expected=None)
        moved = self.folder.swap(POINTER, canonical(promotion.as_json()), expected=found[1] if found else None)
        return promotion if moved else None

    def find(self, identity: str) -> Promotion | None:
        """The promotion of that id, if it ever was production's."""
        head = self.head()
        if head is None or head.id == identity:
            return head
        found = self.folder.find(_name(identity))
        return self._promotion(_name(identity), found[0]) if found else None

    def history(self) -> Iterator[Promotion]:
        """Promotions, newest first, along the chain of predecessors."""
        promotion = self.head()
        while promotion:
            yield promotion
            name = _name(promotion.previous)
            promotion = self._promotion(name, self.folder.read(name)) if promotion.previous else None

    def repair(self) -> None:
        """Nothing here follows from anything else."""

    def _files(self, revision: str) -> dict[str, Any]:
        found = self.folder.find(f"revisions/{revision}/revision.json")
        try:
            files: dict[str, Any] = json.loads(found[0])["files"] if found else {}
            if files and revision_of(files) == revision:
                return files
        except (ValueError, KeyError, TypeError, AttributeError):
            pass
        raise _unreadable(self._where(revision), "no listing that adds up to this revision")

    def _promotion(self, name: str, body: bytes) -> Promotion:
        try:
            return Promotion(**json.loads(body))
        except (ValueError, TypeError):
            raise _unreadable(self.folder.address(name), "no promotion record") from None

    def _where(self, revision: str) -> str:
        return self.folder.address(f"revisions/{revision}")


def _name(identity: str) -> str:
    return f"promotions/{identity}.json"


def _unreadable(where: str, found: str) -> TouchstoneError:
    fix = "Restore it from a backup, or promote another revision by hand; until then no run promotes."
    return TouchstoneError("MODEL_UNREADABLE", f"{where} cannot be read", found=found, fix=fix)

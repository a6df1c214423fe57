"""A model store in a model repository of the Hugging Face Hub.

    main              production: the model's files, its card and `promotion.json`, all of one commit
    staged/<digest>   files that wait for a person; no promotion
    v<day>-<n>, production    tags, made from main's commits; a reader of main needs none of them

Each promotion is one commit on main whose parent is the head that it was decided upon; its title names it, so one
listing finds it, and `promotion.json` in it says everything. Somebody may edit the card on main afterwards: production
is then that later commit, with the same promotion.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from components.store.digests import canonical
from components.store.errors import TouchstoneError, TransientError, UserError
from components.store.hf_repository import MAIN, Blob, Repository, blob_id
from components.store.intake import MOST, fingerprint, inspect, takeable
from components.store.models import Promotion, revision_of

ADDRESS = re.compile(r"hf://([\w.-]+/[\w.-]+)", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
RECORD = "promotion.json"
PRODUCTION = "production"
TITLE = re.compile(r"(?:Promote|Restore) (\S+) \(promotion (\S+)\)")
TRIES = 4
"""How often staging starts anew when somebody else stages the same files."""


class HubModels:
    """The `ModelStore` at `hf://owner/name`."""

    def __init__(self, address: str) -> None:
        """Open the store; nothing is asked yet.

        Raises:
            UserError: BAD_ADDRESS, HUB_INSECURE.
        """
        found = ADDRESS.fullmatch(address)
        if not found:
            raise UserError("BAD_ADDRESS", f"{address} is no model on the Hub", expected="hf://owner/name")
        self.address, self.repository = address, Repository(found[1])

    def head(self) -> Promotion | None:
        """What production points at, with main's commit as its revision; None when nothing was ever promoted.

        Raises:
            UserError: MODEL_UNREADABLE when main holds other weights than were promoted; and what keeps the repository
                from being seen, since one that is hidden is never taken for one that is not there.
        """
        main = self.repository.at()
        found = self._at(main) if main else None
        if main and not found and self._moves():
            raise self.repository.unreadable(main, f"no {RECORD}, although promotions were made")
        return found

    def latest(self) -> str:
        """Main's commit: the revision of a model that nobody promoted here, such as a base of others."""
        if found := self.repository.at():
            return found
        raise UserError("NO_SUCH_REPOSITORY", f"the Hub has no model {self.repository.name}", fix="Look at its name.")

    def fetch(self, revision: str, folder: Path) -> None:
        """Bring the files of a commit that we could load; others, such as code or weights for other runtimes, stay.

        Raises:
            UserError: MODEL_UNREADABLE when there is no such commit, or a file is not what it says.
        """
        if not COMMIT.fullmatch(revision):
            raise self.repository.unreadable(revision, "no commit of 40 hex digits")
        try:
            tree = self.repository.tree(revision)
            if RECORD in tree:
                self._read(revision, tree)
            if len(tree) > MOST:
                raise self.repository.unreadable(revision, f"{len(tree)} files")
            for name in filter(takeable, tree):
                self.repository.download(revision, name, tree[name], folder)
        except UserError as error:
            if error.code != "NO_SUCH_REVISION":
                raise
            raise self.repository.unreadable(revision, "no such commit") from None

    def stage(self, folder: Path) -> str:
        """Keep the files as the head of a branch that is named by their digest.

        Raises:
            TransientError: HUB_UNREACHABLE.
        """
        files = {name: folder / name for name in _files(folder)}
        branch = f"staged/{revision_of(_files(folder))}"
        start = self._main()
        for _ in range(TRIES):
            self.repository.branch(branch, start)
            staged = self.repository.at(branch)
            if _same(files, self.repository.tree(staged)):
                return staged
            if made := self.repository.commit(branch, staged, files, f"Stage {branch.rpartition('/')[2]}"):
                return made
        raise TransientError("HUB_UNREACHABLE", f"{self.address} is staged to by others all the time")

    def promote(self, promotion: Promotion, folder: Path) -> Promotion | None:
        """Commit the files with the promotion upon main, if main's promotion is the one that it expects.

        The Hub keeps large files by their sha256: of an earlier revision none is sent again.

        Raises:
            TouchstoneError: NOT_PROMOTABLE when the files are not those of its fingerprint.
            TransientError: HUB_UNREACHABLE when it may or may not have come about.
        """
        files = _files(folder)
        if fingerprint(files) != promotion.fingerprint:
            raise TouchstoneError("NOT_PROMOTABLE", "the files are not those that the promotion names")
        parent = self._main()
        current = self._at(parent)
        if (current.id if current else "") != promotion.previous:
            return None
        described = {name: one | {"blob": blob_id(folder / name)} for name, one in files.items()}
        record = canonical(replace(promotion, revision="").as_json() | {"files": described})
        tree: dict[str, Path | bytes] = {name: folder / name for name in files}
        made = self.repository.commit(MAIN, parent, tree | {RECORD: record}, _title(promotion))
        return self._made(made) if made else None

    def find(self, identity: str) -> Promotion | None:
        """The promotion of that id, if it ever was production's."""
        if commit := {name: commit for name, _, commit in self._moves()}.get(identity):
            return self._known(commit, identity)
        head = self.head()
        return head if head and head.id == identity else None

    def history(self) -> Iterator[Promotion]:
        """Promotions, newest first, along the chain of predecessors.

        Raises:
            UserError: MODEL_UNREADABLE where the chain leads to a commit that main does not have any more.
        """
        promotion = self.head()
        commits = {identity: commit for identity, _, commit in self._moves()} if promotion else {}
        while promotion:
            yield promotion
            before = promotion.previous
            if before and before not in commits:
                raise self.repository.unreadable(promotion.revision, f"main has lost the promotion {before[:8]}")
            promotion = self._known(commits[before], before) if before else None

    def repair(self) -> None:
        """Make the tags agree with main: each version on its promotion's commit, `production` on the head."""
        main = self.repository.at()
        moves = self._moves() if main else []
        wanted = {version: commit for _, version, commit in moves} | ({PRODUCTION: main} if moves else {})
        known = self.repository.tags() if moves else {}
        for name, commit in wanted.items():
            if known.get(name) != commit:
                self.repository.tag(name, commit, moved=name in known)

    def _main(self) -> str:
        """Main's commit, after the repository was made if it was not there."""
        if main := self.repository.at():
            return main
        self.repository.create()
        return self.repository.at()

    def _moves(self) -> list[tuple[str, str, str]]:
        """Id, version and commit of main's promotions, newest first, as the titles say; of a copy the original."""
        known = self.repository.commits() if self.repository.at() else []
        told = [(TITLE.fullmatch(one.title), one.revision) for one in known]
        moves = {found[2]: (found[2], found[1], commit) for found, commit in told if found}
        return list(moves.values())

    def _made(self, commit: str) -> Promotion | None:
        """What was just committed, as a reader finds it."""
        try:
            return self._at(commit)
        except UserError as error:
            if error.code != "NO_SUCH_REVISION":
                raise
            what = f"{self.address} does not show what was committed yet"
            raise TransientError("HUB_UNREACHABLE", what) from None

    def _known(self, commit: str, identity: str) -> Promotion:
        found = self._at(commit)
        if not found or found.id != identity:
            raise self.repository.unreadable(commit, f"it is not the promotion {identity[:8]} that its title names")
        return found

    def _at(self, commit: str) -> Promotion | None:
        """The promotion that a commit holds; None where it holds no record."""
        tree = self.repository.tree(commit)
        return self._read(commit, tree) if RECORD in tree else None

    def _read(self, commit: str, tree: dict[str, Blob]) -> Promotion:
        """The record of a commit, if the commit's files are those that it names; edits of the card do not count."""
        body = self.repository.read(commit, RECORD, tree[RECORD])
        try:
            record = json.loads(body)
            files: dict[str, dict[str, Any]] = record.pop("files")
            promotion = replace(Promotion(**record), revision=commit)
            found = {name: {"sha256": _sha256(blob, files.get(name, {}))} for name, blob in tree.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise self.repository.unreadable(commit, f"{RECORD} is no promotion record") from None
        if fingerprint({name: one for name, one in found.items() if takeable(name)}) != promotion.fingerprint:
            raise self.repository.unreadable(commit, "its files are not those that were promoted")
        return promotion


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    """What is kept of a model's folder: all but the record of an earlier promotion."""
    return {name: described for name, described in inspect(folder).items() if name != RECORD}


def _same(files: dict[str, Path], tree: dict[str, Blob]) -> bool:
    return files.keys() == tree.keys() and not any(tree[name].check(path) for name, path in files.items())


def _sha256(blob: Blob, known: dict[str, Any]) -> str:
    """A file's sha256: the Hub's word for a large one, the record's for a small one that has the record's blob id."""
    return blob.sha256 or (str(known["sha256"]) if known.get("blob") == blob.blob else "")


def _title(promotion: Promotion) -> str:
    return f"{'Restore' if promotion.restores else 'Promote'} {promotion.version} (promotion {promotion.id})"

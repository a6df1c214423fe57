"""One model repository of the Hugging Face Hub: its commits, their trees, files in and out.

A commit is read by its 40 hex digits and checked file by file: a large one against its sha256, a small one against its
git blob id. A commit is written by `preupload_lfs_files` and one `create_commit` with its parent, never by
`upload_folder`, which may split it (huggingface_hub 2.4, `_upload_pipeline.py`).
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete
from huggingface_hub.hf_api import RepoFile

from components.store.digests import file_digest
from components.store.errors import UserError
from components.store.hf_client import LONGEST, asked, conflict, judged, online, opened, signed_in, waiting
from components.store.intake import LEFT_OUT

MAIN = "main"


@dataclass(frozen=True)
class Blob:
    """A file of a commit: its git blob id and, for a large one (git LFS), its sha256."""

    blob: str
    sha256: str

    def check(self, path: Path) -> str:
        """What is wrong with the bytes at `path`; "" when they are this file."""
        same = file_digest(path) == self.sha256 if self.sha256 else blob_id(path) == self.blob
        return "" if same else "has another digest than its commit says"


@dataclass(frozen=True)
class Commit:
    """A commit and the first line that its author wrote about it."""

    revision: str
    title: str


class Repository:
    """The model repository `owner/name`."""

    def __init__(self, name: str) -> None:
        """Take the endpoint from the environment; nothing is asked yet.

        Raises:
            UserError: HUB_INSECURE.
        """
        self.name, self.api, self.what = name, opened(), f"model {name}"

    def at(self, branch: str = MAIN) -> str:
        """The commit that a branch or tag points at, 40 hex digits; "" when the repository provably does not exist.

        Raises:
            UserError: NO_SUCH_REPOSITORY when it may be there and hidden from this token, or is of another kind;
                NO_SUCH_REVISION when there is no such branch, and what else `asked` raises.
        """
        try:
            return str(asked(self.what, lambda: self.api.model_info(self.name, revision=branch)).sha)
        except UserError as error:
            if error.code != "NO_SUCH_REPOSITORY":
                raise
        self._absent()
        return ""

    def create(self) -> None:
        """Make the repository, private, unless it is there."""
        asked(self.what, lambda: self.api.create_repo(self.name, private=True, exist_ok=True))

    def tree(self, revision: str) -> dict[str, Blob]:
        """Every file of a commit; the Hub's own `.gitattributes` is left out."""

        def listed() -> dict[str, Blob]:
            known = self.api.list_repo_tree(self.name, recursive=True, revision=revision)
            files = [one for one in known if isinstance(one, RepoFile) and one.path not in LEFT_OUT]
            return {one.path: Blob(one.blob_id, one.lfs.sha256 if one.lfs else "") for one in files}

        return asked(self.what, listed)

    def commits(self, branch: str = MAIN) -> list[Commit]:
        """The commits of a branch, newest first."""
        known = asked(self.what, lambda: self.api.list_repo_commits(self.name, revision=branch))
        return [Commit(one.commit_id, one.title) for one in known]

    def download(self, revision: str, name: str, blob: Blob, folder: Path) -> None:
        """Bring one file of a commit into `folder`.

        Raises:
            UserError: MODEL_UNREADABLE when its name leads outside, or it is not what the commit says.
        """
        target = folder / name
        if not target.resolve().is_relative_to(folder.resolve()):
            raise self.unreadable(revision, f"a path outside the folder: {name}")
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            bring = partial(self.api.hf_hub_download, self.name, name, revision=revision, local_dir=work)
            got = Path(asked(self.what, bring))
            if wrong := blob.check(got):
                raise self.unreadable(revision, f"{name} {wrong}")
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(got, target)

    def read(self, revision: str, name: str, blob: Blob) -> bytes:
        """A small file's bytes."""
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work) / "file"
            self.download(revision, name, blob, folder)
            return (folder / name).read_bytes()

    def commit(self, branch: str, parent: str, files: Mapping[str, Path | bytes], title: str) -> str:
        """Make `files` the whole tree of the branch in one commit, if it still stands at `parent`.

        Returns:
            The commit; "" when the branch has moved.

        Raises:
            TransientError: HUB_UNREACHABLE when the Hub's answer leaves open whether the commit came about; it is never
                sent again from here, since a commit whose answer is lost would be made twice.
        """
        stale = [CommitOperationDelete(name, is_folder=False) for name in self.tree(parent) if name not in files]
        added = [CommitOperationAdd(name, source) for name, source in files.items()]
        # What the repository's own .gitignore says must not keep a file out.
        asked(self.what, lambda: self.api.preupload_lfs_files(self.name, added, revision=branch, gitignore_content=""))
        for one in added:
            # The library leaves out files that the branch had a moment ago; a reader that lags behind `parent` would
            # make a mixed tree of that.
            one._remote_oid = None
        try:
            with online():
                made = self.api.create_commit(
                    self.name, [*added, *stale], commit_message=title, revision=branch, parent_commit=parent
                )
            return str(made.oid)
        except Exception as error:  # the library's own, httpx's and the system's
            if conflict(error):
                return ""
            time.sleep(waiting(error) if waiting(error) <= LONGEST else 0)  # whoever tries again does so at once
            raise judged(error, self.what) from None

    def branch(self, name: str, start: str) -> None:
        """Make a branch, unless it is there."""
        asked(self.what, lambda: self.api.create_branch(self.name, branch=name, revision=start, exist_ok=True))

    def tags(self) -> dict[str, str]:
        """Tag -> commit."""
        return {
            one.name: one.target_commit for one in asked(self.what, lambda: self.api.list_repo_refs(self.name)).tags
        }

    def tag(self, name: str, revision: str, *, moved: bool) -> None:
        """Put a tag on a commit; one that stands elsewhere is taken away first, so that a reader may miss it."""
        if moved:
            try:
                asked(self.what, lambda: self.api.delete_tag(self.name, tag=name))
            except UserError as error:  # somebody else took it away
                if error.code not in ("NO_SUCH_REVISION", "NO_SUCH_REPOSITORY"):
                    raise
        asked(self.what, lambda: self.api.create_tag(self.name, tag=name, revision=revision, exist_ok=True))

    def unreadable(self, revision: str, found: str) -> UserError:
        """The error for a commit that is not what it should be."""
        fix = "Promote another revision by hand, or correct the reference; until then no run promotes."
        where = f"hf://{self.name}@{revision[:8]}"
        return UserError("MODEL_UNREADABLE", f"{where} cannot be read", found=found, fix=fix)

    def _absent(self) -> None:
        """Nothing that is merely hidden from this token counts as absent.

        The Hub answers the same for what is not there and for what the token may not see; so whoever asks must be the
        owner, or a member of it, with a token that is not narrowed to some repositories.
        """
        known = signed_in(self.api)
        names = {str(known.get("name")), *(str(one.get("name")) for one in known.get("orgs", []))}
        role = known.get("auth", {}).get("accessToken", {}).get("role")
        fix = "Look at the name; use a token that sees it, or make the repository (private, empty) first."
        if self.name.partition("/")[0] not in names or role == "fineGrained":
            what = f"this token sees no model {self.name}"
            raise UserError("NO_SUCH_REPOSITORY", what, expected="a model, or an owner whose member it is", fix=fix)
        for kind in ("dataset", "space"):
            if asked(self.what, partial(self.api.repo_exists, self.name, repo_type=kind)):
                what = f"{self.name} is no model's repository"
                raise UserError("NO_SUCH_REPOSITORY", what, found=f"a {kind}", expected="a model", fix=fix)


def blob_id(path: Path) -> str:
    """The name that git gives the bytes (gitformat-pack: sha1 of `blob`, the length and the bytes)."""
    size = path.stat().st_size
    hashed = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            hashed.update(part)
    return hashed.hexdigest()

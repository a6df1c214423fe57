"""Data sets from the Hugging Face Hub: their files at one commit, each checked against its sha256."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from components.store.errors import TouchstoneError
from components.store.hf_client import asked, opened


@dataclass(frozen=True)
class DataSet:
    """A data set's repository at one commit.

    Attributes:
        repository: `owner/name`.
        revision: The commit, 40 hex digits.
        licence: As its card says; empty where it says none.
        digests: File -> sha256, empty for a small file that the Hub knows by another digest.
    """

    repository: str
    revision: str
    licence: str
    digests: dict[str, str]

    @classmethod
    def at(cls, repository: str, revision: str | None = None) -> DataSet:
        """Look a branch, tag or commit up; the default branch where none is given.

        Raises:
            UserError: NO_SUCH_REPOSITORY, NO_SUCH_REVISION, HUB_OFFLINE and what else `asked` raises.
            TransientError: HUB_UNREACHABLE.
        """
        api = opened()
        found = asked(
            f"data set {repository}",
            lambda: api.dataset_info(repository, revision=revision, files_metadata=True),
        )
        card: Any = found.card_data or {}
        licence = card.get("license") or ""
        files = {one.rfilename: one.lfs.sha256 if one.lfs else "" for one in found.siblings or ()}
        return cls(repository, str(found.sha), licence if isinstance(licence, str) else ", ".join(licence), files)

    def download(self, pattern: str, folder: Path) -> Iterator[Path]:
        """Bring the files that match into `folder`, in the order of their names; nothing matches: nothing comes.

        Raises:
            UserError: as `at`.
            TransientError: HUB_UNREACHABLE.
            TouchstoneError: HUB_DAMAGED when a file is not what the commit says.
        """
        for name in sorted(name for name in self.digests if fnmatch(name, pattern)):
            yield self._file(name, folder)

    def _file(self, name: str, folder: Path) -> Path:
        known = {"repo_type": "dataset", "revision": self.revision}
        bring = partial(opened().hf_hub_download, self.repository, name, **known, local_dir=folder)
        path = Path(asked(f"data set {self.repository}", bring))
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if self.digests[name] not in ("", found):
            wrong = f"{name} of {self.repository} is not what its commit says"
            raise TouchstoneError("HUB_DAMAGED", wrong, found=found, expected=self.digests[name])
        return path

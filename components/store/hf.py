"""The door to the Hugging Face Hub: files of a data set at one commit, each checked against its sha256.

Everything that huggingface_hub reads from the environment counts (HF_ENDPOINT for a mirror of the Hub, HF_TOKEN,
HF_HUB_OFFLINE, which every step of a pipeline sets).
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeVar

import huggingface_hub
from huggingface_hub.errors import (
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from components.store.errors import TouchstoneError, TransientError, UserError

TIMEOUT = 20.0
"""Seconds that an answer's beginning may take."""
TRIES = 4
PAUSE = 1.0
"""Seconds before the second try, at most; each next pause is twice as long."""

T = TypeVar("T")


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
            UserError: NO_SUCH_REPOSITORY, NO_SUCH_REVISION, HUB_OFFLINE.
            TransientError: HUB_UNREACHABLE.
        """
        api = huggingface_hub.HfApi()
        found = _asked(
            repository,
            lambda: api.dataset_info(repository, revision=revision, files_metadata=True, timeout=TIMEOUT),
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
        def bring() -> str:
            return huggingface_hub.hf_hub_download(
                self.repository,
                name,
                repo_type="dataset",
                revision=self.revision,
                local_dir=folder,
                etag_timeout=TIMEOUT,
            )

        path = Path(_asked(self.repository, bring))
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if self.digests[name] not in ("", found):
            wrong = f"{name} of {self.repository} is not what its commit says"
            raise TouchstoneError("HUB_DAMAGED", wrong, found=found, expected=self.digests[name])
        return path


def _asked(repository: str, ask: Callable[[], T]) -> T:
    """Ask, again after a pause where the Hub or the way to it fails."""
    found = ""
    for number in range(TRIES):
        try:
            return ask()
        except (RepositoryNotFoundError, HFValidationError):  # what is gated or private without a token is not found
            fix = "Look at its name; for a private or gated one set HF_TOKEN."
            raise UserError("NO_SUCH_REPOSITORY", f"the Hub has no data set {repository}", fix=fix) from None
        except RevisionNotFoundError:
            raise UserError("NO_SUCH_REVISION", f"the data set {repository} has no such revision") from None
        except OfflineModeIsEnabled:
            fix = "Unset it, or do this where the Hub can be reached."
            raise UserError("HUB_OFFLINE", "HF_HUB_OFFLINE forbids to ask the Hub", fix=fix) from None
        except Exception as error:  # the library's own, httpx's and the system's
            found = type(error).__name__
        time.sleep(random.uniform(0.5, 1) * PAUSE * 2**number * (number < TRIES - 1))
    fix = "Try again later, or name a mirror of the Hub in HF_ENDPOINT."
    raise TransientError("HUB_UNREACHABLE", f"the Hub does not hand out {repository}", found=found, fix=fix)

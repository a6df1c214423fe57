"""Where models come from and go to: one protocol, pinned references, the artifact that carries a model.

A reference is `address@revision`; a revision is the digest of the model's files, so it can never mean another model.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from components.store.addresses import split_reference
from components.store.artifact import Artifact, ArtifactWriter
from components.store.digests import digest
from components.store.errors import TouchstoneError, UserError
from components.store.intake import fingerprint, inspect
from components.store.licence import ANY, UNKNOWN, Terms


@dataclass(frozen=True)
class Promotion:
    """One move of the production pointer: what, why, and what it replaced.

    Attributes:
        id: One for each candidate, verdict and champion, or for each rollback.
        revision: Where the store keeps the files; "" until it keeps them.
        fingerprint: What the model computes with (`intake.fingerprint`).
        version: `v<day>-<number within it>`.
        at: When it was decided to move, ISO 8601, UTC.
        run: The run that promoted, "" for a rollback.
        replaces: The revision before it, "" for none.
        previous: The id of the promotion before it, "" for none.
        verdict: The verdict in short.
        approval: The signed approval, where a person was asked: `components.gate.approval.Approval`.
        restores: The version that a rollback brought back, "" for a promotion.
        reason: Why somebody rolled back.
    """

    id: str
    revision: str
    fingerprint: str
    version: str
    at: str
    run: str
    replaces: str
    previous: str
    verdict: dict[str, Any]
    approval: dict[str, Any] | None = None
    restores: str = ""
    reason: str = ""

    def as_json(self) -> dict[str, Any]:
        """The record as plain JSON."""
        return asdict(self)


class ModelStore(Protocol):
    """A place with immutable revisions and a `production` pointer that moves by compare-and-swap."""

    address: str

    def head(self) -> Promotion | None:
        """What production points at; None only when nothing was ever promoted. A failure to read raises."""

    def fetch(self, revision: str, folder: Path) -> None:
        """Bring a revision's files into `folder`, every one checked against the digest it was stored with."""

    def stage(self, folder: Path) -> str:
        """Keep the files, production stays; again it changes nothing. Returns the revision."""

    def promote(self, promotion: Promotion, folder: Path) -> Promotion | None:
        """Keep the files and move the pointer to them, if it still stands where `promotion.previous` says.

        Returns:
            The promotion with its revision, or None when production had moved.

        Raises:
            TransientError: When the answer leaves open whether it moved: whoever asks looks at the head again.
        """

    def find(self, identity: str) -> Promotion | None:
        """The promotion of that id, if it ever moved the pointer, even if others moved it since."""

    def history(self) -> Iterator[Promotion]:
        """Promotions, newest first."""

    def repair(self) -> None:
        """Make the names that follow from the history, such as tags, agree with it."""


def revision_of(files: dict[str, dict[str, Any]]) -> str:
    """The name of these files as a revision: 40 hex digits."""
    return digest({name: described["sha256"] for name, described in files.items()})[:40]


@dataclass(frozen=True)
class Model:
    """The artifact `model`, verified: a sentence-transformers folder or a plain encoder's, or that there is none.

    Attributes:
        path: The folder; `retrieval.loading.load` loads it.
        present: False when there is no such model.
        problem: Why a model that exists could not be read; empty otherwise.
        fingerprint: What it computes with (64 hex digits).
        licence: What its card or the recipe names; `unknown` where neither does.
    """

    path: Path
    present: bool
    problem: str
    reference: str
    fingerprint: str
    licence: str = UNKNOWN

    @classmethod
    def open(cls, path: str | Path) -> Model:
        """Verify the artifact at `path`."""
        facts = Artifact.open(path, "model").facts
        known = (facts["present"], facts["problem"], facts["reference"], facts["fingerprint"])
        return cls(Path(path), *known, licence=facts.get("licence", UNKNOWN))

    def require(self, role: str) -> Model:
        """This model, or a typed error that says which role has none."""
        if self.present:
            return self
        found = self.problem or "nothing was ever promoted there"
        raise UserError("NO_MODEL", f"the {role} model {self.reference} cannot be used", found=found)


def write_model(
    path: Path, folder: Path, *, reference: str, inputs: dict[str, str] | None = None, terms: Terms = ANY
) -> None:
    """Make a model artifact at `path` of the files in `folder`, after intake.

    Raises:
        UserError: UNSAFE_MODEL, NOT_A_MODEL, and LICENCE_REFUSED where the terms do not allow to build on it.
    """
    files = inspect(folder)
    licence = terms.licence(split_reference(reference)[0], folder)
    with ArtifactWriter(path, "model", inputs or {}) as out:
        for name in files:
            if name != "manifest.json":
                shutil.copyfile(folder / name, out.file(name))
        out.facts |= {"present": True, "problem": "", "reference": reference, "fingerprint": fingerprint(files)}
        out.facts["licence"] = licence


def write_absence(path: Path, *, reference: str, problem: str) -> None:
    """Make the artifact that says there is no model, or that the one there cannot be read."""
    with ArtifactWriter(path, "model") as out:
        out.facts |= {"present": False, "problem": problem, "reference": reference, "fingerprint": ""}


class FolderModels:
    """A plain folder on disk (baked into an image, or unpacked from a package): one revision, read only."""

    def __init__(self, address: str) -> None:
        """Take the folder at `address`."""
        self.path = Path(address)

    def revision(self) -> str:
        """The digest of the folder's files, after intake.

        Raises:
            UserError: NOT_A_MODEL or UNSAFE_MODEL.
        """
        return revision_of(inspect(self.path))

    def fetch(self, revision: str, folder: Path) -> None:
        """Copy the files if they still are that revision."""
        if self.revision() != revision:
            raise TouchstoneError("MODEL_CHANGED", f"{self.path} is not revision {revision[:8]} any more")
        shutil.copytree(self.path, folder, dirs_exist_ok=True)

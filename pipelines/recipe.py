"""A recipe: one YAML file for one line. Each step owns its section; this module composes them."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, ValidationInfo, field_validator, model_validator

from components.corpus.config import Address, CorpusConfig, Source
from components.gate.approval_config import ApprovalConfig
from components.gate.config import GateConfig
from components.hub.declared import Declared
from components.pairs.config import PairsConfig
from components.store.addresses import BUCKET, ModelAddress, bare, on_hub, split_reference
from components.store.config import Config
from components.store.digests import digest
from components.store.errors import UserError
from components.store.licence import UNKNOWN, Terms, non_commercial
from components.store.signing_config import SigningConfig
from components.training.config import TrainingConfig
from pipelines.cluster_config import ClusterConfig

NO_MATTER: Any = {
    "local_s3": True,
    "allow_floating": True,
    "gpus": True,
    "approval": True,
    "licences": True,
    "signing": True,
    "cluster": True,
    "corpus": {"shard_bytes", "shards_at_once"},
    "training": {"nodes": {"hours", "wait_minutes", "queue", "resources", "service_account"}},
}
"""What changes where a run is, how fast it is or who is asked, and nothing of what it makes."""


class Recipe(Config):
    """One model kept fresh."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,50}$")
    """Names the line and its pipeline."""

    state: Address
    """Where the line keeps what outlives a run: split, sealed test, ledger, records, caches."""

    target: ModelAddress
    """The model store that production reads: `s3://bucket/prefix` or `hf://owner/name`."""

    allow_floating: bool = False
    """Take a remote base without a revision: each run starts from what its address means that day."""

    base_model: str = Field(min_length=1)
    """The model to start from: `s3://bucket/prefix@revision`, `hf://owner/name@commit`, or a folder."""

    licences: dict[str, Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f|<>]{1,100}$")]] = {}
    """Address -> licence of what lies there: of data, for the model's card; of the base (without its revision) where
    its own card names none, or where somebody agreed on other terms."""

    corpus: CorpusConfig
    pairs: PairsConfig
    training: TrainingConfig = TrainingConfig()
    guards: dict[str, Address] = {}
    """Name -> a benchmark in BEIR layout that must not get worse."""
    gate: GateConfig = GateConfig()
    approval: ApprovalConfig = ApprovalConfig()
    signing: SigningConfig = SigningConfig()

    gpus: str = Field("0", pattern=r"^[0-9]+$")
    """GPUs of the training pod, as a string; "0" is the processor."""

    cluster: ClusterConfig = ClusterConfig()
    """How a Kubernetes cluster runs it; a run on this machine ignores it."""

    local_s3: str | None = None
    """A folder for an embedded S3 server, started around every command; without it, the usual AWS settings."""

    @field_validator("base_model")
    @classmethod
    def _pinned(cls, reference: str, known: ValidationInfo) -> str:
        """A base that changes under its address changes what a run means, and nothing would say so."""
        address, revision = split_reference(reference)
        if "://" in reference and not re.fullmatch(rf"{BUCKET}|hf://[A-Za-z0-9_./-]+", address):
            raise ValueError("s3://bucket/prefix@revision, hf://owner/name@commit, or a folder")
        if "://" in reference and not revision and not known.data.get("allow_floating"):
            raise ValueError("pinned, as in s3://bucket/prefix@revision; or set allow_floating: true")
        if on_hub(reference) and revision and not re.fullmatch("[0-9a-f]{40}", revision):
            raise ValueError("a commit of 40 hex digits after @: a branch or tag of the Hub may move")
        return reference

    @model_validator(mode="after")
    def _apart(self) -> Recipe:
        """Sealed questions or the line's own records must never be read as documents."""
        known = [source.uri for sources in self.places.values() for source in sources]
        known += [self.state, self.target, self.base_model]
        addresses = sorted(f"{uri.partition('@')[0].rstrip('/')}/" for uri in known)
        for one, other in pairwise(addresses):
            if other.startswith(one):
                raise ValueError(f"addresses that lie apart; {other} lies in {one}")
        return self

    @model_validator(mode="after")
    def _licensed(self) -> Recipe:
        """A licence of what is not read says nothing; and what is read must allow what the model is for."""
        known = {source.uri for sources in self.places.values() for source in sources}
        if unread := sorted(self.licences.keys() - known - {split_reference(self.base_model)[0]}):
            raise ValueError(f"licences of what the recipe reads; nothing else names {bare(unread[0])}")
        barred = [uri for uri in sorted(known & self.licences.keys()) if non_commercial(self.licences[uri])]
        if self.pairs.commercial and barred:
            raise ValueError(f"data that may be used commercially; {barred[0]} is under {self.licences[barred[0]]}")
        return self

    @property
    def terms(self) -> Terms:
        """What is said about the base's licence."""
        address = split_reference(self.base_model)[0]
        bases = {name: licence for name, licence in self.licences.items() if name == address}
        return Terms(commercial=self.pairs.commercial, bases=bases)

    @property
    def declared(self) -> Declared:
        """What the model's card tells of the recipe."""
        general = {self.pairs.general.uri: self.pairs.general.licence} if self.pairs.general else {}
        known = general | self.licences
        licences = {role: [known.get(source.uri, UNKNOWN) for source in found] for role, found in self.places.items()}
        return Declared(name=self.name, recipe=self.digest, licences=licences)

    @property
    def places(self) -> dict[str, list[Source]]:
        """Role -> what a snapshot lists."""
        pairs, guards = self.pairs, {f"guard:{name}": address for name, address in sorted(self.guards.items())}
        logs, general = (part.uri if part else None for part in (pairs.logs, pairs.general))
        others = {"judged": pairs.judged, "logs": logs, "general": general, **guards}
        named = {role: [Source(uri=address)] for role, address in others.items() if address}
        return {"documents": list(self.corpus.sources), **named}

    @property
    def digest(self) -> str:
        """What decides whether a run would do anything new (64 hex digits)."""
        return digest(self.model_dump(mode="json", exclude=NO_MATTER))


def read(path: Path) -> Recipe:
    """The recipe in a YAML file.

    Raises:
        UserError: NO_RECIPE or RECIPE_INVALID.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError("NO_RECIPE", f"{path} cannot be read", found=(error.strerror or "").lower()) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError("RECIPE_INVALID", f"{path} is no YAML", found=_broken(error)) from None
    if not isinstance(values, dict):
        raise UserError("RECIPE_INVALID", f"{path} is no recipe", expected="keys and values")
    return Recipe.parse(values, where=str(path))


def _broken(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """Where and why, without the line itself: a key may stand in it."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"{error.problem} in line {error.problem_mark.line + 1}"
    return "something that is no text" if isinstance(error, UnicodeDecodeError) else "a character that YAML forbids"

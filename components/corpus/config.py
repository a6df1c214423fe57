"""What a recipe says about the corpus."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from components.store.addresses import BUCKET
from components.store.config import Config
from components.store.connection import Connection

Address = Annotated[str, Field(pattern=rf"^{BUCKET}$")]
Policy = Literal["redact", "reject", "keep"]
Kind = Literal["private_key", "cloud_key", "service_token", "jwt", "url_password", "email", "card", "phone"]


class Fields(Config):
    """Which fields of a JSON line, or columns of a Parquet file, make a document."""

    text: str = "text"
    """The text; a record without it is rejected."""
    title: str = "title"
    """The title; may be missing."""
    id: str | None = None
    """The record's key; without one named, `id`, then `_id`, then its number in the file."""


class Source(Connection):
    """One place of documents; in a recipe its address alone will do."""

    uri: Address
    """Everything below is read, but for what the patterns leave out."""
    include: list[str] = []
    """Shell patterns of keys relative to `uri` (`*` crosses slashes); none means everything."""
    exclude: list[str] = []
    """Shell patterns of keys to leave out, although included."""
    fields: Fields = Fields()

    @property
    def connection(self) -> Connection:
        """How to reach it."""
        return Connection(**{name: getattr(self, name) for name in Connection.model_fields})

    @model_validator(mode="before")
    @classmethod
    def _short(cls, value: Any) -> Any:
        return {"uri": value} if isinstance(value, str) else value


class ReadingConfig(Config):
    """What decides how the documents are read; a change of anything else reads nothing again."""

    sources: list[Source] = Field(min_length=1)
    """Where the documents lie."""

    shard_bytes: int = Field(32_000_000, ge=1, le=8_000_000_000)
    """Objects are loaded in shards of about this many bytes, at most 128 of them."""

    denied_share: float = Field(0.0, ge=0, lt=1)
    """What part of the objects may be denied to us; they are listed as rejected."""

    personal: dict[Kind, Policy] = {}
    """What happens where personal data or a secret of a kind is found; without an entry it is redacted."""


class CorpusConfig(ReadingConfig):
    """Where the documents are and how they are cut."""

    shards_at_once: int = Field(8, ge=1, le=128)
    """How many shards are loaded at the same time; on one machine at most as many as it has cores."""

    passage_tokens: int = Field(128, ge=16, le=8192)
    """The longest passage, title and headings included, in tokens of the base model."""

    passage_overlap: int = Field(0, ge=0, le=1024)
    """How many tokens of a long section's passage are repeated in its next one."""

    @field_validator("passage_overlap")
    @classmethod
    def _below_half(cls, overlap: int, known: ValidationInfo) -> int:
        limit = known.data.get("passage_tokens", overlap * 3)
        if 2 * overlap >= limit:
            raise ValueError(f"less than half of passage_tokens, {limit}")
        return overlap

    @property
    def reading(self) -> dict[str, Any]:
        """The part that `load` and `gather` get."""
        known = self.model_dump(mode="json", exclude_none=True)
        return {name: known[name] for name in ReadingConfig.model_fields}

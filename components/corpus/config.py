"""What a recipe says about the corpus."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.store.config import Config

Address = Annotated[str, Field(pattern=r"^s3://[^/]+(/.*)?$")]


class CorpusConfig(Config):
    """Where the documents are and how they are cut."""

    sources: list[Address] = Field(min_length=1)
    """`s3://bucket/prefix` of the documents; everything below is read."""

    shard_bytes: int = Field(256_000_000, ge=1, le=8_000_000_000)
    """Objects are loaded in shards of about this many bytes, at most 128 of them."""

    passage_tokens: int = Field(128, ge=16, le=8192)
    """The longest passage, title and headings included, in tokens of the base model."""

"""Which kind of model store an address names."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from components.store.models import ModelStore
from components.store.s3_models import S3Models

ModelAddress = Annotated[str, Field(pattern=r"^(s3://[^/]+(/.*)?|hf://[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)$")]


def is_store(address: str) -> bool:
    """Whether an address names a model store, and no folder."""
    return address.startswith(("s3://", "hf://"))


def on_hub(address: str) -> bool:
    """Whether an address names a repository of the Hugging Face Hub."""
    return address.startswith("hf://")


def open_models(address: str) -> ModelStore:
    """The model store at `s3://bucket/prefix` or `hf://owner/name`; nothing is read yet.

    Raises:
        UserError: BAD_ADDRESS, HUB_INSECURE.
    """
    if not on_hub(address):
        return S3Models(address)
    from components.store.hf_models import HubModels  # a line on S3 needs nothing of the Hub's library

    return HubModels(address)

"""How model stores are named: what a recipe may say, without a library behind it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

ModelAddress = Annotated[str, Field(pattern=r"^(s3://[^/]+(/.*)?|hf://[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+)$")]


def is_store(address: str) -> bool:
    """Whether an address names a model store, and no folder."""
    return address.startswith(("s3://", "hf://"))


def on_hub(address: str) -> bool:
    """Whether an address names a repository of the Hugging Face Hub."""
    return address.startswith("hf://")


def split_reference(reference: str) -> tuple[str, str]:
    """`address@revision` in its two parts; the revision is empty when the reference floats."""
    address, at, revision = reference.rpartition("@")
    return (address, revision) if at and "/" not in revision else (reference, "")

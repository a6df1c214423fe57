"""Which kind of model store an address names."""

from __future__ import annotations

from components.store.addresses import on_hub
from components.store.models import ModelStore


def open_models(address: str) -> ModelStore:
    """The model store at `s3://bucket/prefix` or `hf://owner/name`; nothing is read yet.

    Raises:
        UserError: BAD_ADDRESS, HUB_INSECURE.
    """
    if on_hub(address):  # a line on S3 needs nothing of the Hub's library, and a recipe is read without either
        from components.store.hf_models import HubModels

        return HubModels(address)
    from components.store.s3_models import S3Models

    return S3Models(address)

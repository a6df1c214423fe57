"""A promotion in a store's history without a model's files, for those who only read what stands there."""

from typing import Any

from components.store.models import Promotion
from components.store.s3_models import S3Models


def promotion(number: int, revision: str = "r", previous: str = "", **known: Any) -> Promotion:
    """The promotion `number`."""
    told: dict[str, Any] = {"fingerprint": "f" * 64, "verdict": {"decision": "PROMOTE"}, "run": "run"} | known
    told = {"version": f"v{number}", "at": "2026-05-01T00:00:00+00:00", "replaces": ""} | told
    return Promotion(id=f"{number}", revision=revision, previous=previous, **told)


def move(address: str, planned: Promotion) -> bool:
    """Move the pointer by the store's own compare-and-swap; whether it did."""
    return S3Models(address)._move(planned) is not None

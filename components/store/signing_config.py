"""What a recipe says about signatures: whose a model in production must have."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import field_validator, model_validator

from components.store.config import Config

PEM = re.compile(r"-----BEGIN PUBLIC KEY-----\s[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----\s*")


class SigningConfig(Config):
    """Who signs what this line promotes; nobody, unless keys are listed."""

    public_keys: dict[str, str] = {}
    """Name -> public key (ECDSA on P-256, P-384 or P-521): its PEM text, or the absolute path of a mounted file."""

    unsigned: list[str] = []
    """Revisions in production from before the line signed; by their digest they count as they are."""

    @field_validator("public_keys")
    @classmethod
    def _keys(cls, keys: dict[str, str]) -> dict[str, str]:
        for name, key in keys.items():
            if not name.strip() or not (key.startswith("/") or PEM.fullmatch(key)):
                raise ValueError(f"names with a public key in PEM, or the absolute path of one; {name!r} has none")
        if len(set(keys.values())) < len(keys):
            raise ValueError("names with a key of their own")
        return keys

    @field_validator("unsigned")
    @classmethod
    def _revisions(cls, revisions: list[str]) -> list[str]:
        if wrong := next((one for one in revisions if not re.fullmatch("[0-9a-f]{40}", one)), None):
            raise ValueError(f"revisions of 40 hex digits; {wrong!r} is none")
        return revisions

    @model_validator(mode="after")
    def _sensible(self) -> SigningConfig:
        if self.unsigned and not self.public_keys:
            raise ValueError("one with public_keys where unsigned revisions are named")
        return self

    def asked(self, role: Literal["base", "champion"]) -> SigningConfig:
        """What is asked of a model in this role: a base is others' work, and is pinned instead."""
        return self if role == "champion" else OFF


OFF = SigningConfig()

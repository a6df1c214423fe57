"""What a recipe says about people: who may approve, and whether a promotion waits for one of them."""

from __future__ import annotations

import base64
import binascii

from pydantic import Field, field_validator, model_validator

from components.store.config import Config

START = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20"
"""How the decoded middle part of an OpenSSH Ed25519 key begins (RFC 8709, section 4); 32 bytes follow."""


class ApprovalConfig(Config):
    """Who may approve a promotion."""

    required: bool = False
    """A candidate that proved better waits for an approval too."""

    approvers: dict[str, str] = {}
    """Name -> public key, as one line of OpenSSH: `ssh-ed25519 AAAA...`."""

    days: int = Field(14, ge=1, le=366)
    """What waits longer than this is not promoted any more."""

    @field_validator("approvers")
    @classmethod
    def _keys(cls, approvers: dict[str, str]) -> dict[str, str]:
        """Every key as its first two words; a comment behind them is no part of it."""
        keys = {name: " ".join(key.split()[:2]) for name, key in approvers.items()}
        for name, key in keys.items():
            if not name.strip() or not _ed25519(key):
                raise ValueError(f"names with an Ed25519 key such as `ssh-ed25519 AAAA...`; {name!r} has none")
        if len(set(keys.values())) < len(keys):
            raise ValueError("names with a key of their own")
        return keys

    @model_validator(mode="after")
    def _possible(self) -> ApprovalConfig:
        if self.required and not self.approvers:
            raise ValueError("one with approvers where approval is required")
        return self


def _ed25519(key: str) -> bool:
    kind, _, encoded = key.partition(" ")
    try:
        blob = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        return False
    return kind == "ssh-ed25519" and blob.startswith(START) and len(blob) == len(START) + 32

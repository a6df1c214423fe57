"""Keys that sign models in tests; made anew in every run."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

RELEASE, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))


def public(key: ec.EllipticCurvePrivateKey) -> str:
    """As a recipe lists it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private(folder: Path, key: ec.EllipticCurvePrivateKey, passphrase: str = "") -> Path:
    """As a secret mounts it."""
    path = folder / f"{key.private_numbers().private_value % 10**8}.key"
    locked = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    return path

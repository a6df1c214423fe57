"""Signatures of models: OpenSSF model-signing with a key, so that whoever holds the bucket cannot make a champion.

`model.sig` beside the weights is a Sigstore bundle: a DSSE envelope over an in-toto statement of every file's sha256
(https://github.com/sigstore/model-transparency). The public keys come from the recipe or a mounted file, never from
the store that they protect. Not signed are the card, which people may correct, and the records of the store
and of the artifact that a step makes of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from components.store.errors import UserError
from components.store.intake import SIGNATURE
from components.store.signing_config import SigningConfig

KEY = "TOUCHSTONE_SIGNING_KEY"
"""The environment variable with the path of the private key."""
PASSPHRASE = "TOUCHSTONE_SIGNING_PASSPHRASE"  # noqa: S105 - the variable's name
UNSIGNED = (SIGNATURE, "README.md", "promotion.json", "manifest.json")
CURVES = ("secp256r1", "secp384r1", "secp521r1")
"""Those that the library signs with."""
MAKE = "`openssl ecparam -genkey -name prime256v1 -noout -out KEY` makes one."


@dataclass(frozen=True)
class Listed:
    """A public key that the recipe lists; `hint` is how a signature says which key made it."""

    name: str
    pem: bytes
    hint: str


def ready(config: SigningConfig) -> None:
    """The listed keys are keys, and the one that is to sign is here and among them; nothing where nobody signs.

    Raises:
        UserError: KEY_UNREADABLE, NO_SIGNING_KEY, KEY_LOCKED, UNLISTED_KEY.
    """
    if config.public_keys:
        _ours(config)


def sign(folder: Path, config: SigningConfig) -> str:
    """Put `model.sig` into a folder that is to be published, and verify it as whoever fetches it will.

    Returns:
        The name of the key; "" where the recipe lists none and nothing is signed.

    Raises:
        UserError: as `ready`, and SIGNATURE_BROKEN.
    """
    if not config.public_keys:
        return ""
    path = _ours(config)
    from model_signing import signing

    signer = signing.Config().use_elliptic_key_signer(private_key=path, password=_passphrase())
    signer.set_hashing_config(_hashing()).sign(folder, folder / SIGNATURE)
    return _verified(folder, config)


def verify(folder: Path, revision: str, config: SigningConfig) -> str:
    """A model that is used must be signed by a listed key, file by file, with none besides.

    Args:
        folder: The files, as fetched.
        revision: What they were fetched as.
        config: Whose signature counts; where nobody's is asked for, everything passes.

    Returns:
        The name of the key, "" where none was asked for.

    Raises:
        UserError: SIGNATURE_MISSING, SIGNATURE_BROKEN, UNLISTED_KEY; KEY_UNREADABLE for a listed key that is none.
    """
    if not config.public_keys or revision in config.unsigned:
        return ""
    return _verified(folder, config)


def _verified(folder: Path, config: SigningConfig) -> str:
    if not (folder / SIGNATURE).is_file():
        fix = "If it was promoted before the line signed, name its revision in the recipe's signing.unsigned."
        raise UserError("SIGNATURE_MISSING", "the model is not signed", found=f"no {SIGNATURE}", fix=fix)
    key = _owner(_signer(folder / SIGNATURE), _listed(config))
    from model_signing import verifying

    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(key.pem)
        file.flush()
        verifier = verifying.Config().use_elliptic_key_verifier(public_key=Path(file.name))
        try:
            verifier.set_hashing_config(_hashing()).verify(folder, folder / SIGNATURE)
        except Exception as error:  # of whatever kind: what it cannot verify is not signed
            raise _broken(str(error) if isinstance(error, ValueError) else type(error).__name__) from None
    return key.name


def _signer(path: Path) -> str:
    """The hint in a signature: the sha256 of the public key's PEM."""
    try:
        return str(json.loads(path.read_bytes())["verificationMaterial"]["publicKey"]["hint"])
    except (ValueError, KeyError, TypeError):
        raise _broken("no bundle of a signature by key") from None


def _owner(hint: str, listed: list[Listed]) -> Listed:
    for key in listed:
        if key.hint == hint:
            return key
    known = ", ".join(key.name for key in listed)
    fix = "Sign with a listed key, or have this one's public half added to the recipe's signing.public_keys."
    found, expected = f"key {hint[:8]}", f"a key of {known}"
    raise UserError(
        "UNLISTED_KEY", "the recipe does not list the key that signs", found=found, expected=expected, fix=fix
    )


def _listed(config: SigningConfig) -> list[Listed]:
    return [_public(name, key) for name, key in sorted(config.public_keys.items())]


def _public(name: str, key: str) -> Listed:
    expected = f"an ECDSA public key in PEM, on {', '.join(CURVES)}"
    try:
        public = load_pem_public_key(Path(key).read_bytes() if key.startswith("/") else key.encode())
        if not isinstance(public, EllipticCurvePublicKey) or public.curve.name not in CURVES:
            raise UserError("KEY_UNREADABLE", f"signing.public_keys.{name} is another kind of key", expected=expected)
    except OSError as error:
        found = (error.strerror or "").lower()
        raise UserError("KEY_UNREADABLE", f"{key} of signing.public_keys.{name} cannot be read", found=found) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UserError("KEY_UNREADABLE", f"signing.public_keys.{name} is no key", expected=expected) from None
    return Listed(name, _pem(public), _hint(public))


def _ours(config: SigningConfig) -> Path:
    """The file of the key that signs, which is among the listed ones."""
    path, key = _private()
    _owner(_hint(key.public_key()), _listed(config))
    return path


def _private() -> tuple[Path, Any]:
    """The key that signs, and the file it is in."""
    path = os.environ.get(KEY, "")
    if not path:
        fix = f"Put the path of the private key into {KEY}; {MAKE}"
        raise UserError("NO_SIGNING_KEY", "the recipe asks for signatures and there is no key to sign with", fix=fix)
    try:
        return Path(path), load_pem_private_key(Path(path).read_bytes(), _passphrase())
    except OSError as error:
        found = (error.strerror or "").lower()
        raise UserError("NO_SIGNING_KEY", f"{KEY} names a file that cannot be read", found=found) from None
    except TypeError:  # the one for a passphrase that is missing, and for one too many
        raise UserError(
            "KEY_LOCKED", f"the key in {KEY} and {PASSPHRASE} do not fit: only one of them is set"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        what = f"the file in {KEY} does not open"
        raise UserError("KEY_UNREADABLE", what, expected="an ECDSA private key in PEM", fix=MAKE) from None


def _passphrase() -> Any:
    return os.environ[PASSPHRASE].encode() if os.environ.get(PASSPHRASE) else None


def _hint(public: Any) -> str:
    return hashlib.sha256(_pem(public)).hexdigest()


def _pem(public: Any) -> bytes:
    pem: bytes = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def _hashing() -> Any:
    from model_signing import hashing

    return hashing.Config().set_ignored_paths(paths=UNSIGNED, ignore_git_paths=False)


def _broken(found: str) -> UserError:
    fix = "Find out who wrote to the store; `touchstone rollback` brings an earlier revision back."
    return UserError("SIGNATURE_BROKEN", "the model's signature is not of its files", found=found[:200], fix=fix)

"""Signatures of a model's folder: what they cover, and what counts as none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from components.store.errors import UserError
from components.store.intake import SIGNATURE, fingerprint, inspect
from components.store.signing import KEY, PASSPHRASE, ready, sign, verify
from components.store.signing_config import OFF, SigningConfig
from tests.hub.keys import OTHER, RELEASE, private, public

LISTED = SigningConfig(public_keys={"release": public(RELEASE)})
REVISION = "a" * 40


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model's folder, and the key that signs at hand."""
    monkeypatch.setenv(KEY, str(private(tmp_path, RELEASE)))
    monkeypatch.delenv(PASSPHRASE, raising=False)
    return shutil.copytree(tiny_model, tmp_path / "model")


def refusal(folder: Path, config: SigningConfig = LISTED) -> str:
    with pytest.raises(UserError) as raised:
        verify(folder, REVISION, config)
    return raised.value.code


def test_a_signed_model_verifies_under_any_folder_s_name_and_computes_what_it_did(model: Path, tmp_path: Path) -> None:
    before = fingerprint(inspect(model))
    assert sign(model, LISTED) == "release" and fingerprint(inspect(model)) == before
    assert verify(shutil.copytree(model, tmp_path / "other name"), REVISION, LISTED) == "release"


def test_signing_again_is_of_the_same_files(model: Path) -> None:
    sign(model, LISTED)
    sign(model, LISTED)
    assert verify(model, REVISION, LISTED) == "release"


def test_where_no_key_is_listed_nothing_is_signed_or_asked(model: Path) -> None:
    assert (sign(model, OFF), verify(model, REVISION, OFF)) == ("", "")
    assert not (model / SIGNATURE).exists()
    ready(OFF)


def test_the_card_and_the_store_s_record_may_change(model: Path) -> None:
    sign(model, LISTED)
    (model / "README.md").write_text("a word corrected")
    (model / "promotion.json").write_text("{}")
    (model / "manifest.json").write_text("{}")
    assert verify(model, REVISION, LISTED) == "release"


def flip(folder: Path) -> None:
    path = folder / "model.safetensors"
    body = bytearray(path.read_bytes())
    body[-1] ^= 1
    path.write_bytes(body)


def forge(folder: Path) -> None:
    """The envelope's statement says another sha256 than was signed."""
    bundle = json.loads((folder / SIGNATURE).read_bytes())
    bundle["dsseEnvelope"]["payload"] = bundle["dsseEnvelope"]["payload"][:-8] + "AAAAAAAA"
    (folder / SIGNATURE).write_text(json.dumps(bundle))


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        (flip, "SIGNATURE_BROKEN"),
        (forge, "SIGNATURE_BROKEN"),
        (lambda folder: (folder / "parity.json").write_text("{}"), "SIGNATURE_BROKEN"),
        (lambda folder: (folder / ".gitattributes").write_text("{}"), "SIGNATURE_BROKEN"),
        (lambda folder: (folder / "config.json").unlink(), "SIGNATURE_BROKEN"),
        (lambda folder: (folder / SIGNATURE).write_text("{"), "SIGNATURE_BROKEN"),
        (lambda folder: (folder / SIGNATURE).write_text("[]"), "SIGNATURE_BROKEN"),
        (lambda folder: (folder / SIGNATURE).unlink(), "SIGNATURE_MISSING"),
    ],
    ids=["a bit", "another statement", "a file more", "a hidden file", "a file less", "no JSON", "no bundle", "none"],
)
def test_what_was_tampered_with_is_refused(model: Path, harm: Callable[[Path], object], code: str) -> None:
    sign(model, LISTED)
    harm(model)
    assert refusal(model) == code


def test_a_signature_by_another_key_counts_for_nothing(model: Path) -> None:
    sign(model, LISTED)
    assert refusal(model, SigningConfig(public_keys={"release": public(OTHER)})) == "UNLISTED_KEY"
    both = SigningConfig(public_keys={"next": public(OTHER), "release": public(RELEASE)})
    assert verify(model, REVISION, both) == "release", "keys rotate: the old one stays listed for what it signed"


def test_a_revision_from_before_the_line_signed_counts_if_the_recipe_names_it(model: Path) -> None:
    config = LISTED.model_copy(update={"unsigned": [REVISION]})
    assert verify(model, REVISION, config) == ""
    with pytest.raises(UserError):
        verify(model, "b" * 40, config)


def test_a_key_may_be_mounted(model: Path, tmp_path: Path) -> None:
    (tmp_path / "release.pub").write_text(public(RELEASE))
    mounted = SigningConfig(public_keys={"release": str(tmp_path / "release.pub")})
    assert sign(model, mounted) == "release"
    (tmp_path / "release.pub").unlink()
    assert refusal(model, mounted) == "KEY_UNREADABLE"


def test_a_locked_key_needs_its_passphrase(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, str(private(tmp_path, RELEASE, "open sesame")))
    with pytest.raises(UserError, match="do not fit"):
        sign(model, LISTED)
    monkeypatch.setenv(PASSPHRASE, "open sesame")
    assert sign(model, LISTED) == "release"


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, "NO_SIGNING_KEY"), ("missing", "NO_SIGNING_KEY"), (b"no key", "KEY_UNREADABLE"), (OTHER, "UNLISTED_KEY")],
    ids=["unset", "no file", "no key", "not listed"],
)
def test_no_run_starts_without_a_key_to_sign_with(content, code, model, tmp_path, monkeypatch) -> None:
    if content is None:
        monkeypatch.delenv(KEY)
    elif content is OTHER:
        monkeypatch.setenv(KEY, str(private(tmp_path, OTHER)))
    elif content == "missing":
        monkeypatch.setenv(KEY, str(tmp_path / "missing"))
    else:
        (tmp_path / "junk").write_bytes(content)
        monkeypatch.setenv(KEY, str(tmp_path / "junk"))
    with pytest.raises(UserError) as raised:
        ready(LISTED)
    assert raised.value.code == code


@pytest.mark.parametrize(
    "wrong",
    [
        {"public_keys": {"release": "ssh-ed25519 AAAA"}},
        {"public_keys": {" ": public(RELEASE)}},
        {"public_keys": {"a": public(RELEASE), "b": public(RELEASE)}},
        {"unsigned": [REVISION]},
        {"public_keys": {"release": public(RELEASE)}, "unsigned": ["main"]},
    ],
)
def test_a_section_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UserError) as raised:
        SigningConfig.parse(wrong, where="recipe")
    assert raised.value.code == "RECIPE_INVALID"


def test_a_private_key_in_the_recipe_is_refused_and_not_repeated(tmp_path: Path) -> None:
    secret = private(tmp_path, RELEASE).read_text()
    with pytest.raises(UserError) as raised:
        SigningConfig.parse({"public_keys": {"release": secret}}, where="recipe")
    assert secret[40:80] not in str(raised.value)

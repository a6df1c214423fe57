"""The scan of a model folder: a real small model passes, hostile ones do not."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from components.store.errors import UserError
from components.store.intake import fingerprint, inspect


def edit(path: Path, **keys: Any) -> None:
    """Set keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def foreign_module(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([*modules, {"idx": 2, "path": "", "type": "evil.Model"}]))


def test_an_honest_model_passes_and_every_file_is_named(model):
    (model / ".gitattributes").write_text("*.safetensors lfs")
    files = inspect(model)
    assert set(files) == {p.relative_to(model).as_posix() for p in model.rglob("*") if p.is_file()} - {".gitattributes"}
    assert files["modules.json"]["bytes"] == (model / "modules.json").stat().st_size


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (lambda f: (f / "pytorch_model.bin").write_bytes(pickle.dumps({})), "pytorch_model.bin"),
        (lambda f: (f / "1_Pooling" / "modeling.py").write_text("import os"), "1_Pooling/modeling.py"),
        (lambda f: (f / "nameless").write_text("x"), "nameless"),
        (lambda f: (f / "more.txt").symlink_to("/etc/hostname"), "more.txt"),
        (lambda f: (f / "more.json").symlink_to(f / "config.json"), "more.json"),
        (lambda f: (f / "2_Dense").symlink_to(f / "1_Pooling"), "2_Dense"),
        (lambda f: edit(f / "config.json", auto_map={"AutoModel": "modeling.Evil"}), "config.json"),
        (lambda f: edit(f / "config.json", text={"_attn_implementation_internal": "evil/kernel"}), "config.json"),
        (lambda f: edit(f / "tokenizer_config.json", trust_remote_code=True), "tokenizer_config.json"),
        (foreign_module, "modules.json"),
        (
            lambda f: (f / "modules.json").write_text('{"type": "sentence_transformers.models.Normalize"}'),
            "modules.json",
        ),
        (lambda f: (f / "config.json").write_text('{"half": '), "config.json"),
        (lambda f: (f / "config.json").write_text("[" * 100_000), "config.json"),
    ],
    ids=[
        "pickle",
        "code",
        "no suffix",
        "link outside",
        "link inside",
        "link to a folder",
        "auto_map",
        "nested kernel",
        "trust_remote_code",
        "foreign module",
        "modules no list",
        "no JSON",
        "deep JSON",
    ],
)
def test_a_hostile_folder_is_refused_with_the_file_named(model, harm, named):
    harm(model)
    with pytest.raises(UserError, match=f"the model file {named} is refused") as raised:
        inspect(model)
    assert raised.value.code == "UNSAFE_MODEL"


@pytest.mark.parametrize(("missing", "named"), [("modules.json", "modules.json"), ("model.safetensors", "safetensors")])
def test_a_folder_without_modules_or_weights_is_no_model(model, missing, named):
    (model / missing).unlink()
    with pytest.raises(UserError, match=named) as raised:
        inspect(model)
    assert raised.value.code == "NOT_A_MODEL"


def test_the_fingerprint_is_of_what_computes_and_not_of_the_card(model):
    before = fingerprint(inspect(model))
    (model / "README.md").write_text("a card")
    assert fingerprint(inspect(model)) == before
    edit(model / "config.json", hidden_act="relu")
    assert fingerprint(inspect(model)) != before

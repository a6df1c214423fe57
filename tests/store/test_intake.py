"""The scan of a model folder: real small models pass, what is no embedding model does not.

Hostile ones are in `test_hostile_models.py`.
"""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import pytest

from components.store.errors import UserError
from components.store.intake import fingerprint, inspect


def edit(path: Path, **keys: Any) -> None:
    """Set keys of a JSON file."""
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def test_an_honest_model_passes_and_every_file_is_named(model):
    (model / ".gitattributes").write_text("*.safetensors lfs")
    files = inspect(model)
    assert set(files) == {p.relative_to(model).as_posix() for p in model.rglob("*") if p.is_file()} - {".gitattributes"}
    assert files["modules.json"]["bytes"] == (model / "modules.json").stat().st_size


def test_a_folder_without_weights_is_no_model(model):
    (model / "model.safetensors").unlink()
    with pytest.raises(UserError, match="safetensors") as raised:
        inspect(model)
    assert raised.value.code == "NOT_A_MODEL"


@pytest.fixture
def plain(model: Path) -> Path:
    """The small model as an encoder alone."""
    (model / "modules.json").unlink()
    shutil.rmtree(model / "1_Pooling")
    return model


@pytest.mark.parametrize("heads", [["BertModel"], ["BertForMaskedLM"], ["BertForPreTraining"], None])
def test_a_plain_encoder_passes(plain, heads):
    edit(plain / "config.json", architectures=heads)
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(inspect(plain))


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"model_type": "llama", "architectures": ["LlamaModel"]}, "model_type llama"),
        ({"model_type": "t5", "architectures": ["T5EncoderModel"]}, "model_type t5"),
        ({"model_type": ["bert"]}, "model_type"),
        ({"is_decoder": True}, "a decoder of model_type bert"),
        ({"architectures": ["BertLMHeadModel", "BertForCausalLM"]}, "BertForCausalLM"),
        ({"architectures": ["BertForSequenceClassification"]}, "BertForSequenceClassification"),
        ({"architectures": ["BertForTokenClassification"]}, "BertForTokenClassification"),
    ],
    ids=["decoder", "encoder-decoder", "no name", "BERT as a decoder", "language model", "classifier", "tagger"],
)
def test_an_encoder_alone_must_be_one(plain, keys, found):
    edit(plain / "config.json", **keys)
    with pytest.raises(UserError, match=f"found.*{found}") as raised:
        inspect(plain)
    assert raised.value.code == "NOT_A_MODEL"


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        (lambda f: (f / "pytorch_model.bin").write_bytes(pickle.dumps({})), "pytorch_model.bin"),
        (lambda f: (f / "modeling.py").write_text("import os"), "modeling.py"),
        (lambda f: edit(f / "config.json", auto_map={"AutoModel": "modeling.Evil"}), "config.json"),
        (lambda f: f.joinpath("config.json").rename(f / "c.txt") and (f / "config.json").symlink_to("c.txt"), "config"),
    ],
    ids=["pickle", "code", "auto_map", "link"],
)
def test_a_plain_encoder_is_scanned_as_a_whole_model_is(plain, harm, named):
    harm(plain)
    with pytest.raises(UserError, match=f"the model file {named}") as raised:
        inspect(plain)
    assert raised.value.code == "UNSAFE_MODEL"


@pytest.mark.parametrize(("made", "found"), [(True, "neither modules.json nor config.json"), (False, "no such folder")])
def test_what_is_no_model_folder_at_all(tmp_path, made, found):
    if made:
        (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match=found) as raised:
        inspect(tmp_path / "none")
    assert raised.value.code == "NOT_A_MODEL"


def test_the_fingerprint_is_of_what_computes_and_not_of_the_card(model):
    before = fingerprint(inspect(model))
    (model / "README.md").write_text("a card")
    assert fingerprint(inspect(model)) == before
    edit(model / "config.json", hidden_act="relu")
    assert fingerprint(inspect(model)) != before

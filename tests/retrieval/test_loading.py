"""Loading real models: random tiny encoders of four architectures, BERT-tiny as somebody might have saved it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from transformers import (
    AutoModel,
    BertConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
)

from components.retrieval.encoder import Encoder
from components.retrieval.loading import load
from components.store.errors import UserError
from components.store.intake import inspect
from components.store.models import write_model

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 30_522,  # BERT-tiny's
}
ENDS = {"bos_token_id": 101, "cls_token_id": 101, "eos_token_id": 102, "sep_token_id": 102, "pad_token_id": 0}
CONFIGS = {
    "bert": BertConfig(**SMALL, max_position_embeddings=64),
    "xlm-roberta": XLMRobertaConfig(**SMALL, max_position_embeddings=66, pad_token_id=1),
    "mpnet": MPNetConfig(**SMALL, max_position_embeddings=66),
    "modernbert": ModernBertConfig(**SMALL, **ENDS, max_position_embeddings=64),
}
TEXTS = ["", "Turn the valve.", "Turn the valve to the left. " * 40]


def plain(folder: Path, config: PreTrainedConfig, tokenizer: Path, length: int) -> Path:
    """A folder as the Hub has it of an encoder: random weights, a real tokenizer that cuts at `length`."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        AutoModel.from_config(config).save_pretrained(folder)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    words = PreTrainedTokenizerFast(tokenizer_file=str(tokenizer / "tokenizer.json"), model_max_length=length, **names)
    words.save_pretrained(folder)
    return folder


def edit(path: Path, **keys: object) -> None:
    path.write_text(json.dumps((json.loads(path.read_text()) if path.exists() else {}) | keys))


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "e5-base-v2"))


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_plain_encoder_is_pooled_by_the_mean_and_normalized(kind, tiny_model, tmp_path):
    folder = plain(tmp_path / kind, CONFIGS[kind], tiny_model, length=64)
    inspect(folder)
    model = load(folder)
    _, pooling, last = model
    assert isinstance(pooling, Pooling) and pooling.pooling_mode == "mean"
    assert isinstance(last, Normalize)
    vectors = Encoder(model).passages(TEXTS)
    assert vectors.shape == (3, 32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    model.save_pretrained(str(tmp_path / "saved"), create_model_card=False)
    assert np.allclose(Encoder.load(tmp_path / "saved").passages(TEXTS), vectors, atol=1e-6), "as a whole model"


def test_a_whole_model_stays_as_it_is(tiny_model):
    assert [type(module).__name__ for module in load(tiny_model)] == ["Transformer", "Pooling"]


def test_what_a_plain_encoder_lacks_is_the_same_each_time_and_no_seed_is_touched(copy):
    (copy / "modules.json").unlink()
    weights = copy / "model.safetensors"
    save_file({name: value for name, value in load_file(weights).items() if "pooler" not in name}, weights)
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        states.append(load(copy).state_dict())
        drawn = torch.rand(1)
        torch.manual_seed(seed)
        assert torch.equal(torch.rand(1), drawn)
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())


def test_a_family_gives_the_prompts_that_the_folder_lacks(copy, tiny_model, tmp_path):
    assert load(tiny_model).prompts == {"query": "", "document": ""}
    assert load(copy).prompts == {"query": "query: ", "document": "passage: "}
    artifact = tmp_path / "artifact"
    write_model(artifact, tiny_model, reference="s3://models/bge-base-en-v1.5@0123")
    assert load(artifact).prompts["query"].startswith("Represent this sentence")
    assert not load(artifact).prompts["document"]


@pytest.mark.parametrize("name", ["document", "passage"])
def test_a_models_own_prompts_are_kept(copy, name):
    edit(copy / "config_sentence_transformers.json", prompts={name: "read: "})
    encoder = Encoder.load(copy)
    assert encoder.document_prompt == "read: "
    assert encoder.model.prompts["query"] == "query: "


def whole(folder: Path, config: PreTrainedConfig, tokenizer: Path, length: int) -> Path:
    """A sentence-transformers folder that lets `length` tokens through, whatever the encoder has positions for."""
    load(plain(folder / "plain", config, tokenizer, length=64)).save_pretrained(str(folder), create_model_card=False)
    edit(folder / "sentence_bert_config.json", max_seq_length=length)
    return folder


@pytest.mark.parametrize(
    ("kind", "make"),
    [("bert", whole), ("xlm-roberta", whole), ("mpnet", whole), ("xlm-roberta", plain), ("mpnet", plain)],
)
def test_a_tokenizer_that_outgrows_the_positions_is_refused(kind, make, tiny_model, tmp_path):
    folder = make(tmp_path / kind, CONFIGS[kind], tiny_model, length=65)
    with pytest.raises(UserError, match=f"{kind} lets through .*found 65 tokens, expected at most 64") as caught:
        load(folder)
    assert caught.value.code == "TOO_FEW_POSITIONS"
    assert "model_max_length in tokenizer_config.json to 64" in caught.value.fix
    with pytest.raises((RuntimeError, IndexError)):  # what would have ended a run
        SentenceTransformer(str(folder), device="cpu").encode(TEXTS[2])


def test_a_model_without_a_table_of_positions_takes_what_its_tokenizer_lets_through(tiny_model, tmp_path):
    encoder = Encoder.load(whole(tmp_path / "m", CONFIGS["modernbert"], tiny_model, length=200))
    assert encoder.model.max_seq_length == 200
    assert np.linalg.norm(encoder.passages(TEXTS), axis=1) == pytest.approx(1, abs=1e-5)


def test_pooling_without_the_prompt_is_refused(copy):
    edit(copy / "1_Pooling" / "config.json", include_prompt=False)
    with pytest.raises(UserError, match="include_prompt: false") as caught:
        load(copy)
    assert caught.value.code == "PROMPT_POOLING"

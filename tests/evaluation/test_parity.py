"""The parity texts and the vectors that the evaluation makes of them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize

from components.evaluation import parity, reference
from components.evaluation.parity import DOCUMENTS, QUERIES, Parity
from components.retrieval import encoder

LONG = {"document": "about: ", "query": "ask: "}


@pytest.fixture(scope="module")
def model(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = shutil.copytree(tiny_model, tmp_path_factory.mktemp("parity") / "model")
    settings = folder / "config_sentence_transformers.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"prompts": LONG}))
    return folder


@pytest.fixture(scope="module")
def found(model: Path) -> Parity:
    return reference.measure(model, "f" * 64)


def test_the_texts_are_few_distinct_and_long_ones_are_among_them(tiny_model: Path) -> None:
    every = [*QUERIES, *DOCUMENTS]
    tokens = SentenceTransformer(str(tiny_model), device="cpu").tokenizer
    assert 36 <= len(set(every)) == len(every) <= 60
    assert all(text and text == text.strip(" ") for text in every), "servers differ in what they cut off"
    assert sorted(len(tokens(text)["input_ids"]) for text in every)[-1] > 512


def test_the_vectors_are_those_of_the_public_api_in_fp32_whatever_the_hardware_prefers(
    model: Path, found: Parity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoder, "precision", lambda device: "bf16")
    assert reference.measure(model, "f" * 64) == found
    user = SentenceTransformer(str(model), device="cpu")
    for kind, encode in (("queries", user.encode_query), ("documents", user.encode_document)):
        texts = [one.text for one in found.of(kind)]
        expected = encode(texts, normalize_embeddings=True, show_progress_bar=False)
        assert np.abs(found.vectors(kind) - expected).max() < 1e-5
        assert np.abs(found.vectors(kind) - user.encode(texts, normalize_embeddings=True)).max() > 1e-2, "no prompt"


def test_it_says_how_the_model_is_to_be_served(found: Parity) -> None:
    assert (found.prompts, found.pooling, found.dimension, found.max_length) == (LONG, "mean", 128, 128)
    assert (found.normalized, found.tolerance, found.fingerprint) == (False, 1e-4, "f" * 64)
    assert {one.text for one in found.documents if one.cut} == set(DOCUMENTS[-2:])
    assert not any(one.cut for one in found.queries)


def test_a_model_that_normalizes_by_itself_says_so(model: Path, tmp_path: Path) -> None:
    made = SentenceTransformer(str(model), device="cpu")
    made.append(Normalize())
    made.save_pretrained(str(tmp_path / "unit"), create_model_card=False)
    assert reference.measure(tmp_path / "unit", "f" * 64).normalized


def test_the_artifact_comes_back_and_equal_models_make_equal_bytes(found: Parity, tmp_path: Path) -> None:
    for name in ("one", "two"):
        parity.write(found, tmp_path / name, {})
    assert parity.read(tmp_path / "one") == found
    assert (tmp_path / "one/manifest.json").read_bytes() == (tmp_path / "two/manifest.json").read_bytes()

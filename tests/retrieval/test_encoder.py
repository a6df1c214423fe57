"""The encoder on a real small model."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from components.retrieval import encoder as module
from components.retrieval.encoder import Encoder
from components.store.errors import UserError

TEXTS = [f"Step {n}: " + "turn the screw and check the gauge, " * (n * 4 % 9) + "then write it down." for n in range(9)]


@pytest.fixture
def encoder(tiny_model: Path) -> Encoder:
    return Encoder.load(tiny_model)


def alike(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The cosine of each row of `a` with the same row of `b`; both hold unit vectors."""
    return (a * b).sum(axis=1)


def test_the_order_is_kept_and_vectors_have_length_one(encoder, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 4)
    together = encoder.passages(TEXTS)
    alone = np.concatenate([encoder.passages([text]) for text in TEXTS])
    assert together.shape == (len(TEXTS), 128)
    assert together.dtype == np.float32
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    assert ((together @ alone.T).argmax(axis=1) == np.arange(len(TEXTS))).all()
    assert alike(together, alone).min() > 0.999


def test_bf16_is_close_to_fp32(encoder):
    vectors = {}
    for encoder.precision in ("fp32", "bf16"):
        vectors[encoder.precision] = encoder.queries(TEXTS)
    assert alike(vectors["fp32"], vectors["bf16"]).min() > 0.99
    assert not np.array_equal(vectors["fp32"], vectors["bf16"])


@pytest.mark.parametrize("name", ["document", "passage", "corpus"])
def test_the_models_prompts_are_used(encoder, name):
    encoder.precision = "fp32"
    plain = encoder.queries(TEXTS)
    assert np.array_equal(plain, encoder.passages(TEXTS)), "a model without prompts"
    encoder.model.prompts = {"query": "Ask: ", name: "Read: "}
    queries, passages = encoder.queries(TEXTS), encoder.passages(TEXTS)
    encoder.model.prompts = {}
    assert alike(queries, encoder.queries([f"Ask: {text}" for text in TEXTS])).min() > 0.9999
    assert alike(passages, encoder.queries([f"Read: {text}" for text in TEXTS])).min() > 0.9999
    assert alike(queries, plain).min() < 0.999
    assert alike(passages, queries).min() < 0.999


def test_no_texts_give_no_vectors(encoder):
    assert encoder.queries([]).shape == (0, 128)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (
            "modules.json",
            b'[{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.FromTheFuture"}]',
        ),
        ("model.safetensors", b"\x08\0\0\0\0\0\0\0{}"),
        ("config.json", b'{"model_type": "from-the-future"}'),
        ("1_Pooling/config.json", b'{"from_the_future": 1}'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_model_that_does_not_load_is_refused(tiny_model, tmp_path, name, body):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    (folder / name).write_bytes(body)
    with pytest.raises(UserError, match="model does not load") as caught:
        Encoder.load(folder)
    assert caught.value.code == "NOT_A_MODEL"

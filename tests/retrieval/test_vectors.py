"""The cache of passage vectors, in a real object store."""

from pathlib import Path

import numpy as np
import pytest

from components.retrieval import vectors
from components.retrieval.encoder import Encoder

TEXTS = [f"Passage {n} is about valve {n * n} of the boiler." for n in range(40)]


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that any encoder encodes as a passage, in order."""
    seen: list[str] = []
    real = Encoder.passages

    def passages(self, texts, unit="passages"):
        seen.extend(texts)
        return real(self, texts, unit)

    monkeypatch.setattr(Encoder, "passages", passages)
    return seen


@pytest.fixture
def encoder(tiny_model: Path) -> Encoder:
    return Encoder.load(tiny_model)


def test_a_text_is_encoded_once_for_one_model(encoder, encoded, place):
    plain = encoder.passages(TEXTS)
    encoded.clear()
    first = vectors.passages(encoder, "model 1", TEXTS, place, "passages")
    assert encoded == TEXTS
    assert np.array_equal(first, plain)
    encoded.clear()
    assert np.array_equal(vectors.passages(encoder, "model 1", TEXTS[::-1], place, "passages"), plain[::-1])
    assert encoded == []
    changed = [*TEXTS[:7], "Passage 7 was rewritten.", *TEXTS[8:]]
    again = vectors.passages(encoder, "model 1", changed, place, "passages")
    assert encoded == ["Passage 7 was rewritten."]
    assert np.array_equal(np.delete(again, 7, axis=0), np.delete(plain, 7, axis=0))
    assert np.array_equal(again[7:8], encoder.passages(["Passage 7 was rewritten."]))


@pytest.mark.parametrize("other", ["fingerprint", "precision", "state", "prompt"])
def test_what_computes_otherwise_does_not_hit(encoder, encoded, place, other):
    vectors.passages(encoder, "model 1", TEXTS[:3], place, "passages")
    encoded.clear()
    if other == "precision":
        encoder.precision = {"fp32": "bf16", "bf16": "fp32"}[encoder.precision]
    if other == "prompt":
        encoder.model.prompts["document"] = "passage: "
    fingerprint = "model 2" if other == "fingerprint" else "model 1"
    vectors.passages(encoder, fingerprint, TEXTS[:3], f"{place}/b" if other == "state" else place, "passages")
    assert encoded == TEXTS[:3]

"""The cache of passage vectors, in a real object store."""

from pathlib import Path

import numpy as np
import pytest

from components.retrieval import vectors
from components.retrieval.encoder import Encoder
from components.store.errors import TouchstoneError
from components.store.s3 import Folder

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
    encoded.clear()
    assert np.array_equal(vectors.passages(encoder, "model 1", TEXTS, place, "passages"), plain)
    assert encoded == []


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


def test_a_repeated_text_is_encoded_once_and_has_one_vector(encoder, encoded, place):
    vectors.passages(encoder, "model 1", TEXTS[:3], place, "passages")
    encoded.clear()
    found = vectors.passages(encoder, "model 1", [TEXTS[9], TEXTS[1], TEXTS[9], TEXTS[1]], place, "passages")
    assert encoded == [TEXTS[9]]
    assert np.array_equal(found[:2], found[2:])
    assert found[1:2] == pytest.approx(encoder.passages([TEXTS[1]]), abs=1e-2)


def test_what_was_encoded_before_a_run_died_is_kept(encoder, encoded, place, monkeypatch):
    monkeypatch.setattr(vectors, "AT_ONCE", 10)
    real = encoder.passages

    def dying(texts, unit):
        if "part 3" in unit:
            raise KeyboardInterrupt
        return real(texts, unit)

    monkeypatch.setattr(encoder, "passages", dying)
    with pytest.raises(KeyboardInterrupt):
        vectors.passages(encoder, "model 1", TEXTS, place, "passages")
    before = set(encoded)
    monkeypatch.setattr(encoder, "passages", real)
    found = vectors.passages(encoder, "model 1", TEXTS, place, "passages")
    assert 2 <= len(before) <= 20
    assert sorted(encoded) == sorted(TEXTS), "every text once in the two runs"
    assert ((found @ encoder.passages(TEXTS).T).argmax(axis=1) == np.arange(len(TEXTS))).all()


@pytest.mark.parametrize("damage", ["other bytes", "cut off"])
def test_a_shelf_that_cannot_be_read_is_made_again(encoder, encoded, place, damage):
    first = vectors.passages(encoder, "model 1", TEXTS, place, "passages")
    folder = Folder(f"{place}/cache/vectors")
    for entry in list(folder.list()):
        body = folder.read(entry.key)
        folder.write(entry.key, b"not a shelf" if damage == "other bytes" else body[: len(body) // 2])
    encoded.clear()
    assert np.array_equal(vectors.passages(encoder, "model 1", TEXTS, place, "passages"), first)
    assert encoded == TEXTS


def test_the_vectors_lie_in_a_file_and_a_full_disk_is_told_before(encoder, place, monkeypatch):
    found = vectors.passages(encoder, "model 1", TEXTS[:3], place, "passages")
    assert isinstance(found.base, np.memmap)
    free = vectors.shutil.disk_usage("/")._replace(free=3 * 128 * 4 - 1)
    monkeypatch.setattr(vectors.shutil, "disk_usage", lambda _: free)
    with pytest.raises(TouchstoneError, match="1,535 bytes") as caught:
        vectors.passages(encoder, "model 1", TEXTS[:3], place, "passages")
    assert caught.value.code == "DISK_FULL"

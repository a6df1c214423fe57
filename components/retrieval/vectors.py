"""Passage vectors, kept in the state by what made them, so that no run encodes a passage twice with one model."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import defaultdict

import numpy as np
import sentence_transformers
import torch
import transformers

from components.retrieval.encoder import Encoder
from components.retrieval.index import Vectors
from components.store.cache import Cache

Known = dict[str, np.ndarray]

VERSION = 1
"""Raise it with every change of `encoder.py` that changes a vector: old and new ones must never be compared."""


def passages(encoder: Encoder, fingerprint: str, texts: list[str], state: str, unit: str) -> Vectors:
    """Vectors of the texts (n x dimension): those known from earlier runs, the rest encoded and kept.

    Args:
        encoder: The model.
        fingerprint: What the model computes with (`store.models.Model.fingerprint`).
        texts: Passage texts.
        state: The line's state, where the cache lives.
        unit: What progress counts, for the screen.
    """
    cache = Cache(state, "vectors")
    names = [hashlib.sha256(text.encode()).hexdigest() for text in texts]
    shelves: dict[str, list[int]] = defaultdict(list)
    for position, name in enumerate(names):
        shelves[name[0]].append(position)
    known = {shelf: _load(cache, _key(encoder, fingerprint, shelf)) for shelf in shelves}
    missing = [i for i, name in enumerate(names) if name not in known[name[0]]]
    fresh: Vectors | list[Vectors] = encoder.passages([texts[i] for i in missing], unit) if missing else []
    for i, vector in zip(missing, fresh, strict=True):
        known[names[i][0]][names[i]] = vector
    for shelf in {names[i][0] for i in missing}:
        _store(cache, _key(encoder, fingerprint, shelf), known[shelf])
    return np.stack([known[name[0]][name] for name in names])


def _key(encoder: Encoder, fingerprint: str, shelf: str) -> list[object]:
    made_by = [torch.__version__, transformers.__version__, sentence_transformers.__version__, VERSION]
    made_by.append(encoder.document_prompt)  # a family's prompt is in no file that the fingerprint is of
    return [fingerprint, encoder.precision, encoder.device.partition(":")[0], *made_by, shelf]


def _load(cache: Cache, key: list[object]) -> Known:
    body = cache.get(key)
    try:
        with np.load(io.BytesIO(body or b""), allow_pickle=False) as kept:
            return dict(zip(kept["names"].tolist(), kept["vectors"], strict=True))
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
        return {}  # nothing kept yet, or not what was written: encode again


def _store(cache: Cache, key: list[object], known: Known) -> None:
    body = io.BytesIO()
    np.savez(body, names=np.array(list(known)), vectors=np.stack(list(known.values())))
    cache.put(key, body.getvalue())

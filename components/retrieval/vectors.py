"""Passage vectors, kept in the state by what made them, so that no run encodes a passage twice with one model.

They are kept on 16 shelves, by the first digit of the text's digest. One shelf at a time is in memory; what comes off
them lies in a file that is mapped, so memory grows with a shelf and not with the corpus.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sentence_transformers
import torch
import transformers

from components.retrieval.encoder import Encoder
from components.retrieval.index import Vectors
from components.store.cache import Cache
from components.store.errors import TouchstoneError

Names = npt.NDArray[np.bytes_]
"""Digests of texts in hexadecimal."""
Places = npt.NDArray[np.int64]

VERSION = 1
"""Raise it with every change of `encoder.py` that changes a vector: old and new ones must never be compared."""

AT_ONCE = 32_768
"""Texts encoded before what came out is kept; or one whole shelf, where that is more."""


def passages(encoder: Encoder, fingerprint: str, texts: list[str], state: str, unit: str) -> Vectors:
    """Vectors of the texts (n x dimension): those known from earlier runs, the rest encoded and kept.

    Args:
        encoder: The model.
        fingerprint: What the model computes with (`store.models.Model.fingerprint`).
        texts: Passage texts.
        state: The line's state, where the cache lives.
        unit: What progress counts, for the screen.

    Returns:
        Rows of a temporary file, mapped. The file has no name, so it goes when the array goes, or the process.

    Raises:
        TouchstoneError: DISK_FULL.
    """
    shelves = _Shelves(encoder, fingerprint, Cache(state, "vectors"))
    digests = np.fromiter((hashlib.sha256(text.encode()).hexdigest() for text in texts), "S64", len(texts))
    names, first, which = np.unique(digests, return_index=True, return_inverse=True)
    vectors = _mapped(len(texts), encoder.dimension)
    missing = {shelf: _fill(vectors, first[part], names[part], shelves.read(shelf)) for shelf, part in _parts(names)}
    blocks = list(_blocks(missing))
    for number, block in enumerate(blocks, start=1):
        new = np.sort(np.concatenate([missing[shelf] for shelf in block]))
        part = f"{unit}, part {number} of {len(blocks)}" if len(blocks) > 1 else unit
        vectors[new] = encoder.passages([texts[place] for place in new], part)
        for shelf in block:
            shelves.add(shelf, digests[missing[shelf]], vectors[missing[shelf]])
    for place in np.flatnonzero(first[which] != np.arange(len(texts))):
        vectors[place] = vectors[first[which[place]]]
    return vectors


def cut(vectors: Vectors, dimension: int) -> Vectors:
    """Their first numbers, as unit vectors again (n x dimension), in a file like that of `passages`."""
    found = _mapped(len(vectors), dimension)
    for start in range(0, len(vectors), AT_ONCE):
        found[start : start + AT_ONCE] = shortened(vectors[start : start + AT_ONCE], dimension)
    return found


def shortened(vectors: Vectors, dimension: int) -> Vectors:
    """Their first numbers, as unit vectors again (n x dimension), in memory."""
    part = vectors[:, :dimension]
    unit: Vectors = part / np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
    return unit


def _mapped(count: int, dimension: int) -> Vectors:
    """An array that lies on the disk; a disk that ran full under it would end the process without a word."""
    size, free = count * dimension * 4, shutil.disk_usage(tempfile.gettempdir()).free
    if free < size:
        raise TouchstoneError(
            "DISK_FULL",
            "there is no room for the passages' vectors in the folder for temporary files",
            found=f"{free:,} bytes",
            expected=f"{size:,}",
            fix="Give the step a larger volume, and name it in TMPDIR.",
        )
    with tempfile.TemporaryFile() as file:
        return np.asarray(np.memmap(file, np.float32, "w+", shape=(count, dimension)))


def _parts(names: Names) -> Iterator[tuple[str, Places]]:
    """Shelf -> which of the names are on it."""
    letters = names.view("S1").reshape(len(names), 64)[:, 0]
    for letter in np.unique(letters):
        yield letter.decode(), np.flatnonzero(letters == letter)


def _fill(vectors: Vectors, places: Places, names: Names, shelf: _Shelf) -> Places:
    """Put the vectors that the shelf has at their places; the places of the others."""
    row = {name: number for number, name in enumerate(shelf.names.tolist())}
    rows = np.array([row.get(name, -1) for name in names.tolist()], np.int64)
    vectors[places[rows >= 0]] = shelf.vectors[rows[rows >= 0]]
    return places[rows < 0]


def _blocks(missing: dict[str, Places]) -> Iterator[list[str]]:
    """Shelves that lack something, as many together as have `AT_ONCE` texts to encode."""
    block: list[str] = []
    for shelf in (shelf for shelf, places in missing.items() if len(places)):
        if block and sum(len(missing[one]) for one in [*block, shelf]) > AT_ONCE:
            yield block
            block = []
        block.append(shelf)
    if block:
        yield block


@dataclass(frozen=True)
class _Shelf:
    """Vectors by the digest of their text."""

    names: Names
    vectors: Vectors


@dataclass(frozen=True)
class _Shelves:
    """What is kept of one model's vectors."""

    encoder: Encoder
    fingerprint: str
    cache: Cache

    def read(self, shelf: str) -> _Shelf:
        """What is kept; nothing, so that all is encoded again, if it is not what was written."""
        body = self.cache.get(self._key(shelf))
        try:
            with np.load(io.BytesIO(body or b""), allow_pickle=False) as kept:
                found = _Shelf(kept["names"].astype("S64"), kept["vectors"])
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
            return self._nothing
        return found if found.vectors.shape == (len(found.names), self.encoder.dimension) else self._nothing

    def add(self, shelf: str, names: Names, vectors: Vectors) -> None:
        """Keep these too."""
        kept, body = self.read(shelf), io.BytesIO()
        every = np.concatenate([kept.names, names]).astype("U64")
        np.savez(body, names=every, vectors=np.concatenate([kept.vectors, vectors]))
        self.cache.put(self._key(shelf), body.getvalue())

    @property
    def _nothing(self) -> _Shelf:
        return _Shelf(np.empty(0, "S64"), np.empty((0, self.encoder.dimension), np.float32))

    def _key(self, shelf: str) -> list[object]:
        made_by = [torch.__version__, transformers.__version__, sentence_transformers.__version__, VERSION]
        made_by.append(self.encoder.document_prompt)  # a family's prompt is in no file that the fingerprint is of
        device = self.encoder.device.partition(":")[0]
        return [self.fingerprint, self.encoder.precision, device, *made_by, shelf]

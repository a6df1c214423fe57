"""What the frozen base thinks of every text: asked once, before training, while the model still is the base."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sentence_transformers import SentenceTransformer
from torch import Tensor
from torch.nn.functional import normalize

from components.retrieval.encoder import workers
from components.retrieval.precision import autocast, precision
from components.store.events import Progress
from components.training.collate import pad
from components.training.texts import Texts

BATCH = {"cpu": 32, "cuda": 512}
"""Texts in one pass."""


class Guide:
    """Unit vectors of all texts (texts x dimensions, half precision), in a file that processes share."""

    def __init__(self, path: Path) -> None:
        """Map the file that `write` filled."""
        self._known = np.lib.format.open_memmap(path, mode="r")

    def vectors(self, numbers: Tensor) -> Tensor:
        """The vectors of some texts (numbers x dimensions), where the numbers are."""
        wanted = numbers.cpu().numpy()
        return torch.from_numpy(self._known[wanted]).to(numbers.device).float()


def create(path: Path, texts: Texts, dimensions: int) -> None:
    """Make the file, empty."""
    np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(len(texts), dimensions)).flush()


def write(path: Path, texts: Texts, model: SentenceTransformer, *, part: int, parts: int, padding: int) -> None:
    """Fill every `parts`-th batch of the file, beginning with `part`: each process of a machine has its own.

    Which texts share a batch depends on the texts alone, so that a restart finds the same vectors.
    """
    device = str(model.device)
    known = np.lib.format.open_memmap(path, mode="r+")
    batches = _batches(texts, BATCH[device.partition(":")[0]])[part::parts]
    progress = Progress(sum(map(len, batches)), "texts, base")
    model.eval()
    with workers(device) as run:
        for numbers, vectors in zip(
            batches, run(lambda some: _embed(model, texts, some, padding), batches), strict=True
        ):
            known[numbers] = vectors
            progress.add(len(numbers))
    known.flush()


def _batches(texts: Texts, size: int) -> list[list[int]]:
    """Numbers of all texts, the longest first."""
    order = np.argsort(-texts.lengths, kind="stable")
    return [order[start : start + size].tolist() for start in range(0, len(order), size)]


def _embed(model: SentenceTransformer, texts: Texts, numbers: list[int], padding: int) -> npt.NDArray[np.float16]:
    device = str(model.device)
    ids, mask = pad([texts.text(number) for number in numbers], padding)
    features = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
    with torch.inference_mode(), autocast(device, precision(device)):
        found = normalize(model(features)["sentence_embedding"].float(), dim=1)
    vectors: npt.NDArray[np.float16] = found.half().cpu().numpy()
    return vectors

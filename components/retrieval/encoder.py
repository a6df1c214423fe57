"""The one encoder: prompts of the model, precision by the hardware, batches sorted by length.

It serves mining, the evaluations on dev while training, and the scoring, so that a model is always asked in the
same way.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from components.corpus.tokens import PROMPTS
from components.retrieval.index import Vectors
from components.retrieval.loading import load
from components.retrieval.precision import autocast, precision
from components.store.events import Progress

CHUNK = 64
"""Texts of one piece of work, and between two reports of progress."""

BATCH = 32


class Encoder:
    """Encodes queries and passages with one model."""

    def __init__(self, model: SentenceTransformer) -> None:
        """Use a model that is in memory already (while it trains)."""
        self.model = model
        self.device = str(model.device)
        self.precision = precision(self.device)

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        """Load a model folder that passed intake.

        Raises:
            UserError: NOT_A_MODEL, PROMPT_POOLING, TOO_FEW_POSITIONS (`retrieval.loading`).
        """
        return cls(load(folder))

    @property
    def prompts(self) -> dict[str, str]:
        """What the model wants before a query and before a document."""
        return {"query": self._prompt("query"), "document": self._prompt(*PROMPTS)}

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors of queries (n x dimension), with the model's query prompt."""
        return self._encode(texts, self.prompts["query"], "queries")

    def query(self, text: str) -> Vectors:
        """The unit vector of one query (1 x dimension), as a service would make it: nothing is told of progress."""
        self.model.eval()
        return self._forward([text], self.prompts["query"])

    def passages(self, texts: Sequence[str], unit: str = "passages") -> Vectors:
        """Unit vectors of passages (n x dimension), with the model's document prompt; progress is told in `unit`."""
        return self._encode(texts, self.document_prompt, unit)

    @property
    def document_prompt(self) -> str:
        """What the model puts before a passage."""
        return self._prompt(*PROMPTS)

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        return self.model.get_embedding_dimension() or 0

    def _prompt(self, *names: str) -> str:
        """The first prompt the model knows under one of these names."""
        return next((self.model.prompts[name] for name in names if self.model.prompts.get(name)), "")

    def _encode(self, texts: Sequence[str], prompt: str, unit: str) -> Vectors:
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        chunks = [order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        progress = Progress(len(texts), unit)
        self.model.eval()
        with workers(self.device) as run:
            for chunk, found in zip(
                chunks, run(lambda c: self._forward([texts[i] for i in c], prompt), chunks), strict=True
            ):
                vectors[chunk] = found
                progress.add(len(chunk))
        return vectors

    def _forward(self, texts: list[str], prompt: str) -> Vectors:
        with torch.inference_mode(), autocast(self.device, self.precision):
            found = self.model.encode(
                texts, prompt=prompt, batch_size=BATCH, convert_to_tensor=True, show_progress_bar=False
            )
        vectors: Vectors = torch.nn.functional.normalize(found.float(), dim=1).cpu().numpy()
        return vectors


@contextlib.contextmanager
def workers(device: str) -> Iterator[Callable[..., Iterator[Vectors]]]:
    """How chunks are run: one after the other on a GPU; on a processor one on each core.

    A small model's matrix products are too small to be shared by cores: one chunk a core with one thread each ran a
    fifth faster than one chunk on two threads. The tokenizer's settings are made by the first chunk, alone.
    """
    threads = torch.get_num_threads()
    if device != "cpu" or threads == 1:
        yield map
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:

            def run(work: Callable[[list[int]], Vectors], chunks: list[list[int]]) -> Iterator[Vectors]:
                yield from map(work, chunks[:1])
                yield from pool.map(work, chunks[1:])

            yield run
    finally:
        torch.set_num_threads(threads)

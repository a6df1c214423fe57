"""Products of queries and blocks of passages, in exact float32, where this process computes fastest."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from components.retrieval.index import Vectors
from components.retrieval.precision import device

Multiply = Callable[[Vectors], Iterator[Vectors]]
"""Of a block of passages, the scores of each part of the queries (queries x passages), one part after the other."""


def multiplier(parts: Sequence[Vectors]) -> Multiply:
    """By torch on a GPU, else by numpy."""
    return by_torch(parts, device()) if torch.cuda.is_available() else by_numpy(parts)


def by_numpy(parts: Sequence[Vectors]) -> Multiply:
    """On the processor."""
    return lambda passages: (part @ passages.T for part in parts)


def by_torch(parts: Sequence[Vectors], device: str) -> Multiply:
    """On a device, whose memory holds all queries, one block of passages, and the scores of one part."""
    there = [torch.from_numpy(np.ascontiguousarray(part)).to(device) for part in parts]

    def multiply(passages: Vectors) -> Iterator[Vectors]:
        block = torch.from_numpy(passages).to(device)
        for part in there:
            with exact(device):
                scores = part @ block.T
            yield scores.cpu().numpy()

    return multiply


@contextlib.contextmanager
def exact(device: str) -> Iterator[None]:
    """Neither autocast nor TensorFloat-32 (10 bits of mantissa), whatever the caller trains with."""
    kept = torch.backends.cuda.matmul.fp32_precision
    torch.backends.cuda.matmul.fp32_precision = "ieee"
    try:
        with torch.inference_mode(), torch.autocast(device.partition(":")[0], enabled=False):
            yield
    finally:
        torch.backends.cuda.matmul.fp32_precision = kept

"""The loss: multiple-negatives ranking, its false negatives masked by a frozen guide, in the memory there is.

Half of a padded random batch is padding. So the texts of a batch come sorted by length and go through the model in
chunks, each as wide as its own longest text; the loss then sees the whole batch at once. Where the activations of a
batch do not fit, they are computed twice, chunk by chunk (GradCache, Gao et al. 2021, by sentence-transformers): the
same loss and the same gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from sentence_transformers.base.losses.gradcache import CachedLossMixin
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from components.training.gather import gather
from components.training.guide import Guide
from components.training.masking import Mask

BLOCK = 1024
"""Anchors ranked at once: bounds the memory of the scores."""

Features = dict[str, Tensor]


@dataclass(frozen=True)
class Chunks:
    """How much goes through the model at once.

    Attributes:
        texts: Texts in a chunk, where `tokens` is None.
        tokens: Tokens in a chunk, padding included.
        cached: Compute activations twice rather than keep all of them.
    """

    texts: int = 16
    tokens: int | None = None
    cached: bool = False

    def cut(self, ids: Tensor, mask: Tensor) -> Iterator[Features]:
        """Chunks of a padded batch whose longest text is the first, each as wide as its own longest."""
        lengths = mask.sum(dim=1).tolist()
        begin = 0
        while begin < len(lengths):
            width = lengths[begin]
            end = begin + (max(1, self.tokens // width) if self.tokens else self.texts)
            yield {"input_ids": ids[begin:end, :width], "attention_mask": mask[begin:end, :width]}
            begin = end


@dataclass(frozen=True)
class Objective:
    """What is minimized.

    Attributes:
        temperature: Divides the cosines.
        symmetric: Rank anchors by positives too.
        dimensions: Ranked by the first so many dimensions, each; empty for all of them alone.
        towards_base: Weight of the mean squared distance between a text's unit vector and the base's.
        gather: See the batches of all processes.
    """

    temperature: float = 0.05
    symmetric: bool = True
    dimensions: tuple[int, ...] = ()
    towards_base: float = 0.0
    gather: bool = False


class RankingLoss(CachedLossMixin, nn.Module):
    """Multiple-negatives ranking (Henderson et al. 2017) of one joint batch.

    Features come from `Collator`: one group, longest text first. The cached loss gets every chunk as a column of its
    own, so that the library does not cut it again.
    """

    mini_batch_size = 1 << 30

    def __init__(
        self, model: nn.Module, objective: Objective, *, columns: int, chunks: Chunks, guide: Guide | None, mask: Mask
    ) -> None:
        """Rank batches of so many columns: anchors, positives, hard negatives."""
        super().__init__()
        self.model, self.objective, self.columns, self.chunks = model, objective, columns, chunks
        self.guide, self.mask = guide, mask

    def forward(self, sentence_features: Iterable[Features], labels: Tensor | None = None) -> Tensor:
        """The loss of one batch (a scalar)."""
        (features,) = sentence_features
        places = Places(features["numbers"], features["order"])
        chunks = list(self.chunks.cut(features["input_ids"], features["attention_mask"]))
        if self.chunks.cached and torch.is_grad_enabled():
            return self.forward_cached(chunks, places)
        return self.calculate_loss([[self.model(chunk)["sentence_embedding"]] for chunk in chunks], places)

    def calculate_loss(self, reps: list[list[Tensor]], labels: Any = None, *, with_backward: bool = False) -> Tensor:
        """The loss of the vectors of all chunks; `labels` are their `Places`."""
        places: Places = labels
        joined = torch.cat([vectors for (vectors,) in reps])
        vectors = joined.detach().requires_grad_() if with_backward else joined
        with torch.autocast(vectors.device.type, enabled=False):
            batch = self._batch(vectors.float()[places.order], places)
            loss = torch.stack([part * weight for part, weight in self._parts(batch)]).sum()
        if with_backward:
            loss.backward()
            joined.backward(vectors.grad)
        return loss.detach() if with_backward else loss

    def _batch(self, vectors: Tensor, places: Places) -> Batch:
        """Columns of this process and, if they are seen, of all of them."""
        own = vectors.view(self.columns, -1, vectors.shape[1])
        guiding = self.guide.vectors(places.numbers).view(self.columns, len(own[0]), -1) if self.guide else None
        numbers = places.numbers.view(self.columns, -1)
        if not self.objective.gather:
            return Batch(own, own, numbers, guiding, guiding, 0)
        seen = None if guiding is None else gather(guiding)
        return Batch(own, gather(own), gather(numbers), guiding, seen, dist.get_rank() * own.shape[1])

    def _parts(self, batch: Batch) -> Iterator[tuple[Tensor, float]]:
        """What the loss is the sum of, each with its weight."""
        sizes = self.objective.dimensions or (batch.own.shape[2],)
        directions = 2 if self.objective.symmetric else 1
        for begin in range(0, batch.size, BLOCK):
            rows = torch.arange(begin, min(begin + BLOCK, batch.size), device=batch.own.device)
            share = len(rows) / batch.size / directions / len(sizes)
            forbidden = self.mask.documents(batch, rows)
            yield from ((batch.rank_documents(rows, size, forbidden, self._scale), share) for size in sizes)
            if self.objective.symmetric:
                forbidden = self.mask.anchors(batch, rows)
                yield from ((batch.rank_anchors(rows, size, forbidden, self._scale), share) for size in sizes)
        if self.objective.towards_base and batch.guiding is not None:
            yield batch.distance(), self.objective.towards_base

    @property
    def _scale(self) -> float:
        return 1 / self.objective.temperature


@dataclass(frozen=True)
class Places:
    """Which texts a batch is made of.

    Attributes:
        numbers: Number of each text (columns * pairs), column by column.
        order: Where each of them stands among the sorted ones.
    """

    numbers: Tensor
    order: Tensor


@dataclass(frozen=True)
class Batch:
    """Vectors of one process's batch, and of everything its anchors are ranked against.

    Attributes:
        own: This process's (columns x pairs x dimensions).
        all: All processes' (columns x pairs of all x dimensions); `own` where they are not seen.
        numbers: Numbers of the texts of `all` (columns x pairs of all).
        guiding: The guide's unit vectors of `own`, if there is one.
        guides: The guide's unit vectors of `all`.
        offset: Where this process's pairs begin among all.
    """

    own: Tensor
    all: Tensor
    numbers: Tensor
    guiding: Tensor | None
    guides: Tensor | None
    offset: int

    @property
    def size(self) -> int:
        """Pairs of this process."""
        return int(self.own.shape[1])

    def rank_documents(self, rows: Tensor, size: int, forbidden: Tensor, scale: float) -> Tensor:
        """Cross-entropy of the positives among all documents, for some anchors."""
        documents = normalize(self.all[1:, :, :size].flatten(0, 1), dim=1)
        scores = normalize(self.own[0, rows, :size], dim=1) @ documents.T * scale
        return cross_entropy(scores.masked_fill(forbidden, -torch.inf), rows + self.offset)

    def rank_anchors(self, rows: Tensor, size: int, forbidden: Tensor, scale: float) -> Tensor:
        """Cross-entropy of the anchors among all anchors, for some positives."""
        anchors = normalize(self.all[0, :, :size], dim=1)
        scores = normalize(self.own[1, rows, :size], dim=1) @ anchors.T * scale
        return cross_entropy(scores.masked_fill(forbidden, -torch.inf), rows + self.offset)

    def distance(self) -> Tensor:
        """Mean squared distance of unit vectors to the guide's: twice one minus the cosine."""
        assert self.guiding is not None
        return (normalize(self.own, dim=2) - self.guiding).square().sum(dim=2).mean()

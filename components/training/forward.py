"""The forward pass of a batch without most of its padding, for the same loss and gradients.

Half of a random batch is padding, and on a processor every padded token costs as much as a real one. So the texts of
a column are sorted by length and go through the model in chunks, each as wide as its own longest text; the loss then
sees the whole batch at once. On a GPU one wide forward is faster, so nothing changes there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from torch import Tensor

CHUNK = 16
"""Texts in one forward on a processor."""

Features = dict[str, Tensor]


class RankingLoss(MultipleNegativesRankingLoss):
    """Multiple-negatives ranking (Henderson et al. 2017) over embeddings made in length-sorted chunks."""

    def forward(self, sentence_features: Iterable[Features], labels: Tensor) -> Tensor:
        """The loss of one batch; columns are anchors, positives and, if there are any, negatives."""
        columns = list(sentence_features)
        if columns[0]["attention_mask"].device.type != "cpu":
            return super().forward(columns, labels)
        return self.compute_loss_from_embeddings([embed(self.model, column) for column in columns], labels)


def embed(model: Callable[[Features], Features], features: Features, chunk: int = CHUNK) -> Tensor:
    """Embeddings (n x dimension) of a padded column, in its order."""
    lengths = features["attention_mask"].sum(dim=1)
    order = lengths.argsort(descending=True)
    parts = [model(_trim(features, rows))["sentence_embedding"] for rows in order.split(chunk)]
    return torch.cat(parts)[order.argsort()]


def _trim(features: Features, rows: Tensor) -> Features:
    """The rows, without the columns that are padding in all of them."""
    used = features["attention_mask"][rows].any(dim=0)
    wide = features["attention_mask"].shape
    return {
        name: value[rows][:, used] if isinstance(value, Tensor) and value.shape == wide else value
        for name, value in features.items()
    }

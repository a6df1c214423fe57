"""Length-sorted chunks: the same loss and the same gradients as one padded batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

from components.training.forward import RankingLoss
from tests.training.conftest import ACTIONS, THINGS, body

ANCHORS = [f"{action} {thing}" for thing in THINGS for action in ACTIONS][:40]
POSITIVES = [body(*anchor.split()) * (1 + i % 4) for i, anchor in enumerate(ANCHORS)]


def gradients(model: SentenceTransformer, loss: type[MultipleNegativesRankingLoss]) -> tuple[float, torch.Tensor]:
    """Loss and all gradients of one batch, dropout off."""
    model.eval()
    model.zero_grad()
    value = loss(model, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction")(
        [model.preprocess(ANCHORS), model.preprocess(POSITIVES)], torch.tensor([])
    )
    value.backward()
    return value.item(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_chunks_change_neither_loss_nor_gradient(tiny_model: Path) -> None:
    model = SentenceTransformer(str(tiny_model), device="cpu")
    padded_loss, padded = gradients(model, MultipleNegativesRankingLoss)
    sorted_loss, ours = gradients(model, RankingLoss)
    assert sorted_loss == pytest.approx(padded_loss, abs=1e-5)
    assert torch.nn.functional.cosine_similarity(padded, ours, dim=0) > 0.99999

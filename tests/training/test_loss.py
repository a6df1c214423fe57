"""The loss: the library's where it has one, in any number of chunks, passes and processes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.losses import (
    GISTEmbedLoss,
    MatryoshkaLoss,
    MultipleNegativesRankingLoss,
)

from components.training.collate import PREFIX, Collator
from components.training.loss import Chunks, Objective, RankingLoss
from components.training.masking import MARGIN, MOST, Mask, close
from components.training.texts import Texts
from tests.training.conftest import ACTIONS, THINGS, body

ANCHORS = [f"{action} {thing}" for thing in THINGS for action in ACTIONS][:40]
POSITIVES = [body(*anchor.split()) * (1 + i % 4) for i, anchor in enumerate(ANCHORS)]
NEGATIVES = POSITIVES[7:] + POSITIVES[:7]
OBJECTIVE = Objective(temperature=0.05, symmetric=False)


class Table:
    """Guide vectors in memory."""

    def __init__(self, vectors: np.ndarray) -> None:
        self.known = torch.from_numpy(vectors)

    def vectors(self, numbers: torch.Tensor) -> torch.Tensor:
        return self.known[numbers]


@pytest.fixture
def model(tiny_model: Path) -> SentenceTransformer:
    """Without dropout, so that two ways can be compared."""
    return SentenceTransformer(str(tiny_model), device="cpu").eval()


def texts_of(model: SentenceTransformer, columns: list[list[str]]) -> Texts:
    """Every text its own number, column by column."""
    tokens = [model.tokenizer(text)["input_ids"] for column in columns for text in column]
    starts = np.concatenate([[0], np.cumsum([len(one) for one in tokens])])
    rows = np.arange(len(tokens), dtype=np.int32).reshape(len(columns), -1).T
    return Texts(np.concatenate(tokens).astype(np.uint32), starts, rows)


def ours(
    model: SentenceTransformer,
    columns: list[list[str]],
    objective: Objective = OBJECTIVE,
    chunks: Chunks | None = None,
    guide: np.ndarray | None = None,
) -> tuple[float, torch.Tensor]:
    """Loss and gradient of one batch by our way."""
    texts = texts_of(model, columns)
    batch = Collator(texts, 0)([dict(enumerate(map(int, row))) for row in texts.rows])
    loss = RankingLoss(
        model,
        objective,
        columns=len(columns),
        chunks=chunks or Chunks(),
        guide=Table(guide) if guide is not None else None,
        mask=Mask(guided=guide is not None),
    )
    return measured(model, loss, [{name.removeprefix(PREFIX): value for name, value in batch.items()}])


def theirs(model: SentenceTransformer, columns: list[list[str]], loss: torch.nn.Module) -> tuple[float, torch.Tensor]:
    """Loss and gradient of one padded batch by the library's."""
    return measured(model, loss, [model.preprocess(column) for column in columns])


def measured(model: SentenceTransformer, loss: torch.nn.Module, features: list) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    value = loss(features, torch.tensor([]))
    value.backward()
    return value.item(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def agree(one: tuple[float, torch.Tensor], other: tuple[float, torch.Tensor]) -> None:
    assert one[0] == pytest.approx(other[0], abs=2e-5)
    assert torch.nn.functional.cosine_similarity(one[1], other[1], dim=0) > 0.99999
    assert one[1].norm() == pytest.approx(other[1].norm().item(), rel=1e-3)


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("columns", [[ANCHORS, POSITIVES], [ANCHORS, POSITIVES, NEGATIVES]])
def test_it_is_the_librarys_ranking_loss_without_its_padding(model, columns, symmetric):
    directions = ("query_to_doc", "doc_to_query") if symmetric else ("query_to_doc",)
    known = MultipleNegativesRankingLoss(model, directions=directions, partition_mode="per_direction")
    if len(columns) == 3:  # ours knows that a hard negative that is the positive of its row's anchor is right
        columns = [columns[0], columns[1], [text + " no" for text in columns[2]]]
    agree(ours(model, columns, replace(OBJECTIVE, symmetric=symmetric)), theirs(model, columns, known))


@pytest.mark.parametrize(
    "chunks", [Chunks(texts=7), Chunks(tokens=300), Chunks(cached=True), Chunks(tokens=99, cached=True)]
)
def test_neither_chunks_nor_passes_change_loss_or_gradient(model, chunks):
    columns, objective = [ANCHORS, POSITIVES, NEGATIVES], Objective(0.03, True, (32, 128), 0.5)
    guide = unit(np.random.default_rng(1).normal(size=(120, 128)))
    agree(ours(model, columns, objective, chunks, guide), ours(model, columns, objective, Chunks(texts=999), guide))


def test_dimensions_are_the_librarys_matryoshka(model):
    inner = MultipleNegativesRankingLoss(model)
    known = MatryoshkaLoss(model, inner, [32, 128], [0.5, 0.5])
    columns = [ANCHORS, POSITIVES]
    agree(ours(model, columns, replace(OBJECTIVE, dimensions=(32, 128))), theirs(model, columns, known))


def test_what_the_guide_finds_close_is_left_out_as_the_librarys_does(model, monkeypatch):
    monkeypatch.setattr("components.training.masking.MOST", 1.0)
    columns = [ANCHORS, POSITIVES]
    guide = SentenceTransformer(
        model.model_card_data.base_model or model[0].auto_model.name_or_path, device="cpu"
    ).eval()
    vectors = guide.encode(ANCHORS + POSITIVES, normalize_embeddings=True)
    known = GISTEmbedLoss(
        model,
        guide,
        temperature=0.05,
        margin_strategy="relative",
        margin=1 - MARGIN,
        contrast_anchors=False,
        contrast_positives=False,
    )
    agree(ours(model, columns, guide=vectors), theirs(model, columns, known))
    assert ours(model, columns, guide=vectors)[0] < ours(model, columns)[0]


def unit(vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return found


def test_at_most_a_tenth_is_left_out_the_closest_first():
    near = torch.tensor(np.random.default_rng(0).uniform(0.96, 1.0, size=(50, 50)).astype(np.float32))
    own = torch.arange(50)
    near[own, own] = 0.9
    found = close(near, own)
    assert (found.sum(dim=1) == int(MOST * 50)).all()
    assert not found[own, own].any()
    assert near[found].min() > 0.99
    assert close(near[:, :9], own[:5].repeat(10)).sum() == 0, "a tenth of nine is none"


def test_what_is_known_to_be_right_is_never_ranked_as_wrong(model):
    """The same positive twice, as two processes may bring it: the other copy is no negative, and counts as none."""
    twice = [[*ANCHORS[:10], ANCHORS[10]], [*POSITIVES[:10], POSITIVES[0]]]
    texts = texts_of(model, twice)
    texts.rows[10, 1] = texts.rows[0, 1]
    mask = Mask(guided=False)
    batch = Collator(texts, 0)([dict(enumerate(map(int, row))) for row in texts.rows])
    loss = RankingLoss(model, replace(OBJECTIVE, symmetric=True), columns=2, chunks=Chunks(), guide=None, mask=mask)
    loss([{name.removeprefix(PREFIX): value for name, value in batch.items()}])
    assert (int(mask.left_out), mask.ranked) == (4, 2 * 11 * 10)


def test_a_penalty_keeps_vectors_where_the_base_has_them(model):
    columns = [ANCHORS, POSITIVES]
    base = model.encode(ANCHORS + POSITIVES, normalize_embeddings=True)
    objective = replace(OBJECTIVE, towards_base=1.0)
    moved = unit(base + 0.1)
    at_home, away = ours(model, columns, objective, guide=base)[0], ours(model, columns, objective, guide=moved)[0]
    expected = np.square(base - moved).sum(axis=1).mean()
    masked = ours(model, columns, OBJECTIVE, guide=base)[0], ours(model, columns, OBJECTIVE, guide=moved)[0]
    assert at_home - masked[0] == pytest.approx(0, abs=1e-5)
    assert away - masked[1] == pytest.approx(expected, rel=1e-3)


RANK = """
import json, sys, torch, numpy as np
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from sentence_transformers import SentenceTransformer
from components.training.collate import PREFIX, Collator
from components.training.fit import freeze_unused
from components.training.loss import Chunks, Objective, RankingLoss
from components.training.masking import Mask
from tests.training.test_loss import ANCHORS, NEGATIVES, POSITIVES, Table, texts_of, unit

dist.init_process_group("gloo")
rank, cached = dist.get_rank(), sys.argv[3] == "cached"
model = SentenceTransformer(sys.argv[1], device="cpu").eval()
texts = texts_of(model, [ANCHORS, POSITIVES, NEGATIVES])
guide = Table(unit(np.random.default_rng(1).normal(size=(120, 128))))
freeze_unused(model)
rows = texts.rows[rank * 20 : rank * 20 + 20]
batch = Collator(texts, 0)([dict(enumerate(map(int, row))) for row in rows])
chunks = Chunks(tokens=200, cached=True) if cached else Chunks()
objective = Objective(0.05, True, (), 0.5, gather=True)
model_of_all, mask = DistributedDataParallel(model), Mask(guided=True)
loss = RankingLoss(model_of_all, objective, columns=3, chunks=chunks, guide=guide, mask=mask)
value = loss([{name.removeprefix(PREFIX): tensor for name, tensor in batch.items()}])
value.backward()
total = value.detach().clone()
dist.all_reduce(total)
gradient = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
if rank == 0:
    torch.save((float(total) / 2, gradient), sys.argv[2])
"""


@pytest.mark.parametrize("kind", ["plain", "cached"])
def test_two_processes_have_the_loss_and_gradient_of_one_with_the_joined_batch(model, tiny_model, tmp_path, kind):
    script, found = tmp_path / "rank.py", tmp_path / "found.pt"
    script.write_text(RANK)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    torchrun += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0"]
    line = [*torchrun, str(script), str(tiny_model), str(found), kind]
    done = subprocess.run(line, check=False, capture_output=True, env=environment())
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    guide = unit(np.random.default_rng(1).normal(size=(120, 128)))
    one = ours(model, [ANCHORS, POSITIVES, NEGATIVES], Objective(0.05, True, (), 0.5), guide=guide)
    agree(tuple(torch.load(found)), one)


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}

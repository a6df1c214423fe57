"""Models that must not be promoted, made of the run's own: some by the product's launcher, some by hand.

Who trains on nonsense here chooses the checkpoint by the same nonsense, so training cannot save the gate the work.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from components.corpus.passages import PASSAGE_SCHEMA, Passage
from components.pairs import judged
from components.pairs.judged import Query
from components.pairs.pair import DROPPED_SCHEMA, PAIR_SCHEMA, Pair
from components.retrieval.encoder import Encoder
from components.store.artifact import Artifact, ArtifactWriter
from components.store.models import write_model
from components.training.config import TrainingConfig
from components.training.job import Data
from components.training.launch import launch

NOISE = 0.2
"""Standard deviation of the noise, in those of each weight's tensor: half of it changed too few rankings."""
STEPS, BATCH = 20, 32
"""Of one training."""
REPEATED = 4 * BATCH
"""Pairs of nonsense: so few that their texts can be learned by heart."""
HARD = 3
"""How many times the recipe's learning rate: few steps must do harm."""


@dataclass(frozen=True)
class School:
    """How the models are trained.

    Attributes:
        base: The run's base.
        tuned: The run's candidate, whose learning rate and temperature are taken.
        config: The recipe's section.
        gpus: How many, as a string.
        work: A folder of this self-test alone.
    """

    base: Path
    tuned: Path
    config: TrainingConfig
    gpus: str
    work: Path

    def train(self, name: str, pairs: Sequence[Pair], goal: Path | None = None) -> Path:
        """Train a model from the run's base; where it lies.

        Args:
            name: Of the folder that everything goes to.
            pairs: What it is trained on.
            goal: A folder with `judged` and `passages` that the checkpoint is chosen by; without it, the pairs.
        """
        folder = self.work / name
        written = write(folder / "pairs", pairs)
        if goal is None:
            _goal(folder, pairs)
        data = Data(written, (goal or folder) / "judged", (goal or folder) / "passages", self.base)
        with _aside(self.work / "training.jsonl"):
            launch(data, self.gpus, self._short(), folder / "model")
        return folder / "model"

    def _short(self) -> TrainingConfig:
        """Few steps, and nothing that would mend what is broken on purpose."""
        known = json.loads((self.tuned / "training.json").read_bytes())
        rate, temperature = max(one[1] for one in known["rates"]), known["temperature"]
        changed: dict[str, Any] = {"steps": STEPS, "batch_size": BATCH, "negatives": None, "evaluations": 1}
        changed |= {"learning_rate": min(1e-2, HARD * rate), "warmup": 0.1}
        changed |= {"blend": False, "mask_false_negatives": False, "towards_base": 0.0, "temperature": temperature}
        changed |= {"gradient_accumulation": 1, "deepspeed": None, "matryoshka": (), "mirror_checkpoints": False}
        return TrainingConfig.parse(self.config.model_dump() | changed, where="training")


def write(path: Path, pairs: Sequence[Pair]) -> Path:
    """Write pairs as the artifact that training reads."""
    with ArtifactWriter(path, "pairs") as out:
        out.table("pairs", PAIR_SCHEMA, (pair.row() for pair in pairs))
        out.table("dropped", DROPPED_SCHEMA, ())
    return path


def _goal(folder: Path, pairs: Sequence[Pair]) -> None:
    """The pairs as judged queries: `judged` and `passages` in the folder."""
    texts = {pair.positive: f"d{number}" for number, pair in enumerate(pairs)}
    with ArtifactWriter(folder / "passages", "passages") as out:
        rows = (vars(Passage(name, name, "", text, 0, len(text))) for text, name in texts.items())
        out.table("passages", PASSAGE_SCHEMA, rows)
    queries = [Query(f"q{number}", one.anchor, (), {texts[one.positive]: 1}) for number, one in enumerate(pairs)]
    judged.write(folder / "judged", "judged", queries, {}, {})


@contextlib.contextmanager
def _aside(log: Path) -> Iterator[None]:
    """What a training tells goes to a log of its own."""
    before = os.environ.get("TOUCHSTONE_EVENTS")
    os.environ["TOUCHSTONE_EVENTS"] = str(log)
    try:
        yield
    finally:
        if before is None:
            del os.environ["TOUCHSTONE_EVENTS"]
        else:
            os.environ["TOUCHSTONE_EVENTS"] = before


def some(pairs: Path, count: int = REPEATED) -> list[Pair]:
    """So many of an artifact's pairs, always the same ones."""
    known = [Pair.from_row(row) for row in Artifact.open(pairs, "pairs").rows("pairs")]
    return sorted(known, key=lambda pair: sha256(f"{pair.anchor}\n{pair.positive}".encode()).digest())[:count]


def shuffled(pairs: Sequence[Pair]) -> list[Pair]:
    """Every anchor with the positive of another; what was right is told to be wrong."""
    return [
        replace(pair, positive=other.positive, negatives=(pair.positive,))
        for pair, other in zip(pairs, [*pairs[1:], *pairs[:1]], strict=True)
    ]


def on_the_test(queries: Sequence[Query], passages: Path) -> list[Pair]:
    """The queries with the first passage of what answers them."""
    wanted = {document for query in queries for document in query.relevant}
    first: dict[str, str] = {}
    for row in Artifact.open(passages, "passages").rows("passages", ["document", "text"]):
        if row["document"] in wanted:
            first.setdefault(row["document"], row["text"])
    return [
        Pair(query.text, first[document], "selftest", "", "", 0, len(first[document]))
        for query in queries
        for document in query.relevant
        if document in first
    ]


def noisy(model: Path, work: Path) -> Path:
    """The model with small random numbers added to every weight."""
    loaded = Encoder.load(model).model
    draw = torch.Generator().manual_seed(0)
    state = loaded.state_dict()
    for name, value in state.items():
        if value.is_floating_point() and value.numel() > 1:
            noise = torch.randn(value.shape, generator=draw).to(value)
            state[name] = value + NOISE * value.std() * noise
    loaded.load_state_dict(state)
    loaded.save_pretrained(str(work / "noisy"), create_model_card=False, safe_serialization=True)
    write_model(work / "noise", work / "noisy", reference="candidate")
    return work / "noise"


def forgetful(model: Path, texts: Sequence[str], work: Path) -> Path:
    """The model, for which all words are one that none of the texts use: it has forgotten what it knew in general."""
    loaded = Encoder.load(model).model
    known = sorted({token for ids in loaded.tokenizer(list(texts))["input_ids"] for token in ids})
    vectors = loaded[0].auto_model.get_input_embeddings().weight.data
    kept = vectors[known].clone()
    vectors[:] = vectors.mean(dim=0)
    vectors[known] = kept
    loaded.save_pretrained(str(work / "forgetful"), create_model_card=False, safe_serialization=True)
    write_model(work / "forgot", work / "forgetful", reference="candidate")
    return work / "forgot"


def with_prompts(model: Path, work: Path) -> Path:
    """The model, which wants to be asked in another way than it was trained."""
    loaded = Encoder.load(model).model
    loaded.prompts = {"query": "Represent this for another task: ", "document": "Text: "}
    loaded.save_pretrained(str(work / "prompted"), create_model_card=False, safe_serialization=True)
    write_model(work / "prompts", work / "prompted", reference="candidate")
    return work / "prompts"

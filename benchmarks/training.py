"""How fast training is: against sentence-transformers' trainer with the tutorial's settings, in turns, in one process.

The pairs are the AWS API reference's, as mined for `benchmarks.quality`. Every contender trains the same number of
steps of the same batch size with the same trainer settings; a round's time runs from the end of the first step to the
end of the last. `plain` has the tutorial's objective, so that it differs in speed alone: the gradient of one batch is
compared in fp32. On a GPU both bases train at 512 and, cached, at 4,096 pairs.
Run: `python -m benchmarks.training` (some 15 minutes on 2 cores).
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.store.events import ENVIRONMENT

os.environ.update(ENVIRONMENT | {"TOUCHSTONE_EVENTS": os.devnull})

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import BatchSamplers
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from transformers import PrinterCallback, TrainerCallback

from benchmarks import quality_packages as packages
from benchmarks.quality_corpora import corpora
from components.retrieval.encoder import Encoder
from components.retrieval.precision import device, precision
from components.store.artifact import Artifact
from components.training import guide, planner, texts
from components.training.collate import PREFIX
from components.training.config import TrainingConfig
from components.training.fit import Fit, arguments, collator, dataset, freeze_unused
from components.training.guide import Guide
from components.training.job import Data, Job
from components.training.loss import Chunks, Objective, RankingLoss
from components.training.masking import Mask
from components.training.planner import Plan
from components.training.texts import Texts
from components.training.watch import Meter, Watch
from components.training.world import World

CACHE = Path("build/quality")


class Clock(TrainerCallback):
    """When each step ended."""

    def __init__(self) -> None:
        """Nothing ended yet."""
        self.ends: list[float] = []

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Note it, once the GPU is done with the step."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.ends.append(time.perf_counter())

    @property
    def seconds(self) -> float:
        """From the first end to the last."""
        return self.ends[-1] - self.ends[0]


@dataclass(frozen=True)
class Bench:
    """What all contenders share.

    Attributes:
        base: The base's folder.
        texts: The pairs, tokenized.
        work: A folder for files in between.
        batch: Pairs in a batch.
        steps: Steps of a round.
    """

    base: Path
    pairs: Artifact
    texts: Texts
    work: Path
    batch: int
    steps: int


def library(bench: Bench, *, half: bool, length: int) -> float:
    """sentence-transformers' trainer and loss; pairs a second."""
    model = Encoder.load(bench.base).model
    model.max_seq_length = length
    columns = bench.pairs.table("pairs", ["anchor", "positive"])
    clock = Clock()
    trainer = SentenceTransformerTrainer(
        model=model,
        args=SentenceTransformerTrainingArguments(
            output_dir=str(bench.work),
            max_steps=bench.steps,
            per_device_train_batch_size=bench.batch,
            learning_rate=2e-5,
            warmup_steps=0.1,
            bf16=half and precision(device()) == "bf16",
            fp16=half and precision(device()) == "fp16",
            use_cpu=device() == "cpu",
            batch_sampler=BatchSamplers.NO_DUPLICATES,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            dataloader_pin_memory=device() != "cpu",
        ),
        train_dataset=Dataset(columns),
        loss=MultipleNegativesRankingLoss(model),
        callbacks=[clock],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return bench.batch * (bench.steps - 1) / clock.seconds


class Timed(Fit):
    """The product's trainer; nothing is saved at the end of a round."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Not timed, so not done."""


def ours(bench: Bench, objective: Objective, *, masked: bool, chunks: Chunks) -> float:
    """The product's trainer and loss; pairs a second, the guide's pass over the pairs included where it is asked."""
    model = Encoder.load(bench.base).model
    freeze_unused(model)
    start = time.perf_counter()
    known = guided(bench, model) if masked else None
    looked = (time.perf_counter() - start) * bench.batch * (bench.steps - 1) / len(bench.texts.rows)
    world = World(device(), 1, 0, 0, 1)
    job = Job(Data(*[bench.work] * 4), bench.work, 1, int(device() != "cpu"), TrainingConfig(evaluations=1))
    plan = Plan(bench.steps, bench.batch, bench.batch, bench.batch - 1)
    clock, size = Clock(), planner.measure(model)
    trainer = Timed(
        judge=None,
        world=world,
        watch=Watch(job, world, plan, size, Meter(), [(0, 0.0)]),
        mirror=None,
        model=model,
        args=arguments(job, world, plan, 2e-5),
        train_dataset=dataset(bench.texts),
        data_collator=collator(bench.texts, model),
        loss=RankingLoss(model, objective, columns=2, chunks=chunks, guide=known, mask=Mask(guided=masked)),
    )
    trainer.add_callback(clock)
    trainer.train()
    return bench.batch * (bench.steps - 1) / (clock.seconds + looked)


def guided(bench: Bench, model: Any) -> Guide:
    """What the base thinks of every text."""
    path = bench.work / "guide.npy"
    guide.create(path, bench.texts, model.get_embedding_dimension())
    guide.write(path, bench.texts, model, part=0, parts=1, padding=int(model.tokenizer.pad_token_id))
    return Guide(path)


def contenders(bench: Bench) -> dict[str, Callable[[], float]]:
    """What is measured; the first is what the others are told against."""
    one_way, chosen = Objective(symmetric=False), Objective()
    chunks = Chunks() if device() == "cpu" else Chunks(tokens=1 << 17, cached=bench.batch > 1024)
    found: dict[str, Callable[[], float]] = {
        "library, tutorial (fp32, padded)": lambda: library(bench, half=False, length=256),
        f"library, {precision(device())}, 128 tokens": lambda: library(bench, half=True, length=128),
        "plain (the tutorial's objective)": lambda: ours(bench, one_way, masked=False, chunks=chunks),
        "default (both ways, masked)": lambda: ours(bench, chosen, masked=True, chunks=chunks),
    }
    return found if bench.batch <= 1024 else dict(itertools.islice(found.items(), 2, None))


def agreement(bench: Bench) -> float:
    """Cosine of the gradients of one batch in fp32, dropout off: chunks against the library's padded batch."""
    model = Encoder.load(bench.base).model.eval()
    freeze_unused(model)
    rows = list(itertools.islice(bench.pairs.rows("pairs", ["anchor", "positive"]), bench.batch))
    model.max_seq_length = 128
    features = [model.preprocess([row[name] for row in rows]) for name in ("anchor", "positive")]
    padded = gradient(model, MultipleNegativesRankingLoss(model), [_moved(model, one) for one in features])
    columns = [dict(enumerate(row)) for row in bench.texts.rows[: bench.batch].tolist()]
    batch = {name.removeprefix(PREFIX): value for name, value in collator(bench.texts, model)(columns).items()}
    loss = RankingLoss(
        model, Objective(symmetric=False), columns=2, chunks=Chunks(), guide=None, mask=Mask(guided=False)
    )
    ours = gradient(model, loss, [_moved(model, batch)])
    return float(torch.nn.functional.cosine_similarity(padded, ours, dim=0))


def _moved(model: Any, features: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: value.to(model.device) for name, value in features.items() if torch.is_tensor(value)}


def gradient(model: Any, loss: Any, features: list[dict[str, torch.Tensor]]) -> torch.Tensor:
    """All gradients of one batch in a row."""
    model.zero_grad()
    loss(features, torch.tensor([])).backward()
    return torch.cat([weight.grad.double().flatten() for weight in model.parameters() if weight.grad is not None])


def measured(bench: Bench, rounds: int) -> Iterator[tuple[str, list[float]]]:
    """Pairs a second of every contender in every round; the first round warms up."""
    known = contenders(bench)
    found: dict[str, list[float]] = {name: [] for name in known}
    for number in range(rounds + 1):
        for name, run in known.items():
            value = run()
            if number:
                found[name].append(value)
    return iter(found.items())


def draw(bench: Bench, rounds: int) -> None:
    """The table of one base and batch."""
    rows = list(measured(bench, rounds))
    first = rows[0][1]
    tokens = float(bench.texts.lengths[bench.texts.rows.reshape(-1)].sum() / len(bench.texts.rows))
    print(f"{'':<34}{'pairs/s':>9}{'lowest':>9}{'highest':>9}{'tokens/s':>10}{'times the first':>24}")
    for name, values in rows:
        times = [value / other for value, other in zip(values, first, strict=True)]
        middle = statistics.median(values)
        line = f"{name:<34}{middle:>9.1f}{min(values):>9.1f}{max(values):>9.1f}{middle * tokens:>10,.0f}"
        print(f"{line}{statistics.median(times):>10.2f} ({min(times):.2f} to {max(times):.2f})", flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--bases", nargs="+", default=["minilm"] if device() == "cpu" else ["minilm", "mpnet"])
    parser.add_argument("--batches", nargs="+", type=int, default=[64] if device() == "cpu" else [512, 4096])
    wanted = parser.parse_args()
    (corpus,) = corpora(["aws"], CACHE)
    pairs = Artifact.open(corpus.folder / "pairs", "pairs")
    for name, batch in itertools.product(wanted.bases, wanted.batches):
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            base = packages.base(name, CACHE)
            found = texts.write(Path(work) / "texts", pairs, _tokenizer(base))
            bench = Bench(base, pairs, found, Path(work), min(batch, found.distinct), wanted.steps)
            told = (
                f"{name}, batches of {bench.batch}, {bench.steps} steps a round, {wanted.rounds} rounds, on {device()}"
            )
            print(f"\n{told}; gradient cosine in fp32 {agreement(bench):.6f}", flush=True)
            draw(bench, wanted.rounds)


def _tokenizer(base: Path) -> texts.Tokenize:
    model = Encoder.load(base).model
    return lambda found, _: model.tokenizer(found, truncation=True, max_length=128)["input_ids"]


if __name__ == "__main__":
    main()

"""sentence-transformers' trainer, with our batches, dev scores and checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
import transformers
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.base.sampler import BatchSamplers

from components.retrieval.precision import precision
from components.training import checkpoints, zero
from components.training.checkpoints import Mirror
from components.training.collate import Collator
from components.training.dev import Judge
from components.training.job import Job
from components.training.planner import Plan
from components.training.texts import Texts
from components.training.watch import Watch, check_finite
from components.training.world import World

METRIC = "dev_ndcg@10"


class Fit(SentenceTransformerTrainer):
    """Measures on dev in the first process alone, seals checkpoints, and never saves what is no number."""

    def __init__(self, *, judge: Judge | None, world: World, watch: Watch, mirror: Mirror | None, **known: Any) -> None:
        """Train what `known` says; only the first process has a judge."""
        super().__init__(**known, callbacks=[watch])
        self.remove_callback(transformers.PrinterCallback)
        self.judge, self.world, self.watch, self.mirror = judge, world, watch, mirror

    def add_model_card_callback(self, *_: Any) -> None:
        """None: the library's card would quote documents."""

    def training_step(self, *given: Any, **known: Any) -> torch.Tensor:
        """One batch; its tokens are counted."""
        inputs = given[1] if len(given) > 1 else known["inputs"]
        self.watch.meter.tokens += int(inputs["texts_attention_mask"].sum())
        return super().training_step(*given, **known)

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """Dev nDCG@10 of the model as it stands."""
        value = self.world.once(lambda: self.judge.note(self.model, self.state.global_step) if self.judge else 0.0)
        found = {METRIC: value}
        self.callback_handler.on_evaluate(self.args, self.state, self.control, found)
        return found

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """A whole checkpoint, in every process at once."""
        check_finite(float(self._weights_sum()), self.state.global_step)
        super()._save_checkpoint(model, trial)
        path = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        self.world.wait()
        self.world.machine(lambda: self._share(path))
        if self.judge:
            self._seal(path, self.judge)
        self.world.wait()

    def _share(self, path: Path) -> None:
        """Save what another machine than the first has written: its disk may be lost with it."""
        if self.mirror and not self.world.main:
            self.mirror.share(path, range(self.world.rank, self.world.rank + self.world.local_size))

    def _seal(self, path: Path, judge: Judge) -> None:
        """Make it a checkpoint, mirror it, and drop what nobody needs any more."""
        best, meter = judge.best[0], self.watch.meter
        checkpoints.seal(path, {"curve": judge.curve, "losses": meter.losses, "tokens": meter.tokens})
        if self.mirror:
            self.mirror.push(path, path.with_name(f"checkpoint-{best}") if best else None)
        checkpoints.prune(path.parent, best)

    def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
        """Weights and configuration, no card."""
        self.model.save_pretrained(str(output_dir or self.args.output_dir), create_model_card=False)

    def _weights_sum(self) -> torch.Tensor:
        """A number only if every weight is one."""
        return torch.stack([weight.detach().float().sum() for weight in self.model.parameters()]).sum()


def arguments(job: Job, world: World, plan: Plan, rate: float) -> SentenceTransformerTrainingArguments:
    """The library's settings."""
    config, kind = job.config, precision(world.device)
    return SentenceTransformerTrainingArguments(
        output_dir=str(job.checkpoints),
        max_steps=plan.steps,
        per_device_train_batch_size=plan.batch,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=rate / 2**job.attempt.slower,
        warmup_steps=config.warmup,
        seed=config.seed,
        bf16=kind == "bf16" and not config.deepspeed,
        fp16=kind == "fp16" and not config.deepspeed,
        use_cpu=world.device == "cpu",
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        eval_strategy="no",
        save_strategy="no",
        logging_steps=max(1, plan.steps // 50),
        logging_nan_inf_filter=False,
        dataloader_drop_last=True,
        ddp_find_unused_parameters=False,
        ddp_timeout=int(config.patience_minutes * 60),
        deepspeed=zero.settings(kind) if config.deepspeed else None,
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=world.device != "cpu",
        dataloader_num_workers=0 if world.device == "cpu" else 2,
    )


def freeze_unused(model: SentenceTransformer) -> None:
    """Let no process wait for gradients that never come: BERT's pooler is loaded, and no vector is made with it."""
    known = model.preprocess(["a text"]).items()
    features = {name: value.to(model.device) for name, value in known if isinstance(value, torch.Tensor)}
    model(features)["sentence_embedding"].sum().backward()
    for weight in model.parameters():
        weight.requires_grad_(weight.grad is not None)
        weight.grad = None


def dataset(texts: Texts) -> Dataset:
    """Rows of numbers of texts, a column for each text of a row."""
    names = ["anchor", "positive", *(f"negative_{n + 1}" for n in range(texts.negatives))]
    return Dataset(pa.table({name: pa.array(texts.rows[:, place]) for place, name in enumerate(names)}))


def collator(texts: Texts, model: SentenceTransformer) -> Collator:
    """Batches of those texts for this model."""
    return Collator(texts, int(model.tokenizer.pad_token_id or 0))

"""The training itself, in every process: sentence-transformers' trainer with the recipe's settings."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import torch
import transformers
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
    __version__,
)
from sentence_transformers.base.sampler import BatchSamplers
from transformers import TrainerCallback

from components.retrieval.precision import device, precision
from components.store.artifact import Artifact
from components.store.errors import TouchstoneError, UserError
from components.store.events import Progress, emit
from components.training import data
from components.training.dev import METRIC, DevEvaluator, DevSet
from components.training.forward import RankingLoss
from components.training.job import Job
from components.training.planner import Plan, plan

Curve = list[tuple[int, float]]


class Screen(TrainerCallback):
    """Tells steps, loss and the latest dev score while training, and keeps the curve of the loss."""

    def __init__(self, plan: Plan, evaluator: DevEvaluator) -> None:
        """Follow a training of that plan."""
        self.plan, self.evaluator = plan, evaluator
        self.progress = Progress(plan.steps * plan.pairs_per_step, "pairs")
        self.losses: Curve = []

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        """Keep the loss; refuse one that is no number."""
        loss = (logs or {}).get("loss")
        if loss is None:
            return
        if loss != loss or loss in (float("inf"), float("-inf")):
            fix = "Lower training.learning_rate."
            raise TouchstoneError("LOSS_NOT_FINITE", f"the loss is {loss} at step {state.global_step}", fix=fix)
        self.losses.append((state.global_step, float(loss)))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """One step further; the last one is measured too, however the steps divide."""
        control.should_evaluate |= state.global_step >= self.plan.steps
        loss = f"loss {self.losses[-1][1]:.3f}, " if self.losses else ""
        dev = f"dev nDCG@10 {self.evaluator.curve[-1][1]:.3f}" if self.evaluator.curve else ""
        self.progress.add(self.plan.pairs_per_step, f"step {state.global_step}/{self.plan.steps}, {loss}{dev}")


def train(job: Job) -> None:
    """Train and leave `model/` with its `training.json` in the job's folder; only the first process writes.

    Raises:
        TouchstoneError: WRONG_DEVICES, WORLD_SIZE, LOSS_NOT_FINITE, CHECKPOINT_LOST.
    """
    pairs, negatives = data.read(Artifact.open(job.data.pairs, "pairs"))
    if len(pairs) < 2:
        raise UserError("TOO_FEW_PAIRS", "nothing to train on", found=f"{len(pairs)} pairs", expected="at least 2")
    _check_devices(job.gpus)
    planned = plan(job.config, len(pairs), job.processes, negatives)
    emit("plan", f"{planned.true_negatives} true negatives per anchor, {planned.steps} steps")
    model = _base(job)
    dev = DevSet.read(job.data.judged, job.data.passages, job.config.dev_documents)
    evaluator = DevEvaluator(dev, model.max_seq_length)
    evaluator(model, steps=0)
    model.max_seq_length = min(job.config.max_tokens, evaluator.length or job.config.max_tokens)
    screen = Screen(planned, evaluator)
    seconds = _fit(job, model, pairs, planned, evaluator, screen)
    model.max_seq_length = evaluator.length
    if not int(os.environ.get("RANK", "0")):
        emit("rate", pairs_per_second=round(planned.steps * planned.pairs_per_step / seconds, 1))
        _save(job, model, evaluator, _record(job, planned, loss=screen.losses))


def _check_devices(gpus: int) -> None:
    """A pod that got other GPUs than it asked for would train, slowly or on too few, and say nothing."""
    found = torch.cuda.device_count()
    if gpus and found != gpus:
        fix = 'Ask for as many as the node gives, or gpus: "0" for the processor.'
        raise TouchstoneError(
            "WRONG_DEVICES", "other GPUs than asked for", found=str(found), expected=str(gpus), fix=fix
        )


def _base(job: Job) -> SentenceTransformer:
    return SentenceTransformer(str(job.data.base), device=device(), local_files_only=True)


def _save(job: Job, model: SentenceTransformer, evaluator: DevEvaluator, known: dict[str, Any]) -> None:
    """Write the weights that are best on dev; the base itself unless something was better."""
    (_, untrained), *trained = evaluator.curve
    best = max([untrained, *(value for _, value in trained)])
    model = model if best > untrained else _base(job)
    known |= {"dev": list(evaluator.curve), "dev_best": best}
    _check(evaluator, model, best)
    model.save_pretrained(str(job.model), create_model_card=False, safe_serialization=True)
    (job.model / "training.json").write_text(json.dumps(known, indent=1, sort_keys=True))


def _fit(
    job: Job, model: SentenceTransformer, pairs: Dataset, planned: Plan, evaluator: DevEvaluator, screen: Screen
) -> float:
    """Run the trainer; the model ends with the weights that were best on dev. Seconds it took, evaluation included."""
    directions = ("query_to_doc", "doc_to_query") if job.config.symmetric else ("query_to_doc",)
    trainer = SentenceTransformerTrainer(
        model=model,
        args=_arguments(job, planned),
        train_dataset=pairs,
        loss=RankingLoss(model, directions=directions, partition_mode="per_direction"),
        evaluator=evaluator,
        callbacks=[screen],
    )
    if trainer.args.world_size != job.processes:
        found, expected = f"{trainer.args.world_size} processes", f"{job.processes}"
        raise TouchstoneError("WORLD_SIZE", "training would run on the wrong number", found=found, expected=expected)
    trainer.remove_callback(transformers.PrinterCallback)
    start = time.monotonic()
    trainer.train()
    return time.monotonic() - start


def _arguments(job: Job, planned: Plan) -> SentenceTransformerTrainingArguments:
    config, where = job.config, device()
    every = max(1, planned.steps // config.evaluations)
    return SentenceTransformerTrainingArguments(
        output_dir=str(job.work / "checkpoints"),
        max_steps=planned.steps,
        per_device_train_batch_size=planned.batch,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        warmup_steps=config.warmup,
        seed=config.seed,
        bf16=precision(where) == "bf16",
        fp16=precision(where) == "fp16",
        use_cpu=where == "cpu",
        batch_sampler=BatchSamplers.NO_DUPLICATES,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="best",
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=True,
        metric_for_best_model=f"eval_{METRIC}",
        greater_is_better=True,
        logging_steps=max(1, planned.steps // 50),
        disable_tqdm=True,
        report_to="none",
        dataloader_pin_memory=where != "cpu",
    )


def _check(evaluator: DevEvaluator, model: SentenceTransformer, best: float) -> None:
    """The library only logs when a checkpoint does not load: measure again what is about to be saved."""
    again = evaluator.dev.score(model)
    if abs(again - best) > 0.005:
        found = f"dev nDCG@10 {again:.4f}, {best:.4f} when it was saved"
        raise TouchstoneError("CHECKPOINT_LOST", "the best checkpoint did not come back", found=found)


def _record(job: Job, planned: Plan, **measured: Any) -> dict[str, Any]:
    """What `training.json` says."""
    versions = {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "sentence-transformers": __version__,
    }
    return {
        "config": job.config.model_dump(),
        "steps": planned.steps,
        "true_negatives": planned.true_negatives,
        "processes": job.processes,
        "precision": precision(device()),
        "versions": versions,
        "pairs": Artifact.open(job.data.pairs, "pairs").digest,
        **measured,
    }

"""A few real steps of a training that is only planned, measured: seconds and memory.

It runs where the training would, in a process (or as many as there are GPUs) of its own, started by the same launcher,
with the same model, loss, optimizer, dev scoring and checkpoint. The first batch is the heaviest of some dozens that
were drawn: it makes the peak of memory, and its time does not count.
"""

from __future__ import annotations

import json
import resource
import sys
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import psutil
import torch
from sentence_transformers import SentenceTransformer

from components.retrieval import families
from components.retrieval.encoder import Encoder
from components.training import blend, planner, sample, trainer
from components.training.clock import Clock, Measured
from components.training.fit import freeze_unused
from components.training.job import Job
from components.training.loss import Chunks
from components.training.masking import Mask
from components.training.memory import free
from components.training.outcome import Setting
from components.training.planner import Plan, Size
from components.training.sample import Sample
from components.training.texts import Integers, Texts
from components.training.watch import Meter, Watch
from components.training.world import World

STEPS = 8
"""Of a trial, at most."""
WORK = {"cpu": 4e12, "cuda": 2e15}
"""Floating-point operations of a trial's step at most: a larger batch is tried in part, and the figures scaled."""
STATES = 12
"""Bytes of a weight's gradient and of two moments of AdamW."""
DRAWS = 32
"""Batches that are drawn to see how long texts are together."""


@dataclass(frozen=True)
class Batches:
    """What is tried.

    Attributes:
        texts: The rows of the batches, one batch after the other, by step and process.
        size: Pairs in a batch: the plan's, or what can be tried of it.
        padded: Tokens, padding included, that go through the model in each step and process.
        mean: As many in a batch of the plan, on average.
    """

    texts: Texts
    size: int
    padded: list[int]
    mean: float


def measure(job: Job) -> None:
    """Try a plan and leave what it took in the job's folder; only the first process writes.

    Raises:
        TouchstoneError: WRONG_DEVICES, WORLD_SIZE, TOO_FEW_PAIRS.
    """
    world, clock = World.join(job), Clock()
    base = Encoder.load(job.data.base).model
    freeze_unused(base)
    found = sample.take(job, base, job.work / f"texts-{world.rank}")
    clock.add("tokens", found.tokenizing[0], found.tokenizing[1] / max(found.tokenizing[0], 1e-9))
    size, memory = planner.measure(base), world.once(lambda: free(world.device, world.local_size))
    plan = planner.plan(job.config, found.load, world.size, size=size, free=memory)
    peak = _steps(job, world, base, found, size, plan, clock)
    if world.main:
        _judging(base, found, plan, job, clock)
        known = facts(job, found, plan, size) | {"spent": clock.spent, "whole": clock.whole}
        job.facts.write_text(json.dumps(known | {"memory": max(peak, _peak(world))}))
    world.leave()


def facts(job: Job, found: Sample, plan: Plan, size: Size) -> dict[str, Any]:
    """What is known of a plan without trying it."""
    known, load = families.of_folder(job.data.base), found.load
    alike = sample.duplicates(found.texts.rows, plan.batch, job.processes) if found.dev else 0.0
    return {
        "plan": asdict(plan),
        "load": asdict(load),
        "duplicates": alike,
        "rate": planner.learning_rate(job.config, size),
        "temperature": job.config.temperature or (known and known.temperature),
        "parameters": size.parameters,
    }


def _steps(
    job: Job, world: World, base: SentenceTransformer, found: Sample, size: Size, plan: Plan, clock: Clock
) -> float:
    """Train some batches; bytes at the peak, as they would be with whole batches."""
    chosen = _batches(found, world, size, plan)
    steps = len(chosen.padded) // world.size
    config = job.config.model_copy(update={"gradient_accumulation": 1, "evaluations": 1})
    tried = replace(plan, steps=steps, batch=chosen.size, pairs_per_step=chosen.size * world.size)
    setting = Setting(replace(job, config=config), world, base, chosen.texts, size, tried, None, 0.05)
    before = _held(world)
    with clock.time("base", found.tokens / max(1, int(chosen.texts.starts[-1]))):
        guide = trainer.guiding(setting)
    clock.whole["base"] *= guide is not None
    loss = trainer.ranking(setting, guide, Mask(guided=config.mask_false_negatives))
    watch = Watch(setting.job, world, tried, size, Meter(), [(0, 0.0)])
    fit = Measured(world=world, watch=watch, **trainer.parts(setting, loss))
    fit.train()
    _count(fit, chosen, plan, job, world, clock)
    whole, tried_at_once = (
        min(tokens, plan.tokens_at_once or tokens) for tokens in (chosen.mean, chosen.mean * chosen.size / plan.batch)
    )
    states, peak = size.parameters * STATES, _peak(world)
    peak += max(0.0, peak - before - states) * (whole / tried_at_once - 1)
    if world.main:
        with clock.time("dev", 0.0):  # beside what the optimizer holds
            Encoder(base).passages(found.longest, "dev texts")
    return max(peak, _peak(world)) + _mapped(found, base, world)


def _count(fit: Measured, chosen: Batches, plan: Plan, job: Job, world: World, clock: Clock) -> None:
    """Seconds of the steps and of what is saved.

    The first step is not like the others; of those the middle one counts, whatever else the machine does meanwhile.
    """
    ends = [moment for moment, _ in fit.watch.meter.recent]
    padded = chosen.padded[world.rank :: world.size]
    rate = float(np.median([took / tokens for took, tokens in zip(fit.passes[1:], padded[1:], strict=False)]))
    between = np.median(np.diff(ends) - fit.passes[1 : len(ends)])
    step = rate * chosen.mean * job.config.gradient_accumulation + max(0.0, float(between))
    clock.add("steps", fit.passes[0] + ends[-1] - ends[0], 0.0)
    clock.whole["steps"] = plan.steps * step
    clock.add("checkpoints", fit.saving, _evaluations(plan, job))


def _judging(base: SentenceTransformer, found: Sample, plan: Plan, job: Job, clock: Clock) -> None:
    """Seconds of scoring dev as often as a training does, and of loading what is blended."""
    some, count = found.judged
    often = 1 + _evaluations(plan, job) + (len(blend.STEPS) - 1 if job.config.blend else 1)
    with clock.time("dev", often * count / len(some)):
        Encoder(base).passages(some, "dev texts")
    with clock.time("dev", often):
        found.search(base.get_embedding_dimension() or 0)
    kept = [Encoder.load(job.data.base).model.state_dict() for _ in range(2)]
    kept.clear()


def _evaluations(plan: Plan, job: Job) -> int:
    """How often dev is scored between steps, and a checkpoint kept."""
    every = max(1, plan.steps // job.config.evaluations)
    return plan.steps // every + (plan.steps % every > 0)


def _batches(found: Sample, world: World, size: Size, plan: Plan) -> Batches:
    """The heaviest batch of those that are drawn, then others as they came."""
    kind = world.device.partition(":")[0]
    most = int(WORK[kind] / size.flops(max(1.0, found.load.tokens)))
    rows = len(found.texts.rows)
    part = max(2, min(plan.batch, most, rows // world.size))
    draw, chunks = np.random.default_rng(0), trainer.chunking(world, plan)
    drawn = [draw.choice(rows, part, replace=False) for _ in range(max(DRAWS, STEPS * world.size))]
    padded = [_padded(found.texts, one, chunks) for one in drawn]
    order = [int(np.argmax(padded))] * world.size + list(range((STEPS - 1) * world.size))
    chosen = sample.part(found.texts, np.concatenate([drawn[place] for place in order]))
    mean = float(np.mean(padded)) * plan.batch / part
    return Batches(chosen, part, [padded[place] for place in order], mean)


def _padded(texts: Texts, rows: Integers, chunks: Chunks) -> int:
    """Tokens of a batch with what fills short texts up."""
    lengths = torch.from_numpy(np.sort(texts.lengths[texts.rows[rows].reshape(-1)])[::-1].copy())
    mask = torch.arange(int(lengths[0]))[None, :] < lengths[:, None]
    return sum(chunk["input_ids"].numel() for chunk in chunks.cut(mask, mask))


def _mapped(found: Sample, base: SentenceTransformer, world: World) -> float:
    """Bytes of files that a training on the processor comes to hold: all texts' tokens and the base's vectors."""
    texts = len(found.texts) * found.load.pairs / max(1, len(found.texts.rows))
    vectors = 2.0 * texts * (base.get_embedding_dimension() or 0)
    return found.tokens * found.texts.tokens.itemsize + vectors if world.device == "cpu" else 0.0


def _held(world: World) -> float:
    """Bytes in use now."""
    used = psutil.Process().memory_info().rss if world.device == "cpu" else torch.cuda.memory_allocated()
    return float(used)


def _peak(world: World) -> float:
    """Bytes in use at most until now: resident ones of this process, or those of its GPU."""
    if world.device != "cpu":
        return float(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)

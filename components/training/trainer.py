"""The training itself, in every process: from artifacts to a model and what is known of it."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict, replace
from typing import Any

from sentence_transformers import SentenceTransformer

from components.retrieval import families
from components.retrieval.encoder import Encoder
from components.store.artifact import Artifact
from components.store.errors import TouchstoneError
from components.store.events import emit, warn
from components.store.models import Model
from components.training import checkpoints, guide, planner, texts
from components.training.checkpoints import Checkpoint, Mirror
from components.training.config import TrainingConfig
from components.training.dev import DevSet, Judge
from components.training.fit import Fit, arguments, collator, dataset, freeze_unused
from components.training.guide import Guide
from components.training.job import Job
from components.training.loss import Chunks, Objective, RankingLoss
from components.training.masking import Mask
from components.training.memory import free
from components.training.outcome import Setting, rates, save
from components.training.planner import Load, Plan
from components.training.temperature import fitting
from components.training.texts import Texts, Tokenize
from components.training.watch import Meter, Watch
from components.training.world import World


def train(job: Job) -> None:
    """Train and leave `model/` with its `training.json` in the job's folder; only the first process writes.

    Raises:
        TouchstoneError: WRONG_DEVICES, WORLD_SIZE, TOO_FEW_PAIRS, LOSS_NOT_FINITE, INTERRUPTED, CHECKPOINT_LOST.
    """
    world = World.join(job)
    setting = _prepare(job, world)
    watch, mask, seconds = _fit(setting)
    if not watch.interrupted and watch.steps < setting.plan.steps:
        found, expected = f"{watch.steps} steps", f"{setting.plan.steps}"
        fix = "Lower training.batch_size: a batch must not hold a text twice."
        raise TouchstoneError("TOO_FEW_PAIRS", "batches run out", found=found, expected=expected, fix=fix)
    if watch.interrupted:
        fix = "Run it again: with training.mirror_checkpoints it goes on from there."
        raise TouchstoneError("INTERRUPTED", "training was told to end and saved its work", fix=fix)
    if setting.judge:
        known = {"masked": round(mask.share, 4), "seconds": round(seconds, 1), "mfu": watch.mfu()}
        save(setting, watch.meter, known | rates(setting.plan, watch.meter, seconds))
        if mirror := _mirror(job):
            mirror.clear()
    world.leave()


def _prepare(job: Job, world: World) -> Setting:
    """Load, tokenize, plan, and score the untrained model."""
    base = Encoder.load(job.data.base).model
    freeze_unused(base)
    words = _texts(job, world, base)
    size, load = planner.measure(base), loaded(words)
    config = job.config
    if job.attempt.tokens_at_once:
        config = config.model_copy(update={"tokens_at_once": job.attempt.tokens_at_once})
    memory = world.once(lambda: free(world.device, world.local_size))
    planned = planner.plan(config, load, world.size, size=size, free=memory)
    judge = Judge(_dev(job), base) if world.main else None
    setting = Setting(job, world, base, words, size, planned, judge, 0.0)
    temperature = world.once(lambda: _temperature(setting))
    if world.main:
        told = {"tokens": planned.tokens_at_once or int(planned.batch * load.tokens), **asdict(planned)}
        job.plan.write_text(json.dumps(told))
        for line in planned.warnings:
            warn(line)
        emit("plan", f"{planned.true_negatives} true negatives per anchor, {planned.steps} steps")
    return replace(setting, temperature=temperature)


def _dev(job: Job) -> DevSet:
    return DevSet.read(job.data.judged, job.data.passages, job.config.dev_documents)


def loaded(words: Texts) -> Load:
    """The pairs in numbers."""
    tokens = float(words.lengths[words.rows.reshape(-1)].sum() / max(1, len(words.rows)))
    return Load(len(words.rows), words.negatives, tokens, words.distinct)


def tokenizer(base: SentenceTransformer, config: TrainingConfig) -> Tokenize:
    """What makes tokens of texts, with the model's prompts, cut where training cuts them."""
    prompts = Encoder(base).prompts
    length = min(config.max_tokens, base.max_seq_length or config.max_tokens)

    def tokenize(found: list[str], role: str) -> list[list[int]]:
        lines = [prompts[role] + text for text in found]
        known: list[list[int]] = base.tokenizer(lines, truncation=True, max_length=length)["input_ids"]
        return known

    return tokenize


def _texts(job: Job, world: World, base: SentenceTransformer) -> Texts:
    """Every text tokenized once on each machine."""
    folder, pairs = job.work / "texts", Artifact.open(job.data.pairs, "pairs")
    world.machine(lambda: _discard(texts.write(folder, pairs, tokenizer(base, job.config))))
    return Texts.open(folder)


def _discard(_: object) -> None:
    """For work whose files are what counts."""


def _temperature(setting: Setting) -> float:
    """The recipe's, else what the base's family was trained with, else what fits the base on dev."""
    known = families.of_folder(setting.job.data.base)
    given = setting.config.temperature or (known and known.temperature)
    if given or setting.judge is None:
        return given or 0.0
    return fitting(setting.judge.dev, *setting.judge.vectors, setting.plan.batch)


def guiding(setting: Setting) -> Guide | None:
    """What the untrained model thinks of every text, if the loss asks."""
    if not (setting.config.mask_false_negatives or setting.config.towards_base):
        return None
    path, world, model = setting.job.work / "guide.npy", setting.world, setting.model
    dimensions = model.get_embedding_dimension() or 0
    world.machine(lambda: guide.create(path, setting.texts, dimensions))
    padding = int(model.tokenizer.pad_token_id or 0)
    guide.write(path, setting.texts, model, part=world.local_rank, parts=world.local_size, padding=padding)
    world.wait()
    return Guide(path)


def _fit(setting: Setting) -> tuple[Watch, Mask, float]:
    """Run the trainer; seconds it took, evaluation included."""
    job, world, plan = setting.job, setting.world, setting.plan
    mask = Mask(guided=setting.config.mask_false_negatives)
    loss = ranking(setting, guiding(setting), mask)
    mirror = _mirror(job)
    found = _resume(setting, mirror)
    curve = setting.judge.curve if setting.judge else [(0, 0.0)]
    watch = Watch(job, world, plan, setting.size, Meter(), curve)
    if found and setting.judge:
        setting.judge.curve[:] = [(step, value) for step, value in found.known["curve"]]
        watch.meter.losses[:] = [tuple(point) for point in found.known["losses"]]
        watch.meter.tokens = found.known["tokens"]
    trainer = Fit(judge=setting.judge, world=world, watch=watch, mirror=mirror, **parts(setting, loss))
    start = time.monotonic()
    trainer.train(resume_from_checkpoint=str(found.path) if found else None)
    return watch, mask, time.monotonic() - start


def ranking(setting: Setting, guide: Guide | None, mask: Mask) -> RankingLoss:
    """The loss that the setting asks for."""
    chunks, columns = chunking(setting.world, setting.plan), 2 + setting.texts.negatives
    return RankingLoss(setting.model, _objective(setting), columns=columns, chunks=chunks, guide=guide, mask=mask)


def parts(setting: Setting, loss: RankingLoss) -> dict[str, Any]:
    """What the library's trainer is made of."""
    rate = planner.learning_rate(setting.config, setting.size)
    return {
        "model": setting.model,
        "args": arguments(setting.job, setting.world, setting.plan, rate),
        "train_dataset": dataset(setting.texts),
        "data_collator": collator(setting.texts, setting.model),
        "loss": loss,
    }


def _objective(setting: Setting) -> Objective:
    config = setting.config
    return Objective(
        temperature=setting.temperature,
        symmetric=config.symmetric,
        dimensions=config.matryoshka,
        towards_base=config.towards_base,
        gather=setting.world.size > 1,
    )


def chunking(world: World, plan: Plan) -> Chunks:
    """On a processor small chunks always: padding costs as much as text. On a GPU as much at once as fits."""
    if plan.cached or world.device != "cpu":
        return Chunks(tokens=plan.tokens_at_once or 1 << 20, cached=plan.cached)
    return Chunks()


def _name(job: Job) -> dict[str, Any]:
    """What makes a checkpoint one of this training."""
    pairs, base = Artifact.open(job.data.pairs, "pairs").digest, Model.open(job.data.base).fingerprint
    config = job.config.model_dump(exclude={"nodes"})  # where they are changes nothing
    return {"pairs": pairs, "base": base, "config": config, "processes": job.processes}


def _mirror(job: Job) -> Mirror | None:
    return Mirror(job.mirror, _name(job)) if job.mirror else None


def _resume(setting: Setting, mirror: Mirror | None) -> Checkpoint | None:
    """The newest whole checkpoint, of this machine or else of the mirror."""
    folder, world = setting.job.checkpoints, setting.world
    found = checkpoints.newest(folder)
    if mirror and world.any(found is None):
        world.machine(lambda: mirror.pull(folder))
        found = checkpoints.newest(folder)
    step = found.step if found else 0
    if world.any(step != world.once(lambda: step)):
        warn("not every machine has the newest checkpoint: training starts over")
        world.machine(lambda: shutil.rmtree(folder, ignore_errors=True))
        return None
    if found and world.main:
        emit("resume", f"going on from step {found.step}")
    return found

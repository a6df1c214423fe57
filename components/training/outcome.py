"""What training leaves: the weights that dev asks for, and the record of how they were made."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from sentence_transformers import SentenceTransformer, __version__

from components.retrieval.encoder import Encoder
from components.retrieval.precision import precision
from components.store.artifact import Artifact
from components.store.errors import TouchstoneError
from components.store.events import emit
from components.store.models import Model
from components.training import blend
from components.training.config import TrainingConfig
from components.training.dev import Judge, Scores
from components.training.guarding import Guards, held
from components.training.job import Data, Job
from components.training.planner import Plan, Size
from components.training.texts import Texts
from components.training.watch import Meter
from components.training.world import World


@dataclass(frozen=True)
class Setting:
    """Everything that is known before the first step."""

    job: Job
    world: World
    model: SentenceTransformer
    texts: Texts
    size: Size
    plan: Plan
    judge: Judge | None
    temperature: float

    @property
    def config(self) -> TrainingConfig:
        """The recipe's section."""
        return self.job.config


def rates(plan: Plan, meter: Meter, seconds: float) -> dict[str, Any]:
    """Pairs and tokens a second, evaluation included."""
    found: dict[str, Any] = {
        "pairs_per_second": round(plan.steps * plan.pairs_per_step / seconds, 1),
        "tokens_per_second": round(meter.tokens / seconds, 1),
    }
    emit("rate", "", **found)
    return found


def save(setting: Setting, meter: Meter, known: dict[str, Any]) -> None:
    """Write the weights that dev asks for; the base's own files when nothing was better."""
    job, judge, model = setting.job, setting.judge, setting.model
    assert judge is not None
    choice = _choose(setting, judge)
    if choice.step:
        model.max_seq_length = judge.length
        model.save_pretrained(str(job.model), create_model_card=False, safe_serialization=True)
    else:
        shutil.copytree(job.data.base, job.model, ignore=shutil.ignore_patterns("manifest.json", "training.json"))
    known |= choice.record() | {"dev": judge.curve, "dev_queries": len(judge.base)}
    known |= {"loss": [point[:2] for point in meter.losses], "rates": [point[::2] for point in meter.losses]}
    (job.model / "training.json").write_text(json.dumps(_record(setting) | known, indent=1, sort_keys=True))


@dataclass(frozen=True)
class Choice:
    """How far from the base to go.

    Attributes:
        step: Part of the way.
        scores: Step -> nDCG@10 of every dev query.
        changes: Step -> guard -> mean gain of its dev part against the base.
        error: Standard error of the tuned model's gain on dev, if it was measured.
    """

    step: float
    scores: dict[float, Scores]
    changes: dict[float, dict[str, float]]
    error: float | None = None

    def record(self) -> dict[str, Any]:
        """What `training.json` says of it."""
        means = {str(step): float(found.mean()) for step, found in self.scores.items()}
        known = {"blend": self.step, "blended": means, "learned": self.step > 0, "dev_best": means[str(self.step)]}
        guards = {str(step): found for step, found in self.changes.items() if found}
        return known | {"dev_error": self.error, "guards": guards}


def _choose(setting: Setting, judge: Judge) -> Choice:
    """Score the way from the base to the best checkpoint; the model is left where it should be."""
    model, best, config = setting.model, judge.best, setting.config
    if not best[0]:
        return Choice(0.0, {0.0: judge.base}, {})
    base, tuned = _weights(setting.job.data.base), _weights(setting.job.checkpoints / f"checkpoint-{best[0]}")
    model.load_state_dict(base)
    guards = Guards.read(setting.job.guards, config.dev_documents, model)
    scores, changes = {0.0: judge.base}, {0.0: dict.fromkeys(guards.parts, 0.0)}
    for step in blend.STEPS[1:] if config.blend else (1.0,):
        model.load_state_dict(blend.weights(base, tuned, step))
        scores[step], changes[step] = judge.score(model), guards.changes(model)
    _check(float(scores[1.0].mean()), best[1])
    allowed = {step: found for step, found in scores.items() if held(changes[step])}
    chosen = blend.choose(allowed, judge.dev.clusters) if config.blend else 1.0
    model.load_state_dict(blend.weights(base, tuned, chosen))
    return Choice(chosen, scores, changes, blend.standard_error(scores[1.0] - scores[0.0], judge.dev.clusters))


def _weights(folder: Path) -> blend.Weights:
    """All weights of the model in a folder."""
    return {name: value.cpu() for name, value in Encoder.load(folder).model.state_dict().items()}


def _check(again: float, best: float) -> None:
    """Measured again after loading, a checkpoint must be as good as when it was saved."""
    if abs(again - best) > 0.005:
        found = f"dev nDCG@10 {again:.4f}, {best:.4f} when it was saved"
        raise TouchstoneError("CHECKPOINT_LOST", "the best checkpoint did not come back", found=found)


def _record(setting: Setting) -> dict[str, Any]:
    """What `training.json` says of how the model was made."""
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    return {
        "config": setting.config.model_dump(),
        "steps": setting.plan.steps,
        "true_negatives": setting.plan.true_negatives,
        "plan": asdict(setting.plan),
        "temperature": setting.temperature,
        "attempt": asdict(setting.job.attempt),
        "processes": setting.world.size,
        "precision": precision(setting.world.device),
        "versions": versions | {"sentence-transformers": __version__},
        "pairs": Artifact.open(setting.job.data.pairs, "pairs").digest,
        "split_segments": Artifact.open(setting.job.data.judged, "judged").facts.get("segments"),
        "base_licence": Model.open(setting.job.data.base).licence,
        "material": _material(setting.job.data),
    }


def _material(data: Data) -> dict[str, Any]:
    """What there was to train on and to judge with, in counts, for the model's card."""
    pairs, judged = Artifact.open(data.pairs, "pairs"), Artifact.open(data.judged, "judged")
    made = {miner: found["made"] for miner, found in pairs.facts.get("sources", {}).items()}
    passages = Artifact.open(data.passages, "passages").facts
    counts = {"dev": judged.count("queries"), "sealed": judged.facts.get("sealed_queries", 0)}
    return {"pairs": made, "queries": counts, "languages": passages.get("languages", {})}

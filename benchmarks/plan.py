"""How well `touchstone plan` foresees a training: predicted and measured time and memory, for three settings.

Every setting is planned by `components.training.estimate` and then really trained by the product's launcher, each in
a process of its own; memory is the peak of the training process (`ru_maxrss`). Steps and negatives must be equal.
Corpora and bases are those of the benchmark of quality (`build/quality`).

`python -m benchmarks.plan --bases tiny --steps 30` is a quick look.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks import quality_packages as packages
from benchmarks.quality_corpora import CORPORA, Corpus, corpora
from components.pairs.pair import PAIR_SCHEMA, Pair
from components.store.artifact import Artifact, ArtifactWriter
from components.store.events import ENVIRONMENT
from components.training.config import TrainingConfig
from components.training.job import Data, Trial

CACHE = Path("build/quality")
MEGABYTE = 1e6

SETTINGS: dict[str, tuple[dict[str, Any], int]] = {
    "batches of 32": ({"batch_size": 32}, 0),
    "127 negatives, cached": ({"negatives": 127, "tokens_at_once": 4096}, 0),
    "2 hard negatives": ({"batch_size": 24}, 2),
}
"""Name -> what the recipe says, and hard negatives of each pair."""


@dataclass(frozen=True)
class Found:
    """What a training does and takes.

    Attributes:
        steps: Optimizer steps.
        negatives: True negatives of each anchor.
        seconds: From the start of the launcher to its end.
        memory: Bytes at the peak.
        load: The machine's load average in the end: times of a machine that others use are no figures.
    """

    steps: int
    negatives: int
    seconds: float
    memory: float
    load: float


def predicted(data: Data, config: TrainingConfig) -> Found:
    """What the plan says."""
    from components.training.estimate import estimate

    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        found = estimate(data, 0, config, Trial(), Path(work))
    print("  " + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in found["whole"].items()), flush=True)
    plan = found["plan"]
    return Found(
        plan["steps"], plan["true_negatives"], sum(found["whole"].values()), found["memory"], os.getloadavg()[0]
    )


def measured(data: Data, config: TrainingConfig) -> Found:
    """What the training takes."""
    from components.training.launch import launch

    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        start = time.monotonic()
        launch(data, "0", config, Path(work) / "model")
        seconds = time.monotonic() - start
        known = json.loads((Path(work) / "model/training.json").read_text())
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return Found(known["steps"], known["true_negatives"], seconds, memory, os.getloadavg()[0])


def hardened(corpus: Corpus, count: int, out: Path) -> Path:
    """The corpus's pairs with the positives of their neighbours as hard negatives."""
    pairs = [Pair.from_row(row) for row in Artifact.open(corpus.folder / "pairs", "pairs").rows("pairs")]
    with ArtifactWriter(out, "pairs") as writer:
        found = (
            replace(pair, negatives=tuple(pairs[place - step].positive for step in range(1, count + 1)))
            for place, pair in enumerate(pairs)
        )
        writer.table("pairs", PAIR_SCHEMA, (pair.row() for pair in found))
    return out


def compare(corpus: Corpus, base: str, name: str, wanted: argparse.Namespace, work: Path) -> None:
    """Plan and train one setting, and print the row."""
    known, negatives = SETTINGS[name]
    config = TrainingConfig(**known, steps=wanted.steps, dev_documents=wanted.dev_documents)
    pairs = hardened(corpus, negatives, work / "pairs") if negatives else corpus.folder / "pairs"
    data = Data(pairs, corpus.folder / "dev", corpus.folder / "passages", packages.base(base, CACHE))
    with ProcessPoolExecutor(1, max_tasks_per_child=1) as pool:
        plan, truth = (pool.submit(work_of, data, config).result() for work_of in (predicted, measured))
    exact = "exact" if (plan.steps, plan.negatives) == (truth.steps, truth.negatives) else f"{plan} IS NOT {truth}"
    print(
        f"{base:<8}{name:<24}{truth.negatives:>5}{truth.steps:>6}  {exact:<8}{_pair(plan.seconds, truth.seconds, 's')}"
        f"{_pair(plan.memory / MEGABYTE, truth.memory / MEGABYTE, 'MB')}{plan.load:>7.1f} {truth.load:>4.1f}",
        flush=True,
    )


def _pair(predicted: float, measured: float, unit: str) -> str:
    return f"{predicted:>9,.0f} {measured:>7,.0f} {unit} {predicted / measured - 1:>+6.0%}"


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", choices=CORPORA, default="aws")
    parser.add_argument("--bases", nargs="+", choices=packages.BASES, default=["minilm"])
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS))
    parser.add_argument("--steps", type=int, help="of every training; as the recipe would by default")
    parser.add_argument("--dev-documents", type=int, default=400)
    wanted = parser.parse_args()
    os.environ |= ENVIRONMENT | {"TOUCHSTONE_EVENTS": os.devnull}
    (corpus,) = corpora([wanted.corpus], CACHE)
    head = f"{'':<32}{'neg.':>5}{'steps':>6}  {'':<8}"
    print(
        f"{head}{'planned':>9} {'took':>7}{'error':>9}{'planned':>9} {'took':>7}{'error':>10}{'load':>12}", flush=True
    )
    for base in wanted.bases:
        for name in wanted.settings:
            with tempfile.TemporaryDirectory(dir=CACHE) as work:
                compare(corpus, base, name, wanted, Path(work))


if __name__ == "__main__":
    main()

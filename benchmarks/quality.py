"""How good the default recipe is: against the tutorial's settings, on three corpora, from two bases, with three seeds.

The tutorial: learning rate 2e-5, 3 epochs, batches of 64, warm-up .1, plain multiple-negatives ranking; and once more
with as many steps as the default recipe makes. Every model is trained by the product's launcher, so all of them get
the product's choice of the best checkpoint on dev, the base included, and its padding-free forward pass.

`python -m benchmarks.quality --dev` scores on the dev queries, to choose defaults by, with more contenders; without
`--dev` the sealed queries are opened, once, for the table. A run that is in the file of results is not done again: a
change of the trainer needs another file (`--results`). Packages, corpora and results lie in `build/quality`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks import quality_packages as packages
from benchmarks.quality_corpora import CORPORA, Corpus, corpora
from benchmarks.quality_results import Cell, Results, Run, table, verdict
from components.store.digests import digest
from components.store.events import ENVIRONMENT
from components.training.config import TrainingConfig

CACHE = Path("build/quality")
SEEDS = [42, 43, 44]

DEV_DOCUMENTS = 600
"""Searched while training, for every contender: what a processor can afford."""
OURS = TrainingConfig(dev_documents=DEV_DOCUMENTS)
TUTORIAL = TrainingConfig(
    learning_rate=2e-5,
    epochs=3,
    batch_size=64,
    warmup=0.1,
    temperature=0.05,
    symmetric=False,
    mask_false_negatives=False,
    towards_base=0,
    blend=False,
    max_tokens=256,
    evaluations=1,
    dev_documents=DEV_DOCUMENTS,
)
ABLATIONS: dict[str, dict[str, object]] = {
    "no-mask": {"mask_false_negatives": False},
    "one-way": {"symmetric": False},
    "no-blend": {"blend": False},
    "rate-2e-5": {"learning_rate": 2e-5},
    "rate-5e-5": {"learning_rate": 5e-5},
    "rate-1e-4": {"learning_rate": 1e-4},
    "towards-base": {"towards_base": 0.1},
}
"""What is changed in the default recipe; on dev only."""
TABLE = ["tutorial", "tutorial-steps", "ours"]


@dataclass(frozen=True)
class Bench:
    """What stays the same through all runs."""

    cache: Path
    results: Results
    side: str
    gpus: str

    def base(self, corpus: Corpus, base: str) -> Run:
        """The base as it is."""
        run = Run(corpus.name, corpus.digest, self.side, base, "base", "", 0)
        if found := self.results.find(run):
            return found
        return self._done(replace(run, ndcg=score(packages.base(base, self.cache), corpus, self.side)))

    def trained(self, corpus: Corpus, base: str, contender: str, config: TrainingConfig) -> Run:
        """A base, trained on a corpus."""
        settings = digest(config.model_dump(mode="json", exclude={"seed"}))
        run = Run(corpus.name, corpus.digest, self.side, base, contender, settings, config.seed)
        if found := self.results.find(run):
            return found
        from components.training.job import Data
        from components.training.launch import launch

        folder = corpus.folder
        data = Data(folder / "pairs", folder / "dev", folder / "passages", packages.base(base, self.cache))
        with tempfile.TemporaryDirectory(dir=self.cache) as work:
            out, start = Path(work) / "model", time.monotonic()
            launch(data, self.gpus, config, out)
            seconds, told = round(time.monotonic() - start, 1), json.loads((out / "training.json").read_text())
            ndcg = score(out, corpus, self.side)
        return self._done(replace(run, ndcg=ndcg, seconds=seconds, steps=told["steps"]))

    def _done(self, run: Run) -> Run:
        self.results.add(run)
        name = f"{run.corpus} {run.base} {run.contender} {run.seed}"
        print(f"{name:<40} {np.mean(run.ndcg):.4f} {run.steps:>5} steps {run.seconds:>6.0f} s", flush=True)
        return run


def score(model: Path, corpus: Corpus, side: str) -> list[float]:
    """The model's nDCG@10 for each query of a side, over all that is searched."""
    from components.retrieval.encoder import Encoder
    from components.retrieval.index import Index
    from components.retrieval.metrics import measure

    queries, index = corpus.queries(side), Index.of(corpus.passages())
    position = {document: place for place, document in enumerate(index.documents)}
    encoder = Encoder.load(model)
    ranking = index.search(encoder.queries([query.text for query in queries]), encoder.passages(index.texts))
    relevant = [{position[name]: grade for name, grade in query.relevant.items()} for query in queries]
    return [round(float(value), 6) for value in measure(ranking, relevant)["ndcg@10"]]


def contenders(names: Sequence[str], corpus: Corpus, steps: int | None) -> dict[str, TrainingConfig]:
    """The settings of each; `steps` cuts all of them short, for a look at whether everything works."""
    from components.training.planner import Load, plan

    ours = OURS.model_dump()
    equal = {"steps": plan(OURS, Load(corpus.counts()["pairs"]), 1).steps}
    known = {"ours": ours, "tutorial": TUTORIAL.model_dump(), "tutorial-steps": TUTORIAL.model_dump() | equal}
    known |= {name: ours | changed for name, changed in ABLATIONS.items()}
    cut = {"steps": steps} if steps else {}
    return {name: TrainingConfig(**known[name] | cut) for name in names}


Row = tuple[str, str, dict[str, Cell], Sequence[str]]


def rows(bench: Bench, found: Sequence[Corpus], wanted: argparse.Namespace) -> Iterator[Row]:
    """Do what is not done, corpus by corpus and base by base; seed by seed, so that all contenders get their turn."""
    for corpus in found:
        settings = contenders(wanted.contenders, corpus, wanted.steps)
        clusters = [query.cluster for query in corpus.queries(bench.side)]
        for base in wanted.bases:
            runs: dict[str, list[Run]] = {"base": [bench.base(corpus, base)]}
            for seed in wanted.seeds:
                for name, config in settings.items():
                    seeded = config.model_copy(update={"seed": seed})
                    runs.setdefault(name, []).append(bench.trained(corpus, base, name, seeded))
            yield corpus.name, base, {name: Cell.of(of) for name, of in runs.items()}, clusters


def main() -> None:
    """Do what is asked and print the table."""
    wanted = arguments()
    os.environ |= ENVIRONMENT | {"TOUCHSTONE_EVENTS": os.devnull}
    wanted.cache.mkdir(parents=True, exist_ok=True)
    found = corpora(wanted.corpora, wanted.cache)
    for corpus in found:
        print(f"{corpus.name}: {', '.join(f'{count:,} {what}' for what, count in corpus.counts().items())}", flush=True)
    results = Results(wanted.results or wanted.cache / "results.jsonl")
    bench = Bench(wanted.cache, results, "dev" if wanted.dev else "sealed", wanted.gpus)
    made = list(rows(bench, found, wanted))
    table(made)
    verdict(made)


def arguments() -> argparse.Namespace:
    """What is asked; ablations are refused where the sealed queries would judge them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    bases = [name for name in packages.BASES if name != "tiny"]
    parser.add_argument("--dev", action="store_true", help="judge by the dev queries")
    parser.add_argument("--corpora", nargs="+", choices=CORPORA, default=list(CORPORA))
    parser.add_argument("--bases", nargs="+", choices=packages.BASES, default=bases)
    parser.add_argument("--contenders", nargs="*", choices=[*TABLE, *ABLATIONS])
    parser.add_argument("--seeds", nargs="+", type=int, default=SEEDS)
    parser.add_argument("--gpus", default="0", help="0 trains on the processor")
    parser.add_argument("--steps", type=int, help="of every training, for a look at whether everything works")
    parser.add_argument("--cache", type=Path, default=CACHE)
    parser.add_argument("--results", type=Path, help="the file; results.jsonl in the cache by default")
    wanted = parser.parse_args()
    if wanted.contenders is None:
        wanted.contenders = [*TABLE, *ABLATIONS] if wanted.dev else TABLE
    if not wanted.dev and (wrong := set(wanted.contenders) & set(ABLATIONS)):
        parser.error(f"{', '.join(sorted(wrong))}: with --dev only, the sealed queries choose nothing")
    return wanted


if __name__ == "__main__":
    main()

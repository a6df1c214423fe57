"""Trainings that tell the gate's benchmark how tuned models differ: what champion and candidate look like.

Small models are trained by the product's launcher on the AWS corpus of the benchmark of quality; they differ in seed,
in the part of the pairs and in the learning rate, as retrainings do. Every model is scored on the sealed queries of
that corpus: a benchmark's set, no product's test. One more training is done without blending, and the weights between
it and its base are scored too: effects whose order is known.

`make calibrate-gate` does what is not done yet (`build/gate/trainings.jsonl`), writes `benchmarks/gate_scores.parquet`
for `make bench-gate`, and prints the table. `--write` only writes and prints, of the trainings that are there.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from benchmarks import calibrate_scores, quality_packages
from benchmarks.quality import CACHE, DEV_DOCUMENTS
from benchmarks.quality_corpora import Corpus, corpora
from benchmarks.quality_results import Results, Run
from components.pairs.pair import PAIR_SCHEMA
from components.retrieval.encoder import Encoder
from components.retrieval.index import Index
from components.retrieval.metrics import measure
from components.store.artifact import Artifact, ArtifactWriter
from components.store.digests import digest
from components.store.events import ENVIRONMENT
from components.training import blend
from components.training.config import TrainingConfig
from components.training.job import Data
from components.training.launch import launch

WORK = Path("build/gate")
RESULTS = WORK / "trainings.jsonl"

PARTS = {"all": (0, 10), "most": (0, 8), "first half": (0, 5), "second half": (5, 10)}
"""Which tenths of the documents' groups, by hash, train."""


@dataclass(frozen=True)
class Retraining:
    """What one model is trained from and how."""

    base: str
    part: str
    seed: int
    rate: float
    epochs: float = 1.0
    blend: bool = True

    @property
    def name(self) -> str:
        """What the runs' file calls it."""
        return f"{self.part}, {self.rate:g}" if self.blend else "planted"

    @property
    def config(self) -> TrainingConfig:
        """The product's defaults, changed."""
        changed = {"learning_rate": self.rate, "epochs": self.epochs, "seed": self.seed, "blend": self.blend}
        return TrainingConfig(dev_documents=DEV_DOCUMENTS, **changed)


PLANTED = Retraining("minilm", "all", 7, 1e-4, blend=False)
RETRAININGS = [
    Retraining("minilm", "all", 1, 5e-5),
    PLANTED,
    Retraining("minilm", "most", 2, 5e-5),
    *(
        Retraining("tiny", part, seed, rate, epochs=3)
        for seed, (part, rate) in enumerate(
            ((part, rate) for rate in (3e-4, 5e-4, 2e-4) for part in ("all", "most", "first half", "second half")), 11
        )
    ),
    Retraining("tiny", "all", 31, 3e-4, epochs=3),
    Retraining("tiny", "all", 32, 3e-4, epochs=3),
    Retraining("minilm", "all", 3, 5e-5),
    Retraining("minilm", "most", 4, 7e-5),
    Retraining("minilm", "all", 5, 7e-5),
    Retraining("minilm", "first half", 6, 5e-5),
    Retraining("minilm", "all", 8, 5e-5),
    Retraining("minilm", "second half", 9, 5e-5),
]
"""In the order in which they are done: 14 of BERT-tiny (half a minute each), 9 of MiniLM (some minutes)."""


def train(corpus: Corpus, wanted: Retraining, results: Results) -> None:
    """Train and score one model, unless it was."""
    settings = digest(wanted.config.model_dump(mode="json", exclude={"seed"}))
    run = Run(corpus.name, corpus.digest, "sealed", wanted.base, wanted.name, settings, wanted.seed)
    if results.find(run):
        return
    base = quality_packages.base(wanted.base, CACHE)
    data = Data(_part(corpus, wanted.part), corpus.folder / "dev", corpus.folder / "passages", base)
    with tempfile.TemporaryDirectory(dir=WORK) as work:
        out, start = Path(work) / "model", time.monotonic()
        launch(data, "0", wanted.config, out)
        seconds, told = round(time.monotonic() - start, 1), json.loads((out / "training.json").read_text())
        run = replace(run, seconds=seconds, steps=told["steps"])
        if wanted == PLANTED:
            for step, ndcg in _between(base, out, corpus):
                results.add(replace(run, contender=f"planted {step:g}", ndcg=ndcg))
        results.add(replace(run, ndcg=_score(Encoder.load(out), corpus)))
    print(
        f"{wanted.base:<7} {wanted.name:<20} seed {wanted.seed:<3} {run.steps:>4} steps {seconds:>6.0f} s", flush=True
    )


def untrained(corpus: Corpus, base: str, results: Results) -> None:
    """Score a base as it is, unless it was."""
    run = Run(corpus.name, corpus.digest, "sealed", base, "base", "", 0)
    if not results.find(run):
        results.add(replace(run, ndcg=_score(Encoder.load(quality_packages.base(base, CACHE)), corpus)))


def _part(corpus: Corpus, name: str) -> Path:
    """The artifact of the pairs of a part of the groups."""
    path, (first, end) = WORK / "parts" / name, PARTS[name]
    if not path.exists():
        pairs = Artifact.open(corpus.folder / "pairs", "pairs")
        kept = (row for row in pairs.rows("pairs") if first <= sha256(row["group"].encode()).digest()[0] % 10 < end)
        with ArtifactWriter(path, "pairs", {"pairs": pairs.digest}) as out:
            out.table("pairs", PAIR_SCHEMA, kept)
    return path


def _between(base: Path, tuned: Path, corpus: Corpus) -> Iterator[tuple[float, list[float]]]:
    """The scores of weights so far on the way from the base to the tuned model."""
    encoder = Encoder.load(tuned)
    start, end = ({n: v.clone() for n, v in Encoder.load(one).model.state_dict().items()} for one in (base, tuned))
    for step in blend.STEPS:
        encoder.model.load_state_dict(blend.weights(start, end, step))
        yield step, _score(encoder, corpus)


def _score(encoder: Encoder, corpus: Corpus) -> list[float]:
    """nDCG@10 of each sealed query, over all that is searched."""
    queries, index = corpus.queries("sealed"), Index.of(corpus.passages())
    position = {document: place for place, document in enumerate(index.documents)}
    ranking = index.search(encoder.queries([query.text for query in queries]), encoder.passages(index.texts))
    relevant = [{position[name]: grade for name, grade in query.relevant.items()} for query in queries]
    return [round(float(value), 6) for value in measure(ranking, relevant)["ndcg@10"]]


def _run(line: str) -> Run:
    return Run(**json.loads(line))


def main() -> None:
    """Do what is not done, then write what the gate's benchmark reads and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="train nothing")
    parser.add_argument("--out", type=Path, default=calibrate_scores.SCORES)
    wanted = parser.parse_args()
    os.environ |= ENVIRONMENT | {"TOUCHSTONE_EVENTS": os.devnull}
    WORK.mkdir(parents=True, exist_ok=True)
    (corpus,) = corpora(["aws"], CACHE)
    results = Results(RESULTS)
    if not wanted.write:
        for base in ("minilm", "tiny"):
            untrained(corpus, base, results)
        for one in RETRAININGS:
            train(corpus, one, results)
    runs = [run for run in map(_run, RESULTS.read_text().splitlines()) if run.data == corpus.digest]
    calibrate_scores.write(wanted.out, corpus.queries("sealed"), runs)
    calibrate_scores.table(calibrate_scores.read(wanted.out))


if __name__ == "__main__":
    main()

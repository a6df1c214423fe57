"""The scores of the trainings as the gate's benchmark reads them, and the table of how models differ.

The file holds no text and no ids: clusters and sources are numbers. One column is one model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.quality_results import Run
from components.pairs.judged import Query

SCORES = Path(__file__).with_name("gate_scores.parquet")

Numbers = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Marks = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Scores:
    """nDCG@10 of models (name -> queries) named `BASE|CONTENDER|SEED`, and where each query lies."""

    models: dict[str, Numbers]
    clusters: Integers
    sources: Integers

    def untrained(self, base: str) -> Numbers:
        """The base as it is."""
        return self.models[f"{base}|base|0"]

    def tuned(self, base: str) -> dict[str, Numbers]:
        """What was trained from that base, as it would be promoted."""
        names = [name for name in self.models if name.startswith(f"{base}|") and "|base|" not in name]
        return {name: self.models[name] for name in names if "|planted " not in name}

    def planted(self) -> dict[float, Numbers]:
        """Part of the way from the base to a tuned model -> the scores there."""
        names = [name for name in self.models if "|planted " in name]
        return {float(name.split("|")[1].split()[1]): self.models[name] for name in names}


def write(path: Path, queries: Sequence[Query], runs: Sequence[Run]) -> None:
    """Write the file of these queries and runs."""
    labels = {
        "cluster": np.unique([query.cluster for query in queries], return_inverse=True)[1],
        "source": np.unique([query.source for query in queries], return_inverse=True)[1],
    }
    columns = {name: pa.array(of, pa.int16()) for name, of in labels.items()}
    columns |= {f"{run.base}|{run.contender}|{run.seed}": pa.array(run.ndcg) for run in runs}
    pq.write_table(pa.table(columns), path, compression="zstd", use_dictionary=True)


def read(path: Path = SCORES) -> Scores:
    """What the file holds."""
    table = pq.read_table(path)
    found = {name: table.column(name).to_numpy() for name in table.column_names}
    clusters, sources = (found.pop(name).astype(np.int64) for name in ("cluster", "source"))
    return Scores(found, clusters, sources)


def table(scores: Scores) -> None:
    """Print how tuned models differ: one line for each base and kind of pair, medians over the pairs."""
    print(f"\n{len(scores.clusters):,} queries, {_count(scores.clusters):,} clusters, {_count(scores.sources)} sources")
    print(
        "| pairs | how many | sd of the difference | zeros | inflation by cluster | by source | ICC by cluster | gain |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for base in ("minilm", "tiny"):
        for kind, pairs in _kinds(scores, base).items():
            if pairs:
                _line(scores, f"{base}, {kind}", pairs)
    for base in ("minilm", "tiny"):
        for setting, means in _seeds(scores, base).items():
            if len(means) > 1:
                told = f"nDCG@10 {np.mean(means):.4f}, sd from seed to seed {np.std(means, ddof=1):.4f}"
                print(f"{base}, {setting}, {len(means)} seeds: {told}")


def _count(labels: Integers) -> int:
    return len(np.unique(labels))


def _setting(name: str) -> str:
    return name.split("|")[1]


def _kinds(scores: Scores, base: str) -> dict[str, list[Numbers]]:
    """Differences of pairs of models, by what differs."""
    kinds: dict[str, list[Numbers]] = {"other seed": [], "other data or rate": [], "tuned - base": []}
    tuned = scores.tuned(base)
    for one, other in combinations(tuned, 2):
        kind = "other seed" if _setting(one) == _setting(other) else "other data or rate"
        kinds[kind].append(tuned[one] - tuned[other])
    kinds["tuned - base"] = [values - scores.untrained(base) for values in tuned.values()]
    return kinds


def _line(scores: Scores, name: str, pairs: Sequence[Numbers]) -> None:
    rows = [
        (d.std(), (d == 0).mean(), inflation(d, scores.clusters), inflation(d, scores.sources), icc(d, scores.clusters))
        for d in pairs
    ]
    sd, zeros, cluster, source, correlation = np.median(rows, axis=0)
    low, high = min(row[0] for row in rows), max(row[0] for row in rows)
    gain = np.median([abs(d.mean()) for d in pairs])
    told = f"{sd:.3f} ({low:.3f}-{high:.3f}) | {zeros:.0%} | {cluster:.2f} | {source:.2f} | {correlation:.2f}"
    print(f"| {name} | {len(pairs)} | {told} | {gain:.4f} |")


def _seeds(scores: Scores, base: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for name, values in scores.tuned(base).items():
        found.setdefault(_setting(name), []).append(float(values.mean()))
    return found


def inflation(differences: Numbers, labels: Integers) -> float:
    """How many times larger the variance of the mean is with these labels as clusters than with single queries."""
    sums = np.bincount(labels, weights=differences - differences.mean())
    return float(np.square(sums).sum() / (len(differences) * differences.var())) if differences.any() else 1.0


def icc(differences: Numbers, labels: Integers) -> float:
    """The intraclass correlation by one-way analysis of variance, for clusters of different sizes."""
    _, labels = np.unique(labels, return_inverse=True)
    sizes = np.bincount(labels)
    means = np.bincount(labels, weights=differences) / sizes
    queries, clusters = len(differences), len(sizes)
    between = float((sizes * np.square(means - differences.mean())).sum()) / (clusters - 1)
    within = float(np.square(differences - means[labels]).sum()) / (queries - clusters)
    size = (queries - float(np.square(sizes).sum()) / queries) / (clusters - 1)
    total = between + (size - 1) * within
    return (between - within) / total if total > 0 else 0.0

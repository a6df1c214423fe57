"""Runs of the benchmark of quality as lines of a file, and the tables made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

RESAMPLES = 10_000
ALLOWED_LOSS = 0.005
"""What a cell may lie below its base."""


@dataclass(frozen=True)
class Run:
    """One model, scored.

    Attributes:
        corpus: Its name.
        data: The digest of its artifacts.
        side: Which queries judged: dev or sealed.
        base: What was trained.
        contender: The name of the settings; "base" for no training.
        config: The digest of the settings, without the seed.
        seed: 0 for no training.
        ndcg: nDCG@10 of each query, in the order of the artifact.
        seconds: The training took, start and evaluations included.
        steps: Of the optimizer.
    """

    corpus: str
    data: str
    side: str
    base: str
    contender: str
    config: str
    seed: int
    ndcg: list[float] = field(default_factory=list, compare=False)
    seconds: float = field(default=0.0, compare=False)
    steps: int = field(default=0, compare=False)


class Results:
    """The file: a run is added when it is done, and not done again."""

    def __init__(self, path: Path) -> None:
        """Read what is there."""
        self._path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self._known = {run: run for run in (Run(**json.loads(line)) for line in lines)}

    def find(self, asked: Run) -> Run | None:
        """The run as it was done, if it was: `asked` has no scores yet."""
        return self._known.get(asked)

    def add(self, run: Run) -> None:
        """Keep a run."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(run)) + "\n")
        self._known[run] = run


@dataclass(frozen=True)
class Cell:
    """What one contender came to on one corpus from one base: each query's mean over the seeds."""

    ndcg: Numbers
    seconds: float
    steps: int
    seeds: int

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Cell:
        """The runs that differ in their seed alone."""
        seconds = float(np.mean([run.seconds for run in runs]))
        return cls(np.mean([run.ndcg for run in runs], axis=0), seconds, runs[0].steps, len(runs))


def interval(differences: Numbers, clusters: Sequence[str]) -> tuple[float, float, float]:
    """Mean difference and its 95% interval, by drawing whole clusters (percentile bootstrap, always the same draws)."""
    _, label = np.unique(np.array(clusters), return_inverse=True)
    sums, sizes = np.bincount(label, weights=differences), np.bincount(label)
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1), [0.025, 0.975])
    return float(differences.mean()), float(low), float(high)


def table(rows: Iterable[tuple[str, str, dict[str, Cell], Sequence[str]]]) -> None:
    """Print a line for each contender on each corpus from each base.

    Args:
        rows: Corpus, base, name of a contender -> its cell ("base" among them), and each query's cluster.
    """
    print(
        f"\n{'corpus':<10} {'base':<7} {'contender':<15} nDCG@10  {'- base':<24} {'- tutorial':<24} steps seconds seeds"
    )
    for corpus, base, cells, clusters in rows:
        for name, cell in cells.items():
            against = [_against(cell, cells.get(other), clusters) for other in ("base", "tutorial")]
            rest = f"{cell.steps:>5} {cell.seconds:>7.0f} {cell.seeds:>5}" if name != "base" else ""
            print(
                f"{corpus:<10} {base:<7} {name:<15} {cell.ndcg.mean():>7.4f}  {against[0]:<24} {against[1]:<24} {rest}"
            )


def verdict(rows: Iterable[tuple[str, str, dict[str, Cell], Sequence[str]]]) -> None:
    """Print whether what is asked of the default recipe holds."""
    for corpus, base, cells, clusters in rows:
        if not {"base", "tutorial", "ours"} <= cells.keys():
            continue
        gain = cells["ours"].ndcg.mean() - cells["base"].ndcg.mean()
        _, low, _ = interval(cells["ours"].ndcg - cells["tutorial"].ndcg, clusters)
        better = "above the tutorial" if low > 0 else "not proved above the tutorial"
        kept = "not below" if gain >= -ALLOWED_LOSS else "BELOW"
        print(f"{corpus}, {base}: ours is {better}; {kept} its base by more than {ALLOWED_LOSS} ({gain:+.4f})")


def _against(cell: Cell, other: Cell | None, clusters: Sequence[str]) -> str:
    if other is None or other is cell:
        return ""
    mean, low, high = interval(cell.ndcg - other.ndcg, clusters)
    return f"{mean:+.4f} [{low:+.4f},{high:+.4f}]"

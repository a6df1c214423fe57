"""What the gate judges by: the scores as the recipe's rules see them. What production serves is what is compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from components.evaluation.scores import BASE, BM25, CANDIDATE, CHAMPION, FUSED, HYBRID, Numbers, Scores
from components.gate import statistics
from components.gate.config import GateConfig
from components.gate.statistics import Comparison
from components.gate.verdict import Look
from components.pairs.leakage import Leakage

METRIC = "ndcg@10"
GIANT = 0.05
"""A cluster that holds more of the queries is split by each query's best-graded document."""

Mask = npt.NDArray[np.bool_]
"""Which of the queries."""


@dataclass(frozen=True)
class Trial:
    """One verdict in the making.

    Attributes:
        scores: Every model on every sealed query.
        leakage: How much of what trained is found in what judges.
        look: The look that was charged.
        config: The recipe's rules.
    """

    scores: Scores
    leakage: Leakage
    look: Look
    config: GateConfig

    @property
    def alpha(self) -> float:
        """The level of each test of superiority: two ways to be promoted share the look's."""
        return self.look.alpha / self.config.routes

    @property
    def judges(self) -> list[str]:
        """The models that the candidate must beat."""
        return [name for name in (CHAMPION, BASE) if name in self.scores.values]

    @property
    def against(self) -> str:
        """The model that would be replaced."""
        return CHAMPION if CHAMPION in self.scores.values else BASE

    @property
    def others(self) -> list[str]:
        """All that the candidate is compared with; the hybrid is the base as production would serve it then."""
        known = [*self.judges, BM25]
        return known if self.config.serving == "hybrid" else [*known, HYBRID]

    @property
    def untrained(self) -> list[str]:
        """What anybody could serve without training."""
        return [BM25, HYBRID]

    def served(self, name: str) -> Numbers:
        """The gated metric of a model, as production would serve it."""
        fused = self.config.serving == "hybrid"
        return self.scores.values[FUSED.get(name, name) if fused else name][METRIC]

    @cached_property
    def everything(self) -> Mask:
        """All queries."""
        return np.ones(len(self.scores.queries), bool)

    @cached_property
    def coverage(self) -> Numbers:
        """For each query how much of its documents training has seen; no number where that is not known."""
        return np.array([self.leakage.seen(query) for query in self.scores.queries], np.float64)

    @cached_property
    def giants(self) -> list[str]:
        """Clusters that hold too much of the queries to be one draw of chance."""
        counts = Counter(self.scores.clusters)
        return sorted(name for name, count in counts.items() if count > GIANT * len(self.scores.clusters))

    @cached_property
    def units(self) -> list[str]:
        """Each query's cluster, by the recipe's rule."""
        return self.scores.sources if self.config.cluster == "source" else self._grouped

    @cached_property
    def _grouped(self) -> list[str]:
        """Each query's cluster of groups, those that are too large split."""
        return [
            f"{cluster} {group}" if cluster in self.giants else cluster
            for cluster, group in zip(self.scores.clusters, self.scores.groups, strict=True)
        ]

    def compare(self, name: str, where: Mask, least: float) -> Comparison:
        """The candidate against another model on some of the queries."""
        return self._compare(name, where, self.units, least)

    def by_source(self, name: str) -> Comparison:
        """The candidate against another model on all queries, whole sources together."""
        return self._compare(name, self.everything, self.scores.sources, self.config.min_gain)

    def _compare(self, name: str, where: Mask, units: list[str], least: float) -> Comparison:
        rows = np.flatnonzero(where).tolist()
        values = (self.served(CANDIDATE)[where], self.served(name)[where])
        chosen, groups = ([labels[i] for i in rows] for labels in (units, self._grouped))
        return statistics.compare(*values, chosen, alpha=self.alpha, least=least, groups=groups)

    def same(self, name: str, differing: int) -> bool:
        """Equal files, or equal weights in files that another version of a library wrote."""
        known = self.scores.contenders
        return not differing or known[name].fingerprint == known[CANDIDATE].fingerprint

    def labelled(self) -> Iterator[tuple[str, Mask]]:
        """Every slice with its queries, largest first."""
        labels: dict[str, list[int]] = {}
        for position, of in enumerate(self.scores.slices):
            for label in of:
                labels.setdefault(label, []).append(position)
        for label, positions in sorted(labels.items(), key=lambda known: (-len(known[1]), known[0])):
            mask = np.zeros(len(self.scores.queries), bool)
            mask[positions] = True
            yield label, mask

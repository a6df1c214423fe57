"""Everything that the page tells, gathered from the run's artifacts."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.evaluation import examples
from components.evaluation.examples import Example
from components.gate.files import read_verdict
from components.gate.verdict import Verdict
from components.pairs.leakage import Leakage
from components.store.artifact import Artifact


@dataclass(frozen=True)
class Findings:
    """What a run that reached a verdict has to tell.

    Attributes:
        training: The candidate's `training.json`: config, steps, true_negatives, precision,
            `dev` (curve of [step, nDCG@10]), `loss` (curve of [step, loss]), versions.
        corpus: documents, duplicates, near_duplicates, rejected (reason -> count).
        pairs: pairs, dropped (reason -> count).
        queries: sealed_queries, dropped (reason -> count).
        measured: What `evaluate` tells besides of a promotion: costs, dimensions, churn (dev results that change);
            each may be missing.
    """

    run: str
    verdict: Verdict
    verdict_digest: str
    training: dict[str, Any]
    examples: list[Example]
    corpus: dict[str, Any]
    pairs: dict[str, Any]
    queries: dict[str, Any]
    leakage: Leakage
    measured: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        run: str,
        *,
        verdict: Path,
        candidate: Path,
        shown: Path,
        documents: Path,
        pairs: Path,
        judged: Path,
        leakage: Path,
    ) -> Findings:
        """Open and verify the artifacts."""
        decided, digest = read_verdict(verdict)
        return cls(
            run=run,
            verdict=decided,
            verdict_digest=digest,
            training=json.loads((Artifact.open(candidate, "model").path / "training.json").read_text()),
            examples=examples.read(shown),
            corpus=Artifact.open(documents, "documents").facts,
            pairs=Artifact.open(pairs, "pairs").facts,
            queries=Artifact.open(judged, "judged").facts,
            leakage=Leakage.read(Artifact.open(leakage, "leakage")),
            measured=Artifact.open(shown, "examples").facts,
        )

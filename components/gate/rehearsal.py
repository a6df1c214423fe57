"""The gate rehearsed on the dev queries: real models, real scoring, the real decision; nothing sealed is opened.

Dev is smaller than a sealed test, so the rules that count are scaled to it. No look is charged: the one that a verdict
needs is made up, in a folder of its own.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from components.corpus import snapshot
from components.corpus.passages import Cutter
from components.evaluation import files
from components.evaluation.evaluate import Exam, Found, assemble, rank
from components.evaluation.scores import BASE, CANDIDATE, CHAMPION, FUSED, Scores
from components.gate.config import GateConfig
from components.gate.files import Case, Evidence
from components.gate.verdict import Look, Verdict
from components.pairs import judged
from components.pairs import leakage as leakages
from components.pairs.config import Side
from components.pairs.guards import Guard
from components.pairs.judged import Query
from components.pairs.known import Known
from components.pairs.leakage import Leakage
from components.pairs.material import Material
from components.pairs.proof import prove
from components.pairs.split import Split
from components.store.artifact import Artifact, ArtifactWriter
from components.store.models import Model
from components.training.dev import DevSet

LABELS = ("queries", "clusters", "groups", "born", "sources", "slices")
"""What `Scores` holds once for each query, besides the values."""
LEVEL = 0.05
"""Of each test; a real look has a small part of it."""
DIFFERING = 5
"""Clusters in which two models must differ, at least."""
GUARD_PARTS = 3
"""How many times the queries of its dev part a guard judges by (`pairs.guards.DEV_PART`)."""


@dataclass(frozen=True)
class Kept:
    """The artifacts of a run, as they lie on this machine."""

    base: Path
    candidate: Path
    documents: Path
    pairs: Path
    judged: Path
    passages: Path
    leakage: Path


@dataclass(frozen=True)
class Contestant:
    """A model, and what it found under the name of a candidate."""

    model: Model
    found: Found


@dataclass(frozen=True)
class Stage:
    """What is the same in every case.

    Attributes:
        exam: Dev queries, some of the documents, the guards' dev parts.
        config: The recipe's rules, scaled.
        snapshot: The listing's digest.
        work: A folder of this rehearsal alone.
    """

    exam: Exam
    config: GateConfig
    snapshot: str
    work: Path

    def meet(self, model: Path) -> Contestant:
        """Score a model on everything."""
        opened = Model.open(model)
        return Contestant(opened, rank(self.exam, {CANDIDATE: opened}))

    def scores(self, base: Contestant, candidate: Contestant, champion: Contestant | None = None) -> Scores:
        """The contestants side by side."""
        known = {BASE: base, CANDIDATE: candidate} | ({CHAMPION: champion} if champion else {})
        found = Found({}, {}, {guard.name: {} for guard in self.exam.guards})
        for name, one in known.items():
            found.sealed |= one.found.sealed | {name: one.found.sealed[CANDIDATE]}
            found.prompts[name] = one.found.prompts[CANDIDATE]
            for guard, of in one.found.guards.items():
                found.guards[guard][name] = of[CANDIDATE]
        found.sealed |= {CANDIDATE: candidate.found.sealed[CANDIDATE]}
        found.sealed |= {FUSED[name]: one.found.sealed[FUSED[CANDIDATE]] for name, one in known.items()}
        inputs = {"snapshot": self.snapshot, "permit": permit(self.work, self.exam.sealed)}
        return assemble(self.exam, found, {name: one.model for name, one in known.items()}, "", inputs)

    def verdict(self, scores: Scores, leakage: Path) -> Verdict:
        """Decide as the step `decide` does.

        Raises:
            TouchstoneError: WRONG_LOOK when the scores are of other queries than the exam's.
        """
        folder = Path(tempfile.mkdtemp(dir=self.work))
        files.write(scores, folder / "scores")
        self._charge(scores, folder / "look")
        evidence = Evidence(folder / "scores", leakage, folder / "look")
        (folder / "case").mkdir()
        return Case.collect(folder / "case", evidence, self.config).verdict()

    def _charge(self, scores: Scores, path: Path) -> None:
        """A look as `unseal` writes it, for the contenders of the scores and the queries of the exam."""
        look = Look(number=1, alpha=LEVEL, left=0, year=1, ledger_head="0" * 64, ledger_length=1)
        champion = scores.contenders[CHAMPION].reference if CHAMPION in scores.contenders else ""
        who = {"candidate": scores.contenders[CANDIDATE].fingerprint, "champion": champion}
        with ArtifactWriter(path, "look", {"permit": permit(self.work, self.exam.sealed)}) as out:
            out.facts |= {"look": look.model_dump()} | who


def permit(work: Path, queries: list[Query]) -> str:
    """The digest that a permit of these queries has."""
    judged.write(work / "permit", "permit", queries, {}, {})
    return Artifact.open(work / "permit", "permit").digest


def stage(kept: Kept, state: str, config: GateConfig, guards: Iterable[str], documents: int, work: Path) -> Stage:
    """Set the stage.

    Args:
        kept: The run's artifacts.
        state: The line's state; the guards are read as the run's listing names them.
        config: The recipe's rules.
        guards: The guards' names.
        documents: How many documents are searched, about.
        work: An empty folder.
    """
    artifact = Artifact.open(kept.judged, "judged")
    listing, queries = artifact.manifest["inputs"]["snapshot"], judged.read(artifact)
    parts = [_part(name, state, listing, documents, work) for name in guards]
    index = DevSet.read(kept.judged, kept.passages, documents).index
    exam = Exam("", queries, [], index, [part for part in parts if part.queries])
    return Stage(exam, scaled(config, queries), listing, work)


def _part(name: str, state: str, listing: str, documents: int, work: Path) -> Guard:
    """The dev part of a guard, searched in about so many documents."""
    part = Guard.read(name, snapshot.read(state, listing, f"guard:{name}")).dev
    folder = work / "guards" / name
    part.write(folder)
    found = DevSet.read(folder / "judged", folder / "passages", documents)
    return Guard(name, found.index, found.queries, found.relevant)


def scaled(config: GateConfig, queries: list[Query]) -> GateConfig:
    """The recipe's rules for as many queries as dev has, at a level that so few can reach."""
    part = len(queries) / config.min_queries
    known: dict[str, Any] = {
        "error_budget": LEVEL,
        "looks": 1,
        "fresh": None,
        "accept_mined": True,
        "guard_margin": config.guard_margin * math.sqrt(GUARD_PARTS),
    }
    counts = {"min_queries": len(queries), "min_clusters": len({query.cluster for query in queries})}
    counts["min_sources"] = len({query.source for query in queries})
    known |= {name: min(getattr(config, name), count) for name, count in counts.items()}
    known["min_differing"] = min(config.min_differing, max(DIFFERING, round(config.min_differing * part)))
    return config.model_copy(update=known)


def measured(kept: Kept, pairs: Path, queries: list[Query], out: Path) -> Leakage:
    """Prove what of the dev queries' documents is found in `pairs`, and write the artifact `leakage` at `out`."""
    written, evidence = Artifact.open(pairs, "pairs"), Artifact.open(kept.leakage, "leakage").facts["evidence"]
    trains = {row["document"]: row["group"] for row in Artifact.open(kept.pairs, "pairs").rows("training_documents")}
    groups = {document: document for query in queries for document in query.relevant}
    groups |= {min(query.relevant, key=lambda one: (-query.relevant[one], one)): query.group for query in queries}
    sides: dict[str, Side] = dict.fromkeys(groups, "dev")
    sides |= dict.fromkeys(trains, "train")
    split = Split(sides, groups | trains, {}, 0, 0, (), 0.0)
    material = Material(Artifact.open(kept.documents, "documents"), split, Cutter(kept.base, 32))
    proof = prove(written, material, Known.empty(), queries, evidence, kept.base)
    leakages.write(proof, out, {})
    return proof


def without_last(scores: Scores, work: Path, queries: list[Query]) -> Scores:
    """The same scores of one query less: another query set."""
    values = {name: {metric: v[:-1] for metric, v in of.items()} for name, of in scores.values.items()}
    labels = {name: getattr(scores, name)[:-1] for name in LABELS}
    inputs = scores.inputs | {"permit": permit(work, queries[:-1])}
    return replace(scores, **labels, values=values, inputs=inputs)

"""Scores base, champion, candidate, BM25 and hybrids in one run, on identical queries and the whole corpus."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from components.corpus import passages, snapshot
from components.evaluation import costs, examples, files, parity, reference
from components.evaluation.churn import Churn
from components.evaluation.scores import BASE, BM25, CANDIDATE, CHAMPION, FUSED, Contender, Numbers, Scores
from components.pairs import judged
from components.pairs.guards import Guard
from components.retrieval import fusion, vectors
from components.retrieval.encoder import Encoder
from components.retrieval.index import Index, Ranking, Vectors
from components.retrieval.lexical import Words
from components.retrieval.metrics import measure
from components.store.artifact import Artifact
from components.store.models import Model


@dataclass(frozen=True)
class Inputs:
    """The artifacts that are compared, and what they are compared on."""

    base: Path
    champion: Path
    candidate: Path
    permit: Path
    judged: Path
    passages: Path


@dataclass(frozen=True)
class Exam:
    """Sealed and dev queries, corpus and guards, the same for every model.

    Attributes:
        state: Where vectors of passages are kept; "" for nowhere.
    """

    state: str
    sealed: list[judged.Query]
    dev: list[judged.Query]
    index: Index
    guards: list[Guard]

    def relevant(self, queries: list[judged.Query]) -> list[dict[int, int]]:
        """For each query: position of a relevant document -> grade."""
        return [{self._position[d]: grade for d, grade in q.relevant.items()} for q in queries]

    @cached_property
    def _position(self) -> dict[str, int]:
        return {document: i for i, document in enumerate(self.index.documents)}

    @property
    def sides(self) -> dict[str, list[judged.Query]]:
        """The queries of each side."""
        return {"dev": self.dev, "sealed": self.sealed}

    def vectors(self, encoder: Encoder, model: Model, texts: list[str], unit: str) -> Vectors:
        """Of passages, those known from earlier runs not encoded again."""
        if not self.state:
            return encoder.passages(texts, unit)
        return vectors.passages(encoder, model.fingerprint, texts, self.state, unit)


@dataclass
class Found:
    """What every model found, by which prompts, and what the candidate costs and changes (facts of `examples`)."""

    sealed: dict[str, Ranking]
    dev: dict[str, Ranking]
    guards: dict[str, dict[str, Numbers]]
    prompts: dict[str, dict[str, str]] = field(default_factory=dict)
    measured: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outputs:
    """Where the artifacts go."""

    scores: Path
    examples: Path
    parity: Path


def evaluate(state: str, digest: str, guards: list[str], inputs: Inputs, out: Outputs) -> Scores:
    """Write the artifacts `scores`, `examples` (of the dev side) and `parity` (of public texts).

    Args:
        state: The line's state; passage vectors are kept there.
        digest: The snapshot's digest; guards are read as it lists them.
        guards: Names of the guards.
        inputs: The models and the exam.
        out: Where they go.
    """
    permit, corpus = Artifact.open(inputs.permit, "permit"), Artifact.open(inputs.passages, "passages")
    dev = judged.read(Artifact.open(inputs.judged, "judged"))
    read = [Guard.read(name, snapshot.read(state, digest, f"guard:{name}")).sealed for name in guards]
    exam = Exam(state, judged.read(permit), dev, Index.of(passages.read(corpus)), read)
    champion = Model.open(inputs.champion)
    models = {BASE: Model.open(inputs.base).require("base"), CANDIDATE: Model.open(inputs.candidate)}
    models |= {CHAMPION: champion} if champion.present else {}
    found = rank(exam, models)
    scores = assemble(exam, found, models, champion.problem, {"snapshot": digest} | _digests(permit, corpus))
    files.write(scores, out.scores)
    shown = examples.collect(exam.dev, exam.relevant(exam.dev), exam.index, found.dev)
    examples.write(shown, found.measured, out.examples)
    candidate = models[CANDIDATE]
    parity.write(reference.measure(candidate.path, candidate.fingerprint), out.parity, {})
    return scores


def _digests(permit: Artifact, corpus: Artifact) -> dict[str, str]:
    return {"permit": permit.digest, "passages": corpus.digest}


def assemble(exam: Exam, found: Found, models: dict[str, Model], problem: str, inputs: dict[str, str]) -> Scores:
    """The scores of what was found.

    Args:
        exam: What was asked.
        found: What every model found.
        models: Base, champion if there is one, candidate.
        problem: Why a champion that exists could not be read.
        inputs: Digests of what was scored and on what.
    """
    relevant = exam.relevant(exam.sealed)
    return Scores(
        queries=[q.id for q in exam.sealed],
        clusters=[q.cluster for q in exam.sealed],
        groups=[q.group for q in exam.sealed],
        born=[q.born for q in exam.sealed],
        sources=[q.source for q in exam.sealed],
        slices=[list(q.slices) for q in exam.sealed],
        values={name: measure(ranking, relevant) for name, ranking in found.sealed.items()},
        guards=found.guards,
        contenders={name: _contender(model, found.prompts[name]) for name, model in models.items()},
        champion_problem=problem,
        documents=len(exam.index.documents),
        passages=len(exam.index.texts),
        inputs=inputs,
    )


def _contender(model: Model, prompts: dict[str, str]) -> Contender:
    return Contender(model.reference, model.fingerprint, segments(model), prompts)


def segments(model: Model) -> int | None:
    """How many segments the split had when the model was trained; what it does not tell, or not as a count, is None."""
    try:
        told = json.loads((model.path / "training.json").read_bytes())["split_segments"]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return told if type(told) is int and told >= 0 else None


def rank(exam: Exam, models: dict[str, Model]) -> Found:
    """Every model's rankings and guard scores; one model in memory at a time."""
    found = Found({}, {}, {guard.name: {} for guard in exam.guards})
    for name, model in models.items():
        encoder = Encoder.load(model.path)
        found.prompts[name] = encoder.prompts
        known = exam.vectors(encoder, model, exam.index.texts, f"passages, {name}")
        asked = {side: _asked(exam, encoder, known, queries) for side, queries in exam.sides.items()}
        found.sealed[name], found.dev[name] = asked["sealed"].ranking, asked["dev"].ranking
        for guard in exam.guards:
            general = exam.vectors(encoder, model, guard.index.texts, f"{guard.name}, {name}")
            found.guards[guard.name][name] = guard.score(encoder, general)
        if name == CANDIDATE and exam.dev:
            found.measured |= costs.facts(encoder, exam.index, known, asked, costs.dimensions_of(model))
    found.sealed[BM25] = Words(exam.index).search([q.text for q in exam.sealed])
    for name in models:
        found.sealed[FUSED[name]] = fusion.fuse([found.sealed[name], found.sealed[BM25]])
    if CHAMPION in models and exam.dev:
        found.measured |= {"churn": asdict(Churn.between(found.dev[CHAMPION], found.dev[CANDIDATE]))}
    return found


def _asked(exam: Exam, encoder: Encoder, known: Vectors, queries: list[judged.Query]) -> costs.Queries:
    """One side's queries, and what the model finds with them."""
    texts = [query.text for query in queries]
    vectors = encoder.queries(texts)
    return costs.Queries(texts, exam.relevant(queries), vectors, exam.index.search(vectors, known))

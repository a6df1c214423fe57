"""Scores base, champion, candidate, BM25 and hybrid in one run, on identical queries and the whole corpus."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.corpus import passages, snapshot
from components.evaluation import examples, files
from components.evaluation.scores import BASE, BM25, CANDIDATE, CHAMPION, HYBRID, Contender, Numbers, Scores
from components.pairs import judged
from components.pairs.guards import Guard
from components.retrieval import fusion, vectors
from components.retrieval.encoder import Encoder
from components.retrieval.index import Index, Ranking
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
    """Sealed and dev queries, corpus and guards, the same for every model."""

    state: str
    sealed: list[judged.Query]
    dev: list[judged.Query]
    index: Index
    guards: list[Guard]

    def relevant(self, queries: list[judged.Query]) -> list[dict[int, int]]:
        """For each query: position of a relevant document -> grade."""
        position = {document: i for i, document in enumerate(self.index.documents)}
        return [{position[d]: grade for d, grade in q.relevant.items()} for q in queries]


@dataclass
class Found:
    """What every model found."""

    sealed: dict[str, Ranking]
    dev: dict[str, Ranking]
    guards: dict[str, dict[str, Numbers]]


def evaluate(state: str, digest: str, guards: list[str], inputs: Inputs, out: Path, examples_out: Path) -> Scores:
    """Write the artifacts `scores` at `out` and `examples` (of the dev side) at `examples_out`.

    Args:
        state: The line's state; passage vectors are kept there.
        digest: The snapshot's digest; guards are read as it lists them.
        guards: Names of the guards.
        inputs: The models and the exam.
        out: Where the scores go.
        examples_out: Where the dev examples go.
    """
    permit, corpus = Artifact.open(inputs.permit, "permit"), Artifact.open(inputs.passages, "passages")
    dev = judged.read(Artifact.open(inputs.judged, "judged"))
    read = [Guard.read(name, snapshot.read(state, digest, f"guard:{name}")).sealed for name in guards]
    exam = Exam(state, judged.read(permit), dev, Index.of(passages.read(corpus)), read)
    champion = Model.open(inputs.champion)
    models = {BASE: Model.open(inputs.base).require("base"), CANDIDATE: Model.open(inputs.candidate)}
    models |= {CHAMPION: champion} if champion.present else {}
    found = _rank(exam, models)
    scores = _scores(exam, found, models, champion.problem, {"snapshot": digest} | _digests(permit, corpus))
    files.write(scores, out)
    examples.write(examples.collect(exam.dev, exam.relevant(exam.dev), exam.index, found.dev), examples_out)
    return scores


def _digests(permit: Artifact, corpus: Artifact) -> dict[str, str]:
    return {"permit": permit.digest, "passages": corpus.digest}


def _scores(exam: Exam, found: Found, models: dict[str, Model], problem: str, inputs: dict[str, str]) -> Scores:
    relevant = exam.relevant(exam.sealed)
    return Scores(
        queries=[q.id for q in exam.sealed],
        clusters=[q.cluster for q in exam.sealed],
        sources=[q.source for q in exam.sealed],
        slices=[list(q.slices) for q in exam.sealed],
        values={name: measure(ranking, relevant) for name, ranking in found.sealed.items()},
        guards=found.guards,
        contenders={name: Contender(m.reference, m.fingerprint) for name, m in models.items()},
        champion_problem=problem,
        documents=len(exam.index.documents),
        passages=len(exam.index.texts),
        inputs=inputs,
    )


def _rank(exam: Exam, models: dict[str, Model]) -> Found:
    """Every model's rankings and guard scores; one model in memory at a time."""
    found = Found({}, {}, {guard.name: {} for guard in exam.guards})
    for name, model in models.items():
        encoder = Encoder.load(model.path)
        known = vectors.passages(encoder, model.fingerprint, exam.index.texts, exam.state, f"passages, {name}")
        found.sealed[name] = exam.index.search(encoder.queries([q.text for q in exam.sealed]), known)
        found.dev[name] = exam.index.search(encoder.queries([q.text for q in exam.dev]), known)
        for guard in exam.guards:
            unit = f"{guard.name}, {name}"
            general = vectors.passages(encoder, model.fingerprint, guard.index.texts, exam.state, unit)
            found.guards[guard.name][name] = guard.score(encoder, general)
    found.sealed[BM25] = Words(exam.index).search([q.text for q in exam.sealed])
    found.sealed[HYBRID] = fusion.fuse([found.sealed[BASE], found.sealed[BM25]])
    return found

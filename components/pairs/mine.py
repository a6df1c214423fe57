"""From documents to what trains and what judges: passages, pairs, judged queries, leakage.

The split comes first, so no miner ever sees a document of another side. The sealed queries go to the state and
nowhere else; what leaves this step names them by a digest, and the leakage proof each of them by a hash.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.corpus import passages
from components.pairs import exam, judged, leakage, sealed, split
from components.pairs.config import PairsConfig, Side
from components.pairs.judged import Query
from components.pairs.known import Known
from components.pairs.logs import Aggregated
from components.pairs.material import Material, names
from components.pairs.overlap import overlap
from components.pairs.proof import prove
from components.pairs.writing import write_pairs
from components.retrieval import families
from components.store.artifact import Artifact, ArtifactWriter
from components.store.events import warn
from components.store.models import Model
from components.store.state import State

LARGE = 0.2
"""A group that holds more of the documents is told of."""


@dataclass(frozen=True)
class Outputs:
    """Where the four artifacts go."""

    passages: Path
    pairs: Path
    judged: Path
    leakage: Path


@dataclass(frozen=True)
class Mined:
    """How many of what; `sources` says for each source of pairs what was made, `log` how the log's rows were used."""

    passages: int
    pairs: int
    dropped: dict[str, int]
    sources: dict[str, Any]
    log: dict[str, Any]
    evidence: str
    queries: dict[str, int]
    queries_dropped: dict[str, int]
    leakage: dict[str, Any]


def mine(
    state: str,
    digest: str,
    documents: Path,
    base: Path,
    sources: list[str],
    tokens: tuple[int, int],
    config: PairsConfig,
    out: Outputs,
) -> Mined:
    """Make all four artifacts.

    Args:
        state: The line's state.
        digest: The snapshot's digest; judged queries, logs and general pairs are read as it lists them.
        documents: The artifact `documents`.
        base: The artifact of the base model, whose tokenizer cuts the passages.
        sources: Addresses that corpus ids may be relative to.
        tokens: The longest passage, and how much of it the next one repeats.
        config: The recipe's section.
        out: Where the artifacts go.

    Raises:
        TouchstoneError: TOO_FEW_PAIRS, PAIRS_REVERSED, NO_JUDGED_QUERIES, BAD_JUDGED_QUERIES, BAD_SIGNATURES, and
            what logs and language models add.
    """
    artifact, model = Artifact.open(documents, "documents"), Model.open(base).require("base")
    inputs = {"documents": artifact.digest, "snapshot": digest}
    with tempfile.TemporaryDirectory() as work:
        laid = lay_out((state, digest), artifact, model.path, sources, tokens, config, Path(work))
        test, material, found = laid.test, laid.material, laid.material.split
        _tell(found)
        queries = exam.sat(test, material, config.questions, state)
        made = write_pairs(out.pairs, material, queries, laid.log, config, (state, digest), inputs)
    cut = _write_passages(out.passages, material, inputs | {"base": model.fingerprint})
    dropped = dict(sorted((+test.dropped).items()))
    facts = {"dropped": dropped, "evidence": test.evidence, "retired": list(found.retired), "segments": found.segments}
    _write_judged(out.judged, state, queries, facts, inputs)
    proof = prove(
        Artifact.open(out.pairs, "pairs"), material, laid.present, queries["sealed"], test.evidence, model.path
    )
    leakage.write(proof, out.leakage, inputs)
    counted = {str(side): len(of) for side, of in sorted(queries.items())}
    return Mined(cut, **made, evidence=test.evidence, queries=counted, queries_dropped=dropped, leakage=proof.facts)


@dataclass(frozen=True)
class Laid:
    """What pairs and queries are made of.

    Attributes:
        test: The judged queries that are known before the documents have sides.
        log: The search log in numbers, if there is one.
        present: Sketches of the documents.
        material: The documents and their sides.
    """

    test: exam.Exam
    log: Aggregated | None
    present: Known
    material: Material


def lay_out(
    where: tuple[str, str],
    artifact: Artifact,
    model: Path,
    sources: list[str],
    tokens: tuple[int, int],
    config: PairsConfig,
    work: Path,
) -> Laid:
    """Read what judges, and give every document its side.

    Args:
        where: The line's state and the snapshot's digest.
        artifact: The documents.
        model: The base, whose tokenizer cuts the passages.
        sources: Addresses that corpus ids may be relative to.
        tokens: The longest passage, and how much of it the next one repeats.
        config: The recipe's section.
        work: A folder for the log, which must outlive what is returned.
    """
    named = names(artifact, sources)
    log = exam.read_log(config, *where, named, work)
    test = exam.known(config, *where, log, named, artifact)
    del named
    present, matches = overlap(artifact)
    found = split.assign(State(where[0]), present, matches, test.queries, config.shares)
    known = families.of_folder(model)
    cutter = passages.Cutter(model, *tokens, prompt=known.document if known else "")
    return Laid(test, log, present, Material(artifact, found, cutter))


def _tell(found: split.Split) -> None:
    """What a person should know of the split."""
    if found.largest > LARGE:
        warn(
            f"one group of near-duplicates holds {found.largest:.0%} of the documents; it trains or judges as a whole."
        )
    if found.moved:
        warn(f"{found.moved:,} documents changed sides: what they say now stands on another side too.")


def _write_passages(out: Path, material: Material, inputs: dict[str, str]) -> int:
    cutter = material.cutter
    with ArtifactWriter(out, "passages", inputs) as writer:
        before = cutter.rejected
        rows = passages.rows(passages.cut(material.artifact, cutter))
        count = writer.table("passages", passages.PASSAGE_SCHEMA, rows)
        known = {name: material.artifact.facts.get(name, {}) for name in ("documents", "languages")}
        writer.facts |= {"passages": count, "rejected_characters": cutter.rejected - before, **known}
    return count


def _write_judged(
    out: Path, state: str, queries: Mapping[Side, list[Query]], facts: dict[str, Any], inputs: dict[str, str]
) -> None:
    test = queries["sealed"]
    with tempfile.TemporaryDirectory() as work:
        digest = sealed.keep(state, test, Path(work) / "sealed")
    known = {"sealed": digest, "sealed_queries": len(test), "sealed_shape": sealed.shape(test)}
    judged.write(out, "judged", queries["dev"], known | facts, inputs)

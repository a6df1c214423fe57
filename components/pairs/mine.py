"""From documents to what trains and what judges: passages, pairs, judged queries, leakage.

The split comes first, so no miner ever sees a document of another side. The sealed queries go to the state and
nowhere else; what leaves this step names them by a digest.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.corpus import passages
from components.pairs import exam, judged, sealed, split
from components.pairs.config import PairsConfig, Side
from components.pairs.judged import Query
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
        named = names(artifact, sources)
        log = exam.read_log(config, state, digest, named, Path(work))
        test = exam.known(config, state, digest, log, named, artifact)
        del named
        present, matches = overlap(artifact)
        found = split.assign(State(state), present, matches, test.queries, config.shares)
        _tell(found)
        known = families.of_folder(model.path)
        cutter = passages.Cutter(model.path, *tokens, prompt=known.document if known else "")
        material = Material(artifact, found, cutter)
        queries = exam.sat(test, material, config.questions, state)
        made = write_pairs(out.pairs, material, queries, log, config, (state, digest), inputs)
    cut = _write_passages(out.passages, material, inputs | {"base": model.fingerprint})
    dropped = dict(sorted((+test.dropped).items()))
    facts = {"dropped": dropped, "evidence": test.evidence, "retired": list(found.retired)}
    _write_judged(out.judged, state, queries, facts, inputs)
    proof = prove(Artifact.open(out.pairs, "pairs"), material, present, queries["sealed"], test.evidence, model.path)
    with ArtifactWriter(out.leakage, "leakage", inputs) as writer:
        writer.facts |= vars(proof)
    counted = {str(side): len(of) for side, of in sorted(queries.items())}
    return Mined(cut, **made, evidence=test.evidence, queries=counted, queries_dropped=dropped, leakage=vars(proof))


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
        known = {"documents": material.artifact.facts["documents"], "rejected_characters": cutter.rejected - before}
        writer.facts |= {"passages": count, **known}
    return count


def _write_judged(
    out: Path, state: str, queries: Mapping[Side, list[Query]], facts: dict[str, Any], inputs: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as work:
        digest = sealed.keep(state, queries["sealed"], Path(work) / "sealed")
    known = {"sealed": digest, "sealed_queries": len(queries["sealed"])}
    judged.write(out, "judged", queries["dev"], known | facts, inputs)

"""From documents to what trains and what judges: passages, pairs, judged queries, leakage.

The split comes first, so no miner ever sees a document of another side. The sealed queries go to the state and
nowhere else; what leaves this step names them by a digest.
"""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.corpus import passages, snapshot
from components.corpus.document import Document
from components.corpus.documents import read as read_documents
from components.corpus.documents import rows as document_rows
from components.pairs import headings, judged, leakage, sealed, split
from components.pairs.config import PairsConfig, Side
from components.pairs.pair import DROPPED_SCHEMA, PAIR_SCHEMA, Dropped
from components.pairs.wording import plain
from components.store.artifact import Artifact, ArtifactWriter
from components.store.errors import UserError
from components.store.events import warn
from components.store.models import Model
from components.store.state import State


@dataclass(frozen=True)
class Outputs:
    """Where the four artifacts go."""

    passages: Path
    pairs: Path
    judged: Path
    leakage: Path


@dataclass(frozen=True)
class Mined:
    """How many of what."""

    passages: int
    pairs: int
    dropped: dict[str, int]
    queries: dict[str, int]
    queries_dropped: dict[str, int]


@dataclass(frozen=True)
class Corpus:
    """The documents of the run, with what the split knows of them."""

    artifact: Artifact
    groups: Mapping[str, str]
    uris: Mapping[str, str]
    sides: Mapping[str, Side]

    def side(self, side: Side) -> Iterator[Document]:
        """The documents on one side."""
        return (document for document in read_documents(self.artifact) if self.sides[document.id] == side)


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
        digest: The snapshot's digest; the judged queries are read as it lists them.
        documents: The artifact `documents`.
        base: The artifact of the base model, whose tokenizer cuts the passages.
        sources: Addresses that corpus ids may be relative to.
        tokens: The longest passage, and how much of it the next one repeats.
        config: The recipe's section.
        out: Where the artifacts go.

    Raises:
        UserError: TOO_FEW_PAIRS, NO_JUDGED_QUERIES, BAD_JUDGED_QUERIES.
    """
    artifact = Artifact.open(documents, "documents")
    groups = {row["document"]: row["group"] for row in artifact.rows("groups")}
    uris = {row["id"]: row["uri"] for row in document_rows(artifact, ["id", "uri"])}
    dropped: Counter[str] = Counter()
    queries = judged.parse(snapshot.read(state, digest, "judged"), _names(artifact, sources), dropped)
    copies = {row["id"]: groups[row["document"]] for row in artifact.rows("duplicates")}
    assigned = split.assign(State(state), groups | copies, queries, config.shares)
    sides = {document: assigned[document] for document in groups}
    corpus = Corpus(artifact, groups, uris, sides)
    by_side = split.by_side(split.clusters(queries, groups, uris), sides, dropped)
    _judged_on_both(by_side, dropped)
    inputs = {"documents": artifact.digest, "snapshot": digest}
    made, pairs_dropped, equal = _write_pairs(out.pairs, corpus, by_side, config, inputs)
    cut = _write_passages(out.passages, artifact, Model.open(base).require("base"), tokens, inputs)
    _write_judged(out.judged, state, by_side, dropped, inputs)
    judging = [document for query in by_side["sealed"] for document in query.relevant]
    _write_leakage(out.leakage, leakage.measure(judging, groups, sides, equal), inputs)
    counted = {str(side): len(found) for side, found in sorted(by_side.items())}
    return Mined(cut, made, pairs_dropped, counted, dict(sorted(dropped.items())))


def _names(artifact: Artifact, sources: list[str]) -> dict[str, str]:
    """Every name that qrels may use for a document -> its id; names of set-aside duplicates lead to the one kept.

    A name that two documents share (a record id in two files) leads to neither.
    """
    copies = {row["id"]: row["document"] for row in artifact.rows("duplicates")}
    owners: dict[str, set[str]] = defaultdict(set)
    for row in artifact.rows("documents", ["id", "uri"]):
        uri, document = row["uri"], copies.get(row["id"], row["id"])
        shorter = [uri.removeprefix(f"{source.rstrip('/')}/") for source in sources]
        for name in {uri, *shorter, *([uri.partition("#")[2]] if "#" in uri else [])}:
            owners[name].add(document)
    return {name: documents.pop() for name, documents in owners.items() if len(documents) == 1}


def _judged_on_both(queries: Mapping[Side, list[judged.Query]], dropped: Counter[str]) -> None:
    for side in ("dev", "sealed"):
        if not queries.get(side):
            fix = "Add judged queries whose documents are in the corpus, or change pairs.shares."
            raise UserError(
                "NO_JUDGED_QUERIES", f"no judged query on the {side} side", found=str(dict(dropped)), fix=fix
            )


def _write_passages(out: Path, artifact: Artifact, base: Model, tokens: tuple[int, int], inputs: dict[str, str]) -> int:
    cutter = passages.Cutter(base.path, *tokens)
    with ArtifactWriter(out, "passages", inputs | {"base": base.fingerprint}) as writer:
        count = writer.table("passages", passages.PASSAGE_SCHEMA, passages.rows(passages.cut(artifact, cutter)))
        known = {"documents": artifact.facts["documents"], "rejected_characters": cutter.rejected}
        writer.facts |= {"passages": count, **known}
    return count


def _write_pairs(
    out: Path, corpus: Corpus, queries: Mapping[Side, list[judged.Query]], config: PairsConfig, inputs: dict[str, str]
) -> tuple[int, dict[str, int], list[str]]:
    forbidden = {plain(q.text) for side, found in queries.items() if side != "train" for q in found}
    rejected: list[Dropped] = []
    equal: list[str] = []

    def rows() -> Iterator[dict[str, Any]]:
        common = headings.count_headings(read_documents(corpus.artifact))
        for document in corpus.side("train"):
            for found in headings.pairs(document, corpus.groups[document.id], common):
                if isinstance(found, Dropped):
                    rejected.append(found)
                elif plain(found.anchor) in forbidden:
                    equal.append(found.anchor)
                    rejected.append(Dropped(found.miner, document.id, "", "EQUALS_JUDGED_QUERY"))  # sealed text
                else:
                    yield found.row()

    with ArtifactWriter(out, "pairs", inputs) as writer:
        made = writer.table("pairs", PAIR_SCHEMA, rows())
        writer.table("dropped", DROPPED_SCHEMA, map(vars, rejected))
        reasons = dict(sorted(Counter(one.reason for one in rejected).items()))
        _enough(made, reasons, config.min_pairs)
        writer.facts |= {"pairs": made, "dropped": reasons}
    return made, reasons, equal


def _enough(made: int, reasons: dict[str, int], minimum: int) -> None:
    if made < minimum:
        found = f"{made} (dropped: {reasons or 'none'})"
        fix = "Add documents with headings, or lower pairs.min_pairs and expect overfitting."
        raise UserError("TOO_FEW_PAIRS", "too few training pairs", found=found, expected=f"at least {minimum}", fix=fix)
    if made < 2 * minimum:
        warn(f"{made} training pairs are few; a model trained on fewer than {2 * minimum} tends to overfit.")


def _write_judged(
    out: Path, state: str, queries: Mapping[Side, list[judged.Query]], dropped: Counter[str], inputs: dict[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as work:
        digest = sealed.keep(state, queries["sealed"], Path(work) / "sealed")
    facts = {"sealed": digest, "sealed_queries": len(queries["sealed"]), "dropped": dict(sorted(dropped.items()))}
    judged.write(out, "judged", queries["dev"], facts, inputs)


def _write_leakage(out: Path, found: leakage.Leakage, inputs: dict[str, str]) -> None:
    with ArtifactWriter(out, "leakage", inputs) as writer:
        writer.facts |= vars(found)

"""The artifact `pairs`: what all miners made of the training side, filtered, weighted, counted."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from components.corpus import snapshot
from components.corpus.documents import read as read_documents
from components.corpus.documents import rows as document_rows
from components.pairs import clicks, filters, general, headings, questions
from components.pairs.config import PairsConfig, Side
from components.pairs.judged import Query
from components.pairs.logs import Aggregated
from components.pairs.material import Material
from components.pairs.negatives import RELEVANT_SCHEMA, TRAINING_SCHEMA, query_key
from components.pairs.pair import DROPPED_SCHEMA, PAIR_SCHEMA, Dropped, Pair
from components.pairs.proof import compare, documents
from components.pairs.tally import Tally
from components.pairs.wording import plain
from components.store.artifact import ArtifactWriter
from components.store.events import emit, warn
from components.store.tables import TableWriter


def write_pairs(
    out: Path,
    material: Material,
    queries: Mapping[Side, list[Query]],
    log: Aggregated | None,
    config: PairsConfig,
    where: tuple[str, str],
    inputs: dict[str, str],
) -> dict[str, Any]:
    """Write pairs, drops and what a later step needs to know of the training side; the facts.

    Args:
        out: Where the artifact goes.
        material: The documents.
        queries: Judged queries by side.
        log: The search log in numbers.
        config: The recipe's section.
        where: The line's state and the snapshot's digest.
        inputs: Digests of what it was made from.

    Raises:
        UserError: TOO_FEW_PAIRS, PAIRS_REVERSED.
    """
    count = Tally(config.min_pairs)
    with ArtifactWriter(out, "pairs", inputs) as writer, tempfile.TemporaryDirectory() as work:
        drops, raw = Path(work) / "dropped.parquet", Path(work) / "raw.parquet"
        with TableWriter(drops, DROPPED_SCHEMA) as rest:
            found = filters.keep(_found(material, log, config, where[0]), _languages(material), config.filters)
            _spool(raw, _mixed(_kept(found, _forbidden(queries), rest, count), config, where))
            apart = _apart(raw, material, queries, rest, count)
            writer.table("pairs", PAIR_SCHEMA, (pair.row() for pair in apart))
        writer.adopt("dropped", drops)
        groups, sides = material.split.groups, material.split.sides
        trains = ({"document": one, "group": groups[one]} for one in sorted(sides) if sides[one] == "train")
        writer.table("training_documents", TRAINING_SCHEMA, trains)
        writer.table("relevant", RELEVANT_SCHEMA, _relevant(queries.get("train", []), log))
        count.check()
        writer.facts |= count.facts | {"log": log.facts if log else {}}
    return writer.facts


def _found(material: Material, log: Aggregated | None, config: PairsConfig, state: str) -> Iterator[Pair | Dropped]:
    """What every source makes, the most trusted first: people who clicked, questions, headings."""
    groups, writer = material.split.groups, config.questions.writer
    if log:
        yield from clicks.pairs(log.clicked(), lambda: material.side("train"), groups)
    if writer:
        yield from questions.write(material.cut("train"), groups, config.questions, writer, state)
    else:
        emit("skipped", "questions: the recipe names no language model (pairs.questions.writer)")
    common = headings.count_headings(read_documents(material.artifact))
    for document in material.side("train"):
        yield from headings.pairs(document, groups[document.id], common)


def _kept(found: Iterable[Pair | Dropped], forbidden: set[str], rest: TableWriter, count: Tally) -> Iterator[Pair]:
    """The pairs; what is none goes into the other table. No anchor may be a judged query, nor be shown if it was."""
    for one in found:
        if plain(one.anchor) in forbidden:
            one = Dropped(one.miner, one.document, "", "EQUALS_JUDGED_QUERY")
        if isinstance(one, Dropped):
            count.drop(one)
            rest.add(dict(vars(one)))
        else:
            yield one


def _spool(file: Path, pairs: Iterable[Pair]) -> None:
    with TableWriter(file, PAIR_SCHEMA) as raw:
        for pair in pairs:
            raw.add(pair.row())


def _spooled(file: Path) -> Iterator[Pair]:
    with pq.ParquetFile(file) as raw:
        for batch in raw.iter_batches(4096):
            yield from map(Pair.from_row, batch.to_pylist())


def _apart(
    raw: Path, material: Material, queries: Mapping[Side, list[Query]], rest: TableWriter, count: Tally
) -> Iterator[Pair]:
    """The pairs of which nothing stands in a document that judges.

    Without some of them a run of words may be no boilerplate any more: until nothing is found.
    """
    judging = {document for side in queries if side != "train" for q in queries[side] for document in q.relevant}
    tests, leaking = list(documents(material.artifact, judging)), set[int]()
    while True:
        kept = (pair for number, pair in enumerate(_spooled(raw)) if number not in leaking)
        numbers = [number for number in range(pq.read_metadata(raw).num_rows) if number not in leaking]
        news = compare(tests, kept, material.split.groups).leaking
        if not news:
            break
        leaking |= {numbers[place] for place in news}
    for number, pair in enumerate(_spooled(raw)):
        if number in leaking:
            one = Dropped(pair.miner, pair.document, "", "STANDS_IN_TEST")
            count.drop(one)
            rest.add(dict(vars(one)))
        else:
            count.make(pair)
            yield pair


def _mixed(kept: Iterable[Pair], config: PairsConfig, where: tuple[str, str]) -> Iterator[Pair]:
    """The pairs with their weights, then so many general ones that they are the share of the recipe."""
    made = 0
    for pair in kept:
        made += 1
        yield _weighted(pair, config.weights)
    if config.general:
        share = config.general.share
        wanted = round(made * share / (1 - share))
        mixed = general.pairs(snapshot.read(*where, "general"), wanted)
        if len(mixed) < wanted:
            warn(f"{len(mixed):,} general pairs are fewer than the {wanted:,} that pairs.general.share asks for.")
        yield from mixed


def _weighted(pair: Pair, weights: Mapping[Any, float]) -> Pair:
    weight = weights.get(pair.miner, 1.0)
    return pair if weight == 1.0 else replace(pair, weight=pair.weight * weight)


def _forbidden(queries: Mapping[Side, list[Query]]) -> set[str]:
    """What no anchor may say; a query without a word says nothing."""
    return {plain(query.text) for side, found in queries.items() if side != "train" for query in found} - {""}


def _languages(material: Material) -> dict[str, str]:
    return {row["id"]: row["language"] for row in document_rows(material.artifact, ["id", "language"])}


def _relevant(queries: Iterable[Query], log: Aggregated | None) -> Iterator[dict[str, Any]]:
    """Which documents answer which training query, by any source that makes no pair of it."""
    for query in queries:
        yield from ({"query": query_key(query.text), "document": document} for document in query.relevant)
    for one in log.clicked() if log else ():
        if not one.held_out:
            yield {"query": query_key(one.query), "document": one.document}

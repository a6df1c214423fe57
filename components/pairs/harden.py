"""From raw pairs to those that train: round trip and hard negatives, by one model, a batch of pairs at a time.

It reads the artifact `pairs` as `mine` leaves it and writes one of the same kind. A second round is the same again,
on the raw pairs, with the model that the first round trained.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from components.corpus.passages import Passage
from components.pairs.config import FiltersConfig, NegativesConfig, PairsConfig
from components.pairs.nearest import Asked, Near, Pool, search
from components.pairs.negatives import Relevant, ceiling, choose, query_key
from components.pairs.pair import DROPPED_SCHEMA, PAIR_SCHEMA, Dropped, Pair
from components.pairs.tally import Tally
from components.retrieval import vectors
from components.retrieval.encoder import Encoder
from components.retrieval.index import Index
from components.retrieval.lexical import Words
from components.store.artifact import Artifact, ArtifactWriter
from components.store.errors import TouchstoneError
from components.store.events import Progress
from components.store.models import Model
from components.store.tables import TableWriter

PAIRS_AT_ONCE = 4096


class Hardening:
    """What happens to each pair."""

    def __init__(
        self,
        encoder: Encoder,
        pool: Pool,
        relevant: Relevant,
        groups: Mapping[str, str],
        filters: FiltersConfig,
        negatives: NegativesConfig,
    ) -> None:
        """Take the model, the passages, what is known to answer, and the recipe's words."""
        self._encoder, self._pool, self._relevant, self._groups = encoder, pool, relevant, groups
        self._rank, self._config = filters.round_trip, negatives

    def run(self, pairs: Iterator[Pair], total: int) -> Iterator[Pair | Dropped]:
        """One comes out for each pair that goes in, in their order."""
        progress = Progress(total, "pairs")
        while batch := list(islice(pairs, PAIRS_AT_ONCE)):
            yield from self._batch(batch)
            progress.add(len(batch))

    def _batch(self, batch: list[Pair]) -> Iterator[Pair | Dropped]:
        """A pair from outside of the corpus stays as it is: of no passage is it known whether it answers."""
        inside = [pair for pair in batch if pair.document]
        barred = [self._pool.members(self._answering(pair)) for pair in inside]
        done = map(self._one, inside, barred, self._near(inside, barred))
        for pair in batch:
            yield next(done) if pair.document else pair

    def _answering(self, pair: Pair) -> set[str]:
        """The groups that answer the pair's anchor; its own is among them, since pairs are a source.

        Raises:
            TouchstoneError: NOT_A_TRAINING_DOCUMENT, which must never be trained on.
        """
        if pair.document not in self._groups:
            found, fix = pair.document, "Run `mine` again."
            raise TouchstoneError("NOT_A_TRAINING_DOCUMENT", "a pair is of no training document", found=found, fix=fix)
        return self._relevant.groups(pair.anchor)

    def _near(self, pairs: list[Pair], barred: list[list[int]]) -> Iterator[Near]:
        queries = self._encoder.queries([pair.anchor for pair in pairs])
        positives = self._encoder.passages([pair.positive for pair in pairs], "positives")
        scores = np.einsum("ij,ij->i", queries, positives).tolist()
        asked = [
            Asked(ceiling(score, self._config.margin), self._pool.position.get(pair.document, -1), documents)
            for pair, score, documents in zip(pairs, scores, barred, strict=True)
        ]
        return search(self._pool, queries, asked, self._config.depth, self._rank)

    def _one(self, pair: Pair, barred: list[int], near: Near) -> Pair | Dropped:
        if self._rank and not (near.found or self._found_by_words(pair)):
            return Dropped(pair.miner, pair.document, pair.anchor, "ROUND_TRIP")
        return replace(pair, negatives=choose(pair, near.passages, barred, self._pool, self._config.per_pair))

    def _found_by_words(self, pair: Pair) -> bool:
        return self._words.finds(pair.anchor, self._pool.position[pair.document], self._rank)

    @cached_property
    def _words(self) -> Words:
        return Words(self._pool.index)


def looking(base: Path, champion: Path, config: NegativesConfig) -> Model:
    """The model that looks at the pairs: the champion where the recipe says so and there is one, else the base."""
    production = Model.open(champion)
    return production if config.miner == "champion" and production.present else Model.open(base).require("base")


def harden(
    pairs: Path,
    passages: Path,
    model: Model,
    state: str,
    config: PairsConfig,
    out: Path,
) -> dict[str, Any]:
    """Write the pairs that train, with their negatives, and what was dropped, with its reason; the facts.

    Args:
        pairs: The raw artifact `pairs`, with the tables `training_documents` and `relevant`.
        passages: The artifact `passages`.
        model: Whose idea of near is used.
        state: The line's state; vectors of passages are kept there.
        config: The recipe's section.
        out: Where the artifact goes.

    Raises:
        UserError: TOO_FEW_PAIRS.
        TouchstoneError: NOT_A_TRAINING_DOCUMENT, ROWS_LOST.
    """
    raw, corpus = Artifact.open(pairs, "pairs"), Artifact.open(passages, "passages")
    groups = {row["document"]: row["group"] for row in raw.rows("training_documents")}
    encoder = Encoder.load(model.path)
    index = _index(corpus, groups)
    known = vectors.passages(encoder, model.fingerprint, index.texts, state, "passages, mining")
    rules = (config.filters, config.negatives)
    stage = Hardening(encoder, Pool(index, known, groups), Relevant(_known(raw), groups), groups, *rules)
    inputs = raw.manifest["inputs"] | {"raw": raw.digest, "passages": corpus.digest, "miner": model.fingerprint}
    with ArtifactWriter(out, "pairs", inputs) as writer:
        tally = Tally(config.min_pairs, raw.facts["sources"])
        writer.facts |= raw.facts | _write(writer, raw, stage, tally)
        tally.check()
    return writer.facts


def _index(corpus: Artifact, groups: Mapping[str, str]) -> Index:
    """The passages of training documents; of the others not one is read on."""
    return Index.of([Passage(**row) for row in corpus.rows("passages") if row["document"] in groups])


def _known(raw: Artifact) -> Iterator[tuple[bytes, str]]:
    """What answers which query by any source, what was dropped included: it may still be an answer."""
    for table in ("pairs", "dropped"):
        for row in raw.rows(table, ["anchor", "document"]):
            if row["anchor"] and row["document"]:
                yield query_key(row["anchor"]), row["document"]
    yield from ((row["query"], row["document"]) for row in raw.rows("relevant"))


def _write(writer: ArtifactWriter, raw: Artifact, stage: Hardening, tally: Tally) -> dict[str, Any]:
    """Write both tables; the facts that have changed."""
    count = Counter(negatives=0, pairs_with_negatives=0)
    with tempfile.TemporaryDirectory() as work:
        file = Path(work) / "dropped.parquet"
        with TableWriter(file, DROPPED_SCHEMA) as dropped:

            def rows() -> Iterator[dict[str, Any]]:
                for one in stage.run(map(Pair.from_row, raw.rows("pairs")), raw.count("pairs")):
                    if isinstance(one, Dropped):
                        dropped.add(vars(one))
                        tally.drop(one)
                    else:
                        tally.make(one)
                        count.update(negatives=len(one.negatives), pairs_with_negatives=bool(one.negatives))
                        yield one.row()

            for row in raw.rows("dropped"):
                dropped.add(row)
            made = writer.table("pairs", PAIR_SCHEMA, rows())
        _conserved(raw, made, writer.adopt("dropped", file))
    return tally.facts | count


def _conserved(raw: Artifact, made: int, dropped: int) -> None:
    found, expected = made + dropped, raw.count("pairs") + raw.count("dropped")
    if found != expected:
        raise TouchstoneError("ROWS_LOST", "pairs were lost on the way", found=str(found), expected=str(expected))

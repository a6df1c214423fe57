"""The whole step with a real small model, against an oracle that compares every pair with every passage."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.corpus.passages import PASSAGE_SCHEMA, Passage, rows
from components.pairs import harden as module
from components.pairs.config import PairsConfig
from components.pairs.harden import harden
from components.pairs.negatives import RELEVANT_SCHEMA, TRAINING_SCHEMA, query_key, same
from components.pairs.pair import DROPPED_SCHEMA, PAIR_SCHEMA, Dropped, Pair
from components.pairs.tally import Tally
from components.retrieval.encoder import Encoder
from components.retrieval.index import Index
from components.retrieval.lexical import Words
from components.store.artifact import Artifact, ArtifactWriter
from components.store.errors import TouchstoneError, UserError
from components.store.models import Model, write_model

TOOLS = ("saw", "drill", "lamp", "pump", "hoist", "vice", "jack", "winch", "lathe", "anvil", "press", "valve")
JUDGING = ("gate", "hinge")
"""Documents of other sides."""
TASKS = {"clean": "Wipe the {0} with a dry cloth, then oil every part that turns.",
         "store": "Hang the {0} on the hook at the door and lock the cupboard.",
         "lend": "Write the name of whoever takes the {0} into the yellow book."}  # fmt: skip


def texts(tool: str) -> list[str]:
    return [f"The {tool}\n{task}\n{text.format(tool)}" for task, text in TASKS.items()]


def written() -> list[Passage]:
    named = [(tool, n, text) for tool in (*TOOLS, *JUDGING) for n, text in enumerate(texts(tool))]
    return [Passage(f"{tool}-{n}", tool, "", text, n, n) for tool, n, text in named]


GROUPS = {tool: "saw" if tool == "drill" else tool for tool in TOOLS}
"""Saw and drill are near-duplicates."""
PAIRS = [
    Pair(f"how to {task} a {tool}", text.format(tool), "headings", tool, GROUPS[tool], 0, 9)
    for tool in TOOLS
    for task, text in TASKS.items()
] + [
    Pair("where to put what is cold and wet", TASKS["store"].format("pump"), "questions", "pump", "pump", 0, 9),
    Pair("anvil", TASKS["lend"].format("lamp"), "questions", "lamp", "lamp", 0, 9),
    Pair("zebra crossing", TASKS["lend"].format("press"), "questions", "press", "press", 0, 9),
    Pair("who was Napoleon", "An emperor of the French.", "general", "", "", 0, 0),
    Pair("lend a jack", TASKS["lend"].format("jack"), "logs", "jack", "jack", 0, 9, 2.0,
         (texts("lamp")[1], texts("jack")[0], texts("pump")[2])),
]  # fmt: skip
DROPPED = [Dropped("headings", "lathe", "lend a jack", "SHORT"), Dropped("headings", "saw", "", "EQUALS_JUDGED_QUERY")]
RELEVANT = [("how to clean a winch", "vice"), ("how to clean a winch", "gate"), ("lend a jack", "pump")]


def write_raw(path: Path, pairs: list[Pair], dropped: list[Dropped] = DROPPED) -> Path:
    with ArtifactWriter(path, "pairs", {"documents": "d"}) as out:
        out.table("pairs", PAIR_SCHEMA, (pair.row() for pair in pairs))
        out.table("dropped", DROPPED_SCHEMA, map(vars, dropped))
        out.table("training_documents", TRAINING_SCHEMA, ({"document": d, "group": g} for d, g in GROUPS.items()))
        out.table("relevant", RELEVANT_SCHEMA, ({"query": query_key(q), "document": d} for q, d in RELEVANT))
        tally = Tally(2)
        for one in dropped:
            tally.drop(one)
        out.facts |= tally.facts | {"pairs": len(pairs), "other": 1}
    return path


@dataclass(frozen=True)
class Setting:
    """What the step starts from."""

    raw: Path
    passages: Path
    model: Model

    def run(self, state: str, out: Path, rank: int = 3, raw: Path | None = None, **config: Any) -> Artifact:
        """Harden into the folder `out`."""
        rules = {"filters": {"round_trip": rank}, "negatives": {"per_pair": 4} | config, "min_pairs": 2}
        checked = PairsConfig.parse({"judged": "s3://b/judged", **rules}, where="pairs")
        facts = harden(raw or self.raw, self.passages, self.model, state, checked, out)
        made = Artifact.open(out, "pairs")
        assert facts == made.facts
        return made


@pytest.fixture(scope="module")
def setting(tiny_model, tmp_path_factory) -> Setting:
    work = tmp_path_factory.mktemp("harden")
    with ArtifactWriter(work / "passages", "passages") as out:
        out.table("passages", PASSAGE_SCHEMA, rows(written()))
    write_model(work / "model", tiny_model, reference="base@1")
    return Setting(write_raw(work / "raw", PAIRS), work / "passages", Model.open(work / "model"))


class Oracle:
    """The answer by comparing everything with everything."""

    def __init__(self, model: Path) -> None:
        self.index = Index.of([passage for passage in written() if passage.document in TOOLS])
        self.owners = [self.index.documents[i // len(TASKS)] for i in range(len(self.index.texts))]
        self.encoder = Encoder.load(model)
        self.vectors = self.encoder.passages(self.index.texts)

    def scores(self, anchor: str) -> np.ndarray:
        return self.vectors @ self.encoder.queries([anchor])[0]

    def by_model(self, pair: Pair, rank: int) -> bool:
        best = self.scores(pair.anchor).reshape(-1, len(TASKS)).max(axis=1)
        return bool((best > best[self.index.documents.index(pair.document)] + 1e-6).sum() < rank)

    def by_words(self, pairs: list[Pair], rank: int) -> list[bool]:
        found = Words(self.index).search([pair.anchor for pair in pairs], rank).documents
        return [self.index.documents.index(pair.document) in row for pair, row in zip(pairs, found, strict=True)]

    def negatives(self, pair: Pair, wanted: int) -> list[str]:
        answers = {pair.document} | {p.document for p in PAIRS if p.anchor == pair.anchor}
        answers |= {d for q, d in RELEVANT if q == pair.anchor} | {
            d.document for d in DROPPED if d.anchor == pair.anchor
        }
        groups = {GROUPS[document] for document in answers if document in GROUPS}
        positive = float(self.encoder.passages([pair.positive])[0] @ self.encoder.queries([pair.anchor])[0])
        scores = self.scores(pair.anchor)
        allowed = [i for i, owner in enumerate(self.owners) if GROUPS[owner] not in groups]
        mined = [text for text in pair.negatives if text in [self.index.texts[i] for i in allowed]]
        order = sorted((i for i in allowed if scores[i] < 0.95 * positive), key=lambda i: -scores[i])
        chosen: list[str] = []
        for text in [*mined, *(self.index.texts[i] for i in order)]:
            if len(chosen) < wanted and not any(same(text, other) for other in (pair.positive, *chosen)):
                chosen.append(text)
        return chosen


@pytest.fixture(scope="module")
def oracle(setting: Setting) -> Oracle:
    return Oracle(setting.model.path)


@pytest.mark.parametrize("rank", [1, 2])
def test_each_pair_comes_out_as_the_oracle_says(setting, oracle, place, tmp_path, rank):
    made = setting.run(place, tmp_path / "out", rank, per_pair=3)
    inside = [pair for pair in PAIRS if pair.document]
    by_model = [oracle.by_model(pair, rank) for pair in inside]
    by_words = oracle.by_words(inside, rank)
    both = {(False, False), (False, True), (True, False), (True, True)}
    assert rank > 1 or both == set(zip(by_model, by_words, strict=True)), "some are found by one alone"
    lost = [pair for pair, *by in zip(inside, by_model, by_words, strict=True) if not any(by)]
    kept = [pair for pair in PAIRS if pair not in lost]
    kept = [replace(p, negatives=tuple(oracle.negatives(p, 3))) if p.document else p for p in kept]
    assert [Pair.from_row(row) for row in made.rows("pairs")] == kept
    rejected = [Dropped(pair.miner, pair.document, pair.anchor, "ROUND_TRIP") for pair in lost]
    assert [Dropped(**row) for row in made.rows("dropped")] == DROPPED + rejected
    negatives = [len(pair.negatives) for pair in kept]
    counted = {"negatives": sum(negatives), "pairs_with_negatives": sum(map(bool, negatives))}
    reasons = {"EQUALS_JUDGED_QUERY": 1, "ROUND_TRIP": len(lost), "SHORT": 1}
    assert made.facts.items() >= ({"pairs": len(kept), "dropped": reasons, "other": 1} | counted).items()
    lost_by = Counter(pair.miner for pair in lost)
    found = {miner: source["dropped"].get("ROUND_TRIP", 0) for miner, source in made.facts["sources"].items()}
    assert +Counter(found) == lost_by


def test_what_was_dropped_may_still_be_an_answer(setting, place, tmp_path):
    def nearest(raw: Path) -> str:
        """The document of the first negative of the first pair."""
        first = next(setting.run(place, tmp_path / "out", 0, raw=raw).rows("pairs"))
        return next(passage.document for passage in written() if passage.text == first["negatives"][0])

    found = nearest(setting.raw)
    dropped = [*DROPPED, Dropped("logs", found, PAIRS[0].anchor.upper(), "DUPLICATE")]
    assert nearest(write_raw(tmp_path / "raw", PAIRS, dropped)) != found


def test_a_miners_negative_comes_first_unless_it_may_answer(setting, place, tmp_path):
    made = setting.run(place, tmp_path / "out", 0, per_pair=2)
    (negatives,) = [row["negatives"] for row in made.rows("pairs") if row["miner"] == "logs"]
    assert negatives[0] == texts("lamp")[1], "the jack is what was asked about, and the pump answers too"
    assert negatives[1] not in PAIRS[-1].negatives


def test_no_passage_of_a_document_that_judges_is_read_on(setting, place, tmp_path, monkeypatch):
    seen: list[str] = []
    real = Encoder.passages
    monkeypatch.setattr(Encoder, "passages", lambda self, found, unit="": seen.extend(found) or real(self, found, unit))
    setting.run(place, tmp_path / "out")
    assert set(texts("lamp")) < set(seen)
    assert not [text for text in seen if any(tool in text for tool in JUDGING)]


def test_without_a_round_trip_and_negatives_only_the_artifact_is_new(setting, place, tmp_path):
    made = setting.run(place, tmp_path / "out", 0, per_pair=0)
    assert [Pair.from_row(row) for row in made.rows("pairs")] == [
        replace(pair, negatives=()) if pair.document else pair for pair in PAIRS
    ]
    assert made.facts["dropped"] == {"EQUALS_JUDGED_QUERY": 1, "SHORT": 1}


def test_the_same_pairs_make_the_same_bytes_however_they_are_batched(setting, place, tmp_path, monkeypatch):
    one = setting.run(place, tmp_path / "one")
    monkeypatch.setattr(module, "PAIRS_AT_ONCE", 4)
    assert setting.run(f"{place}/other", tmp_path / "two").digest == one.digest
    assert set(one.manifest["inputs"]) == {"documents", "raw", "passages", "miner"}


def test_a_pair_of_a_document_that_judges_ends_the_step(setting, place, tmp_path):
    raw = write_raw(tmp_path / "raw", [*PAIRS, replace(PAIRS[0], document="gate", group="gate")])
    with pytest.raises(TouchstoneError) as caught:
        setting.run(place, tmp_path / "out", raw=raw)
    assert caught.value.code == "NOT_A_TRAINING_DOCUMENT"
    assert not (tmp_path / "out").exists()


def test_too_few_pairs_that_find_their_passage_end_the_run(setting, place, tmp_path):
    with pytest.raises(UserError) as raised:
        setting.run(place, tmp_path / "out", raw=write_raw(tmp_path / "raw", PAIRS[:1]))
    assert raised.value.code == "TOO_FEW_PAIRS"
    assert not (tmp_path / "out").exists()

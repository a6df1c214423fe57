"""Every source of pairs and of judged queries, through the whole step, with a real object store."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.pairs import headings, judged, sealed
from components.pairs.config import PairsConfig
from components.pairs.leakage import Leakage
from components.pairs.mine import Mined, Outputs
from components.pairs.pair import Pair
from components.retrieval.index import Ranking
from components.retrieval.metrics import measure
from components.store.artifact import Artifact
from components.store.errors import UserError
from components.store.s3 import Folder
from tests.pairs.workshop import PLACE, TOOLS, Setting, page
from tests.servers.llm import Model, model


def write_log(place: str) -> str:
    """People ask for a tool, see it below a stranger, and click it; each question is asked by twelve sessions."""
    rng, rows, clock = random.Random(5), [], 1_700_000_000
    for session in range(12):
        for tool in rng.sample(TOOLS, len(TOOLS)):
            clock += 7
            for position, shown in enumerate([rng.choice(TOOLS), tool], start=1):
                row = {"query": f"where do we keep the {tool}", "document": f"{shown.replace(' ', '-')}.md"}
                row |= {"position": position, "clicked": shown == tool, "timestamp": clock, "session": f"s{session}"}
                rows.append(row)
    rng.shuffle(rows)
    Folder(place).write("log.jsonl", "\n".join(map(json.dumps, rows)).encode())
    return place


LOG = {"min_impressions": 2, "min_clicks": 1, "session_share": 0.5}


@pytest.fixture(scope="module")
def writer() -> Model:
    """A language model that writes good questions."""
    with model() as server:
        yield server


def language_model(server: Model, **more: object) -> dict[str, object]:
    return {"writer": {"endpoint": server.endpoint, "model": "small"}, **more}


def rows(outputs: Outputs, table: str = "pairs") -> list[dict]:
    return list(Artifact.open(outputs.pairs, "pairs").rows(table))


def judging(state: str, outputs: Outputs, work: Path) -> list[judged.Query]:
    """The dev and the sealed queries."""
    artifact = Artifact.open(outputs.judged, "judged")
    return [*judged.read(artifact), *sealed.fetch(state, artifact.facts["sealed"], work)]


def perfect(queries: list[judged.Query]) -> list[float]:
    """nDCG@10 of a system that ranks by what was judged."""
    documents = sorted({document for query in queries for document in query.relevant})
    place = {document: n for n, document in enumerate(documents)}
    relevant = [{place[d]: grade for d, grade in query.relevant.items()} for query in queries]
    ranked = [sorted(one, key=lambda d, one=one: -one[d]) for one in relevant]
    deep = np.array([(one + [-1] * 10)[:10] for one in ranked])
    scores = np.tile(-np.arange(10, dtype=np.float32), (len(deep), 1))
    return measure(Ranking(deep, scores), relevant)["ndcg@10"].tolist()


@pytest.fixture(scope="module", params=["judged", "logs", "mined"])
def exam(request, setting: Setting, writer, tmp_path_factory) -> tuple[str, Mined, list[judged.Query]]:
    """A run whose judged queries come from this source alone, or are the best of several."""
    work, state = tmp_path_factory.mktemp("exam"), f"{PLACE}/exam-{request.param}"
    logs = write_log(f"{PLACE}/logs")
    config: dict[str, object] = {"questions": language_model(writer)}
    if request.param != "mined":
        config["logs"] = LOG | {"uri": logs}
    if request.param != "judged":
        config["judged"] = None
    found, outputs = setting.run(state, work / "out", {"logs": logs} if "logs" in config else {}, **config)
    return request.param, found, judging(state, outputs, work / "sealed")


def test_the_best_source_judges_and_says_so(exam):
    source, found, queries = exam
    assert found.evidence == Leakage(**found.leakage).evidence == source
    names = {"judged": ("q", "same", "uri", "record", "copy"), "logs": ("logs-",), "mined": ("mined-",)}
    assert all(query.id.startswith(names[source]) for query in queries)
    assert min(found.queries[side] for side in ("dev", "sealed")) >= 4


def test_a_perfect_retriever_scores_one_on_every_source(exam):
    _, _, queries = exam
    assert perfect(queries) == pytest.approx([1.0] * len(queries))


def test_nothing_leaks_from_any_source(exam):
    _, found, _ = exam
    proof = Leakage(**found.leakage)
    assert (proof.near, proof.covered, proof.leaked, proof.anchors_left, proof.share) == (0, 0, 0, 0, 0.0)
    assert sum(proof.bands) == sum(proof.nearest) == proof.sealed_documents > 0
    assert proof.bands[-1] == 0


@pytest.fixture(scope="module")
def mixed(setting: Setting, writer, tmp_path_factory) -> tuple[Mined, Outputs]:
    """All sources of pairs in one run, with weights and general pairs."""
    work = tmp_path_factory.mktemp("mixed")
    logs, general = write_log(f"{PLACE}/logs"), f"{PLACE}/general"
    text = "The number {} comes right after the one before it."
    lines = [{"anchor": f"what is the number {n}", "positive": text.format(n)} for n in range(500)]
    Folder(general).write("a.jsonl", "\n".join(map(json.dumps, lines)).encode())
    config = {
        "logs": LOG | {"uri": logs},
        "questions": language_model(writer),
        "general": {"uri": general, "licence": "CC-BY-4.0"},
        "weights": {"questions": 0.5},
    }
    return setting.run(f"{PLACE}/mixed", work, {"logs": logs, "general": general}, **config)


def test_every_pair_names_its_source_and_its_span(mixed, setting):
    found, outputs = mixed
    texts = {one.id: one.text for one in setting.read()}
    made = [Pair.from_row(row) for row in rows(outputs)]
    inside = [pair for pair in made if pair.miner != "general"]
    assert {pair.miner for pair in inside} == {"logs", "questions", "headings"}
    assert all(pair.positive == texts[pair.document][pair.start : pair.end] for pair in inside)
    assert {pair.weight for pair in inside if pair.miner == "questions"} == {0.5}
    counted = {miner: source["made"] for miner, source in found.sources.items()}
    assert counted == {miner: sum(pair.miner == miner for pair in made) for miner in counted}


def test_general_pairs_are_the_share_of_the_recipe(mixed):
    found, outputs = mixed
    general = [row for row in rows(outputs) if row["miner"] == "general"]
    assert len(general) == round(0.2 * found.pairs) == found.sources["general"]["made"]


def test_what_was_made_and_what_was_dropped_add_up(mixed, writer):
    found, outputs = mixed
    dropped = rows(outputs, "dropped")
    assert len(dropped) == sum(found.dropped.values())
    assert sum(count for source in found.sources.values() for count in source["dropped"].values()) == len(dropped)
    asked = found.sources["questions"]
    assert (asked["made"] + sum(asked["dropped"].values())) % 4 == 0, "four for every passage"


def test_every_row_of_the_log_is_accounted_for(mixed):
    found, outputs = mixed
    log = Artifact.open(outputs.pairs, "pairs").facts["log"]
    assert found.log == log
    assert log["rows"] == 12 * 2 * len(TOOLS) == log["used"] + sum(log["dropped"].values())
    assert log["dropped"]["FEW_IMPRESSIONS"] > 0, "a stranger is seldom shown twice for a question"


def test_hard_negatives_need_to_know_what_answers(mixed, setting):
    _, outputs = mixed
    trains = {row["document"] for row in rows(outputs, "training_documents")}
    assert {row["document"] for row in rows(outputs) if row["document"]} <= trains
    assert {row["document"] for row in rows(outputs, "relevant")} & trains


def test_a_pair_from_outside_that_stands_in_a_document_of_another_side_is_taken_out(setting, place, tmp_path):
    texts = {tool: page(tool).splitlines()[1] for tool in TOOLS}
    lines = [{"anchor": f"ownership of number {n}", "positive": text} for n, text in enumerate(texts.values())]
    Folder(f"{place}/general").write("a.jsonl", "\n".join(map(json.dumps, lines)).encode())
    general = {"uri": f"{place}/general", "licence": "MIT", "share": 0.9}
    found, outputs = setting.run(place, tmp_path, {"general": f"{place}/general"}, general=general)
    kept = {row["positive"] for row in rows(outputs) if row["miner"] == "general"}
    trains = {row["document"] for row in rows(outputs, "training_documents")}
    quoted = {text for one in setting.read() if one.id not in trains for text in texts.values() if text in one.text}
    assert quoted
    assert kept == set(texts.values()) - quoted
    assert found.sources["general"]["dropped"] == {"STANDS_IN_TEST": len(quoted)}
    assert found.leakage["leaked"] == 0


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"judged": None}, "something that judges"),
        ({"general": {"uri": "s3://b/g", "licence": "CC-BY-NC-4.0"}, "commercial": True}, "not under CC-BY-NC-4.0"),
        ({"negatives": {"second_round": True}}, "per_pair of 1 or more"),
        ({"questions": {"writer": {"endpoint": "ftp://b", "model": "m"}}}, "endpoint"),
    ],
    ids=["nobody judges", "licence", "a second round of nothing", "endpoint"],
)
def test_a_recipe_that_cannot_work_is_refused(config, said):
    known = {"judged": "s3://b/judged"} | config
    with pytest.raises(UserError) as raised:
        PairsConfig.parse({name: value for name, value in known.items() if value is not None}, where="pairs")
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("file", "body", "said"),
    [
        ("a.jsonl", b'{"anchor": "a"}', "a.jsonl line 1: found no JSON object with anchor and positive"),
        ("a.jsonl", b'{"anchor": "a", "positive": 3}', "a.jsonl line 1: found anchor or positive is no text"),
        ("a.parquet", b"PAR1", "a.parquet: found no table"),
    ],
)
def test_general_pairs_that_cannot_be_read_are_named(setting, place, tmp_path, file, body, said):
    Folder(f"{place}/general").write(file, body)
    general = {"uri": f"{place}/general", "licence": "MIT"}
    with pytest.raises(UserError) as raised:
        setting.run(f"{place}/state", tmp_path, {"general": f"{place}/general"}, general=general)
    assert raised.value.code == "BAD_GENERAL_PAIRS"
    assert said in str(raised.value)


def test_pairs_the_wrong_way_round_are_an_error(setting, place, tmp_path, monkeypatch):
    real = headings.pairs

    def turned(*given):
        for one in real(*given):
            yield replace(one, anchor=one.positive, positive=one.anchor) if isinstance(one, Pair) else one

    monkeypatch.setattr(headings, "pairs", turned)
    with pytest.raises(UserError) as raised:
        setting.run(place, tmp_path)
    assert raised.value.code == "PAIRS_REVERSED"

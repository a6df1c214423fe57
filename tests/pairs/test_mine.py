"""The whole step on sixty small documents in a real object store."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from components.corpus import documents
from components.pairs import judged, material, sealed, split
from components.pairs.coverage import COVERED
from components.pairs.known import Known
from components.pairs.leakage import Leakage, hidden
from components.pairs.mine import Mined, Outputs
from components.pairs.wording import plain
from components.store.artifact import Artifact
from components.store.errors import UserError
from components.store.s3 import Folder
from components.store.state import State
from tests.pairs.workshop import KINDS, PLACE, SHARES, SOURCES, TOOLS, asked


def remembered(state: str) -> dict[str, str]:
    """The sides that the state knows."""
    known = Known.read(Folder(state), State(state).get("split.json")["segments"])
    return {bytes(one).hex(): split.PRECEDENCE[side] for one, side in zip(known.ids, known.sides, strict=True)}


@dataclass(frozen=True)
class Run:
    """What one run of `mine` left behind."""

    found: Mined
    outputs: Outputs
    sides: dict[str, str]
    kept: list[judged.Query]

    def rows(self, kind: str, table: str) -> list[dict]:
        return list(Artifact.open(getattr(self.outputs, kind), kind).rows(table))

    def facts(self, kind: str) -> dict:
        return Artifact.open(getattr(self.outputs, kind), kind).facts


@pytest.fixture(scope="module")
def run(setting, tmp_path_factory) -> Run:
    work = tmp_path_factory.mktemp("mined")
    found, outputs = setting.run(f"{PLACE}/state", work)
    digest = Artifact.open(outputs.judged, "judged").facts["sealed"]
    kept = sealed.fetch(f"{PLACE}/state", digest, work / "sealed")
    known = remembered(f"{PLACE}/state")
    ids = [row["id"] for row in documents.rows(Artifact.open(setting.documents, "documents"), ["id"])]
    return Run(found, outputs, {document: known[document] for document in ids}, kept)


@pytest.fixture(scope="module")
def questions(run) -> dict[str, list[str]]:
    """Side -> texts of the questions about documents of that side."""
    uris = {
        row["path"].partition(" > ")[0].removeprefix("About the "): row["document"]
        for row in run.rows("passages", "passages")
    }
    found: dict[str, list[str]] = {side: [] for side in SHARES}
    for n, tool in enumerate(TOOLS):
        found[run.sides[uris[tool]]] += [asked(tool), f"cleaning THE {TOOLS[n - 1]}?"]
    return found


def strings(value: object) -> Iterator[str]:
    """Every string in a JSON-like value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from strings(one)


def everything(kind: str, path: Path) -> str:
    """All text in an artifact: its manifest, its decoded tables, its bytes as they lie on disk."""
    artifact = Artifact.open(path, kind)
    tables = [artifact.table(name.removesuffix(".parquet")).to_pylist() for name in artifact.manifest["files"]]
    raw = [file.read_bytes().decode("latin-1") for file in path.rglob("*") if file.is_file()]
    return "\n".join([*strings(artifact.manifest), *strings(tables), *raw])


def test_the_sample_exercises_every_side(run, questions):
    assert all(len(texts) >= 8 for texts in questions.values()), {side: len(t) for side, t in questions.items()}
    assert run.facts("pairs")["dropped"]["EQUALS_JUDGED_QUERY"] >= 3


def test_pairs_come_from_documents_of_the_train_side_alone(run, setting):
    groups = {row["document"]: row["group"] for row in Artifact.open(setting.documents, "documents").rows("groups")}
    elsewhere = {groups[document] for document, side in run.sides.items() if side != "train"}
    pairs = run.rows("pairs", "pairs")
    assert len(pairs) == run.found.pairs >= 20
    assert {run.sides[pair["document"]] for pair in pairs} == {"train"}
    assert all(pair["group"] == groups[pair["document"]] for pair in pairs)
    assert not {pair["group"] for pair in pairs} & elsewhere


def test_no_anchor_equals_a_dev_or_sealed_query(run, questions):
    anchors = {plain(pair["anchor"]) for pair in run.rows("pairs", "pairs")}
    judging = {plain(text) for side in ("dev", "sealed") for text in questions[side]}
    assert not anchors & judging
    assert anchors & {plain(text) for text in questions["train"]}, "a question that judges nothing may train"


def test_the_artifact_of_judged_queries_holds_those_of_the_dev_side(run, questions):
    dev = judged.read(Artifact.open(run.outputs.judged, "judged"))
    assert {run.sides[document] for query in dev for document in query.relevant} == {"dev"}
    assert {run.sides[document] for query in run.kept for document in query.relevant} == {"sealed"}
    for found, side in ((dev, "dev"), (run.kept, "sealed")):
        assert {q.text for q in found if q.id.startswith(("q", "same"))} == set(questions[side])
        assert all(q.cluster and q.group and q.source.startswith(PLACE) and q.born == 0 for q in found)
    assert run.facts("judged")["sealed_queries"] == run.found.queries["sealed"] == len(run.kept)
    assert run.facts("judged")["segments"] == 1


def test_no_sealed_query_stands_in_any_artifact(run, questions):
    own = [query.text for query in run.kept if not query.id.startswith("same")]
    assert len(own) >= 4
    found = {kind: everything(kind, getattr(run.outputs, kind)) for kind in KINDS}
    assert not {query: kind for kind, text in found.items() for query in own if query in text}
    assert all(query in found["judged"] for query in questions["dev"]), "the search would find them"
    shown = {plain(text) for text in strings([run.rows("pairs", "pairs"), run.rows("pairs", "dropped")])}
    assert not shown & {plain(text) for text in questions["sealed"]}, "not even as a heading that was dropped"


def test_headings_that_made_no_pair_are_counted_by_reason(run):
    dropped = Counter(row["reason"] for row in run.rows("pairs", "dropped"))
    assert dropped == run.found.dropped == run.facts("pairs")["dropped"]
    assert dropped.keys() == {"COMMON_HEADING", "EQUALS_JUDGED_QUERY"}
    assert {row["anchor"] for row in run.rows("pairs", "dropped")} == {"Price", "See also", ""}


def test_a_copy_set_aside_has_the_side_of_the_one_kept(run, setting):
    copies = list(Artifact.open(setting.documents, "documents").rows("duplicates"))
    known = remembered(f"{PLACE}/state")
    assert copies
    assert {known[copy["id"]] == run.sides[copy["document"]] for copy in copies} == {True}


def test_passages_hold_every_document_of_every_side(run):
    passages = run.rows("passages", "passages")
    assert {passage["document"] for passage in passages} == set(run.sides)
    known = {"passages": run.found.passages, "documents": len(run.sides), "rejected_characters": 0}
    languages = run.facts("passages").pop("languages")
    assert {name: run.facts("passages")[name] for name in known} == known
    assert sum(languages.values()) == len(run.sides), "the model's card tells of them"


def test_leakage_counts_the_sealed_documents_and_the_anchors_taken_out(run):
    found = Leakage.read(Artifact.open(run.outputs.leakage, "leakage"))
    assert found.sealed_documents == len({document for query in run.kept for document in query.relevant})
    assert (found.near, found.equal_anchors) == (0, run.found.dropped["EQUALS_JUDGED_QUERY"])
    assert found.facts == run.found.leakage, "and the step's note says nothing of single queries"
    assert found.coverage.keys() == {hidden(query.id) for query in run.kept}
    assert max(found.coverage.values()) < COVERED


@pytest.mark.parametrize(
    ("name", "file"),
    [
        (f"{PLACE}/docs/blue-saw.md", "docs/blue-saw.md"),
        ("blue-saw.md", "docs/blue-saw.md"),
        (f"{PLACE}/notes/shelf.jsonl#note-3", "notes/shelf.jsonl#note-3"),
        ("shelf.jsonl#note-3", "notes/shelf.jsonl#note-3"),
        ("note-3", "notes/shelf.jsonl#note-3"),
        ("zz-copy-of-red-saw.md", "docs/red-saw.md"),
    ],
    ids=["URI", "relative", "URI of a record", "relative record", "record's id", "exact duplicate"],
)
def test_qrels_name_a_document_in_every_way(setting, name, file):
    artifact = Artifact.open(setting.documents, "documents")
    uris = {row["id"]: row["uri"] for row in artifact.rows("documents")}
    assert uris[material.names(artifact, SOURCES)[name]] == f"{PLACE}/{file}"


def test_every_judgement_reaches_a_document(run):
    assert run.found.queries_dropped == {"NEAR_COPY_ADDED": 1}
    assert sum(run.found.queries.values()) == 2 * len(TOOLS) + 3


@pytest.mark.parametrize("state", ["the same state", "another state"])
def test_the_same_inputs_give_the_same_bytes(run, setting, place, tmp_path, state):
    again, outputs = setting.run(f"{PLACE}/state" if state == "the same state" else place, tmp_path)
    assert again == run.found
    for kind in KINDS:
        first, second = (Artifact.open(getattr(out, kind), kind).digest for out in (run.outputs, outputs))
        assert first == second, kind


@pytest.mark.parametrize(
    ("code", "config"),
    [
        ("TOO_FEW_PAIRS", {"min_pairs": 1000}),
        ("NO_JUDGED_QUERIES", {"shares": {"train": 0.999998, "dev": 1e-6, "sealed": 1e-6}}),
    ],
)
def test_a_step_that_is_refused_leaves_no_artifact_behind(setting, place, tmp_path, code, config):
    with pytest.raises(UserError) as caught:
        setting.run(place, tmp_path / "out", **config)
    assert caught.value.code == code
    assert not list((tmp_path / "out").rglob("*"))


def test_few_pairs_are_warned_about(setting, place, tmp_path, monkeypatch, run):
    monkeypatch.setenv("TOUCHSTONE_EVENTS", str(tmp_path / "events"))
    setting.run(place, tmp_path / "out", min_pairs=run.found.pairs // 2 + 1)
    assert f"{run.found.pairs} training pairs are few" in (tmp_path / "events").read_text()

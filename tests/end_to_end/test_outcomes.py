"""The outcomes that a team relies on, each on the real DAG: compiled YAML, every step a process, real S3.

One line lives through them in order: its first candidate learned, then nothing changed, then training died, then the
champion broke, then a candidate learned nonsense.
"""

from __future__ import annotations

import base64
import io
import json
import random
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sentence_transformers import SentenceTransformer

from components.corpus import documents
from components.gate.approval_config import ApprovalConfig
from components.gate.files import replay
from components.pairs import judged
from components.pairs.config import FiltersConfig
from components.store.artifact import Artifact
from components.store.s3 import Folder
from components.store.s3_models import S3Models
from components.store.signing import verify
from components.store.state import State
from components.training.dev import DevSet
from examples import search
from pipelines import artifacts, demo, local
from pipelines.s3_server import S3Server
from pipelines.screen import Screen, draw_pairs
from tests.end_to_end import canaries
from tests.end_to_end.conftest import Line, pages
from tests.gate.test_approval import ANN, public

pytestmark = pytest.mark.timeout(300)

UNCACHED = {"snapshot", "resolve", "check", "afford", "pull", "generation"}
UNCACHED |= {"unseal", "evaluate", "decide", "report", "finish"}
"""What looks at the world, and what stands below the look; the rest comes from the cache when inputs are the same."""


def verdict(record: dict[str, Any]) -> dict[str, Any]:
    """The verdict of a run."""
    found: dict[str, Any] = json.loads((Path(record["log"]).parent / "verdict.json").read_bytes())
    return found


def test_a_candidate_that_learned_is_promoted(line: Line) -> None:
    assert line.first["outcome"] == "PROMOTED", verdict(line.first)["reasons"]
    head = S3Models(line.recipe.target).head()
    assert head and head.revision == line.first["publication"]["revision"]
    assert SentenceTransformer("runs/latest/model").encode("a bucket").shape == (128,)
    assert verify(Path("runs/latest/model"), "", line.recipe.signing) == "release"
    assert replay(Path("runs/latest")).decision == "PROMOTE"
    assert verdict(line.first)["against"] == "base"
    assert Path("runs/latest/report.html").read_text().startswith("<!doctype html>")
    card = Path("runs/latest/model/README.md").read_text()
    gain = verdict(line.first)["gain"]
    assert f"| base | {gain:+.3f} |" in card and f"| recipe | `{line.recipe.digest}` |" in card
    assert re.search(r"\| training pairs from headings \| \d+ \|", card)
    assert re.search(r"\| languages of the documents \|.*\ben \d\d\d", card), card
    assert "| the base | not declared |\n| documents | not declared |" in card


def test_the_example_answers_with_what_was_promoted(line: Line, capsys: pytest.CaptureFixture[str]) -> None:
    kept = artifacts.of_run(Path("runs/latest"), line.recipe.name)
    known = judged.read(Artifact.open(kept["judged"], "judged"))
    uris = {row["id"]: row["uri"] for row in documents.rows(Artifact.open(kept["documents"], "documents"))}
    search.main([query.text for query in known])
    told = re.split(r"\n\n", capsys.readouterr().out)
    assert re.search(r"passages, [\d,]+ tokens in .* a million would take", told[0]) and "all vectors change" in told[0]
    found = 0
    for query, answer in zip(known, told[1:], strict=True):
        right = {"/".join(uris[document].rsplit("/", 2)[1:]).removesuffix(".html") for document in query.relevant}
        shown = [line.split()[1] for line in answer.splitlines()[1:]]
        assert answer.startswith(query.text) and len(shown) == 5
        found += bool(right & set(shown))
    assert found > len(known) * 0.4, f"{found} of {len(known)}"


def test_pairs_and_leakage_can_be_seen_before_anything_is_trained(line: Line) -> None:
    out = io.StringIO()
    pairs = line.recipe.pairs.model_copy(update={"filters": FiltersConfig()})
    recipe = line.recipe.model_copy(update={"pairs": pairs})
    record = local.run_until(recipe, Screen(out), until="pairs", servers=[])
    draw_pairs(Screen(out), record)
    found = record["found"]
    dev = DevSet.read(*(Path(found["paths"][name]) for name in ("judged", "passages")), limit=300)
    assert len(dev.queries) == found["judged"]["dev"], "what `touchstone bases` scores on"
    told = {text[2:14].strip(): text[15:] for text in out.getvalue().splitlines()}
    assert found["pairs"]["dropped"]["ROUND_TRIP"] > 0, "the base looked at them"
    assert told["pairs"] == f"{found['pairs']['pairs']:,} kept"
    assert told["headings"].startswith(f"{found['pairs']['sources']['headings']['made']:,} kept; dropped: ")
    assert told["questions"].startswith("none")
    assert told["leakage"].startswith(f"0 of {found['leakage']['sealed_documents']:,} judging documents")
    assert told["digest"] == found["digest"]


def test_an_unchanged_corpus_is_skipped_without_training(line: Line) -> None:
    hub = line.hub()
    record = line.run()
    assert record["outcome"] == "SKIPPED_UNCHANGED"
    assert record["steps"].keys() == {"snapshot", "resolve", "check", "finish"}
    assert line.hub() == hub


def test_one_equal_to_the_champion_is_held_and_its_steps_come_from_the_cache(line: Line) -> None:
    hub = line.hub()
    record = line.run(force=True)
    assert record["outcome"] == "HELD"
    assert (verdict(record)["decision"], verdict(record)["against"]) == ("HOLD_NOT_BETTER", "champion")
    assert record["steps"].keys() == UNCACHED
    assert line.hub() == hub


def test_a_training_that_learned_nothing_holds_without_a_look(line: Line) -> None:
    hub, ledger = line.hub(), State(line.recipe.state).get("ledger.json")
    slow = line.recipe.training.model_copy(update={"learning_rate": 1e-7, "steps": 1})
    record = replace(line, recipe=line.recipe.model_copy(update={"training": slow})).run()
    assert (record["outcome"], record["decision"]) == ("HELD", "HOLD_NOT_BETTER")
    assert "abstain" in record["steps"] and "unseal" not in record["steps"]
    assert "no look was spent" in Path("runs/latest/report.html").read_text()
    assert (line.hub(), State(line.recipe.state).get("ledger.json")) == (hub, ledger)


def test_training_that_dies_ends_red_with_a_record_and_production_untouched(line: Line) -> None:
    hub = line.hub()
    without = replace(line, recipe=line.recipe.model_copy(update={"gpus": "2"}))
    record = without.run(force=True)
    assert record["outcome"] == "FAILED"
    assert (record["error"]["step"], record["error"]["code"]) == ("train", "WRONG_DEVICES")
    assert "finish" in record["steps"] and "unseal" not in record["steps"]
    assert "WRONG_DEVICES" in Path("runs/latest/report.html").read_text()
    assert line.hub() == hub


def test_a_champion_that_cannot_be_read_holds_and_is_not_forgotten(line: Line) -> None:
    head = S3Models(line.recipe.target).head()
    assert head
    weights = Folder(f"{line.recipe.target}/revisions/{head.revision}")
    kept = weights.read("model.safetensors")
    weights.write("model.safetensors", kept[:-1] + bytes([kept[-1] ^ 1]))
    hub = line.hub()
    record = line.run(force=True)
    assert (record["outcome"], verdict(record)["decision"]) == ("HELD", "HOLD_CHAMPION_UNREADABLE")
    assert record["model"] is None and line.hub() == hub
    weights.write("model.safetensors", kept)


def test_one_that_a_person_must_approve_waits_and_nothing_is_in_production(line: Line) -> None:
    approval = ApprovalConfig(required=True, approvers={"ann": public(ANN)})
    changes = {"approval": approval, "target": f"{line.recipe.target}-asked"}
    asked = replace(line, recipe=line.recipe.model_copy(update=changes))
    record = asked.run()
    assert (record["outcome"], verdict(record)["decision"]) == ("AWAITING_APPROVAL", "PROMOTE")
    assert "train" not in record["steps"], "the candidate of the first run"
    assert {key.split("/")[0] for key in asked.hub()} == {"revisions"}
    assert asked.run()["outcome"] == "SKIPPED_UNCHANGED", "while it waits"


def shuffled() -> Iterator[tuple[str, bytes]]:
    """The same pages, each under the heading of another one."""
    known = list(pages())
    heading = re.compile(rb"<h1>(.*?)</h1>")
    titles = [found.group(1) for _, page in known for found in [heading.search(page)] if found]
    random.Random(0).shuffle(titles)
    for (key, page), title in zip(known, titles, strict=True):
        yield key, heading.sub(b"<h1>" + title + b"</h1>", page)


def test_one_trained_on_shuffled_positives_is_held(line: Line) -> None:
    hub = line.hub()
    source = line.recipe.corpus.sources[0].uri
    assert demo.upload(Folder(source), shuffled()) > 700
    record = line.run()
    assert (record["outcome"], record["decision"]) == ("HELD", "HOLD_NOT_BETTER"), "by dev already, or by the gate"
    assert line.hub() == hub


def test_a_step_that_dies_of_a_text_does_not_quote_it(line: Line) -> None:
    judged = Folder(line.recipe.pairs.judged or "")
    judged.write("queries.jsonl", judged.read("queries.jsonl") + f'{{"_id": "{canaries.TOLD[0]}'.encode())
    record = line.run()
    assert (record["outcome"], record["error"]["code"]) == ("FAILED", "BAD_JUDGED_QUERIES")
    assert "BAD_JUDGED_QUERIES" in Path("runs/latest/report.html").read_text()


@pytest.fixture(scope="module")
def remains(line: Line) -> canaries.Files:
    """Every file that all runs of the module have left: here, in the state, in both hubs."""
    places = (line.recipe.state, line.recipe.target, f"{line.recipe.target}-asked")
    return [*canaries.left(Path("runs"), Path(".touchstone")), *(file for p in places for file in canaries.kept(p))]


def test_a_secret_around_the_run_or_beside_the_recipe_is_nowhere(
    line: Line, remains: canaries.Files, s3: S3Server
) -> None:
    names = {name.rpartition("/")[2] for name, _ in remains}
    assert names >= {
        "log.jsonl",
        "output.log",
        "pipeline.yaml",
        "README.md",
        "record.json",
        "ledger.json",
        "production.json",
    }
    (signer,) = line.folder.glob("*.key")
    known = [*canaries.SECRETS, s3.access_key, s3.secret_key, *signer.read_text().splitlines()[1:-1]]
    assert not canaries.found(known, remains)


def test_what_documents_tell_is_in_artifacts_and_in_examples_alone(remains: canaries.Files) -> None:
    seen = canaries.found(canaries.TOLD, remains)
    assert len(set().union(*seen.values())) >= 12, "they were read: the search finds them where they may be"
    blocks = {name for name in seen if "/state/cache/blocks/" in name}
    text = {name: words for name, words in seen.items() if name not in blocks and not name.endswith(".parquet")}
    asked_for = {name for name, _ in remains if name.endswith("/report.html") or "/index/collection/" in name}
    assert text.keys() <= asked_for, "the page, and the index that the example makes on this machine"
    sealed = set().union(*(words for name, words in seen.items() if "/state/sealed/" in name))
    assert sealed and not sealed & set().union(*text.values()), "a shown sealed query is a burnt one"


def test_a_canary_is_found_however_it_is_packed(tmp_path: Path) -> None:
    word = canaries.TOLD[0]
    pq.write_table(pa.table({"text": [f"the {word}s"]}), tmp_path / "a.parquet")
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("a.parquet", (tmp_path / "a.parquet").read_bytes())
    for shift in range(3):
        (tmp_path / f"c{shift}").write_bytes(base64.b64encode(b"x" * shift + word.encode() + b"yy"))
    (tmp_path / "d").write_text(f"the {canaries.TOLD[1]} alone, {word.upper()[:-1]}")
    files = canaries.left(tmp_path)
    assert len(files) == 6
    names = {Path(name).name for name in canaries.found([word], files)}
    assert names == {"a.parquet", "b.zip", "c0", "c1", "c2"}

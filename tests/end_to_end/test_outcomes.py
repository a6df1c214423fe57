"""The outcomes that a team relies on, each on the real DAG: compiled YAML, every step a process, real S3."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sentence_transformers import SentenceTransformer

from components.gate.files import replay
from components.store.s3_models import S3Models
from tests.end_to_end.conftest import Line, make_line, pages

UNCACHED = {"snapshot", "resolve", "check", "unseal", "evaluate", "decide", "report", "finish"}


def verdict(record: dict) -> dict:
    return json.loads((Path(record["log"]).parent / "verdict.json").read_bytes())


def test_a_candidate_that_learned_is_promoted_and_then_is_the_one_to_beat(line: Line) -> None:
    first = line.run()
    assert first["outcome"] == "PROMOTED", verdict(first)["reasons"]
    head = S3Models(line.recipe.target).head()
    assert head and head.revision == first["publication"]["revision"]
    assert SentenceTransformer("runs/latest/model").encode("a bucket").shape == (128,)
    assert replay(Path("runs/latest")).decision == "PROMOTE"
    hub = line.hub()

    unchanged = line.run()
    assert unchanged["outcome"] == "SKIPPED_UNCHANGED"
    assert "train" not in unchanged["steps"]

    equal = line.run(force=True)
    assert equal["outcome"] == "HELD"
    assert verdict(equal)["decision"] == "HOLD_NOT_BETTER"
    assert verdict(equal)["against"] == "champion"
    assert equal["steps"].keys() == UNCACHED | {"pull"}, "what names content comes from the cache, the rest runs"
    assert line.hub() == hub


def shuffled_titles() -> Iterator[tuple[str, bytes]]:
    """The same pages, each under another one's heading."""
    known = list(pages())
    heading = re.compile(rb"<h1>(.*?)</h1>")
    titles = [heading.search(page)[1] for _, page in known]
    random.Random(0).shuffle(titles)
    for (key, page), title in zip(known, titles, strict=True):
        yield key, heading.sub(b"<h1>" + title + b"</h1>", page)


def test_a_candidate_trained_on_shuffled_positives_is_held(
    place: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    line = make_line(place, tiny_model, tmp_path, shuffled_titles())
    record = line.run()
    assert record["outcome"] == "HELD", verdict(record)
    assert verdict(record)["decision"].startswith("HOLD_")
    assert line.hub() == {}


def test_training_that_dies_ends_red_with_a_record_and_production_untouched(line: Line) -> None:
    line.recipe = line.recipe.model_copy(update={"gpus": "2"})
    record = line.run()
    assert record["outcome"] == "FAILED"
    assert record["error"]["step"] == "train"
    assert Path("runs/latest/report.html").exists()
    assert line.hub() == {}

"""One shard: watched while it works, nothing of it fetched twice, nothing lost."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from components.corpus import snapshot
from components.corpus.config import ReadingConfig
from components.corpus.load import conserve, load, watched
from components.corpus.worker import Job
from components.store.artifact import Artifact
from components.store.errors import TouchstoneError, TransientError
from components.store.s3 import Folder

DYING = (sys.executable, str(Path(__file__).with_name("dying_worker.py")))
TABLES = ("documents", "rejected", "signatures")

Loaded = Callable[..., tuple[Artifact, int]]


@pytest.fixture
def loaded(place: str, tmp_path: Path) -> Loaded:
    """Take a snapshot of `docs` and load it as one shard; the part, and how many objects were parsed."""

    def run(name: str, state: str = "state", **settings: object) -> tuple[Artifact, int]:
        config = ReadingConfig.parse({"sources": [f"{place}/docs"], **settings}, where="test")
        taken = snapshot.take(f"{place}/{state}", {"documents": config.sources})
        parsed = load(f"{place}/{state}", taken.digest, 0, config, tmp_path / name)
        return Artifact.open(tmp_path / name, "part"), parsed

    return run


def fill(place: str, count: int = 40) -> Folder:
    docs = Folder(f"{place}/docs")
    for number in range(count):
        docs.write(f"{number:03}.md", f"# Page {number}\n\nTurn valve {number} to the left and wait.".encode())
    return docs


def job(shard: int = 0) -> Job:
    return Job("s3://b/state", "digest", shard, {}, "out", [], {})


def test_an_object_that_kills_or_hangs_its_parser_is_condemned_and_the_rest_goes_on():
    start = time.monotonic()
    blocks = [message for message in watched(job(), DYING, seconds=1.0) if "block" in message]
    assert [(one["block"], one["condemned"]) for one in blocks] == [
        (0, ""),
        (1, "PARSER_DIED"),
        (2, "PARSE_TIMEOUT"),
        (3, ""),
    ]
    assert time.monotonic() - start < 30


def test_a_worker_that_ends_while_it_parses_nothing_may_be_tried_again():
    with pytest.raises(TransientError, match="exit status 3"):
        list(watched(job(shard=13), DYING, seconds=1.0))


def test_only_what_changed_is_parsed_and_the_bytes_are_those_of_a_full_run(place, loaded):
    docs = fill(place)
    first, parsed = loaded("first")
    assert parsed == first.facts["documents"] == 40
    assert loaded("again")[1] == 0, "nothing changed"
    docs.write("007.md", b"# Page 7\n\nSomebody edited this.")
    docs.write("012a.md", b"# New\n\nSomebody added this.")
    docs.write("030.md", b"")
    docs.delete("020.md")
    changed, parsed = loaded("changed")
    assert parsed == 3, "edited, added, emptied"
    whole, parsed = loaded("whole", state="elsewhere")
    assert parsed == 40
    assert changed.digest == whole.digest != first.digest
    assert changed.facts["reasons"] == {"EMPTY": 1}


def test_other_settings_parse_everything_anew_and_where_shards_end_does_not_matter(place, loaded):
    fill(place, 5)
    assert loaded("first")[1] == 5
    assert loaded("cut", shard_bytes=10**9, denied_share=0.5)[1] == 0
    assert loaded("kept", personal={"email": "keep"})[1] == 5
    assert loaded("other", sources=[{"uri": f"{place}/docs", "fields": {"text": "body"}}])[1] == 5


def test_a_damaged_block_in_the_cache_is_parsed_again(place, loaded):
    fill(place, 3)
    loaded("first")
    kept = Folder(f"{place}/state/cache/blocks")
    for entry in kept.list():
        kept.write(entry.key, b"no zip")
    assert loaded("again")[1] == 3


def test_an_object_that_changes_after_the_snapshot_stops_the_shard_and_leaves_nothing(place, tmp_path):
    docs = fill(place, 5)
    config = ReadingConfig.parse({"sources": [f"{place}/docs"]}, where="test")
    taken = snapshot.take(f"{place}/state", {"documents": config.sources})
    docs.write("003.md", b"somebody was faster")
    with pytest.raises(TouchstoneError, match="003.md") as raised:
        load(f"{place}/state", taken.digest, 0, config, tmp_path / "out" / "part")
    assert raised.value.code == "SNAPSHOT_CHANGED"
    assert not list((tmp_path / "out").iterdir())


def test_large_objects_pass_through_a_file(place, loaded):
    docs = Folder(f"{place}/docs")
    line = '{"id": "%05d", "text": "' + "A long record. " * 50 + '"}\n'
    docs.write("large.jsonl", "".join(line % number for number in range(12_000)).encode())
    part, _ = loaded("large")
    assert part.facts["documents"] == part.count("signatures") == 12_000
    assert part.facts["bytes"] > 8 << 20


def test_texts_get_their_language_and_lose_their_secrets(place, loaded):
    docs = Folder(f"{place}/docs")
    docs.write("de.txt", b"Drehen Sie das Ventil nach links und warten Sie, bis das Wasser klar ist.")
    docs.write("en.txt", b"Turn the valve to the left, wait until the water is clear, then call anna@valves.io.")
    part, _ = loaded("part")
    rows = {row["uri"].rpartition("/")[2]: row for row in part.rows("documents")}
    assert {name: row["language"] for name, row in rows.items()} == {"de.txt": "de", "en.txt": "en"}
    assert dict(rows["en.txt"]["personal"]) == {"email": 1} == part.facts["personal"]
    assert "anna" not in str(rows["en.txt"]["sections"])
    refused, _ = loaded("refused", personal={"email": "reject"})
    assert [(row["reason"], row["detail"]) for row in refused.rows("rejected")] == [("PERSONAL_DATA", "email")]


@pytest.mark.parametrize("name", ["listed", "read", "records", "documents"])
def test_counts_that_do_not_add_up_are_refused(name):
    whole = {"listed": 5, "read": 3, "refused": 2, "records": 9, "documents": 8, "rejected": 1}
    conserve(whole)
    with pytest.raises(TouchstoneError) as raised:
        conserve(whole | {name: whole[name] - 1})
    assert raised.value.code == "CORPUS_NOT_CONSERVED"

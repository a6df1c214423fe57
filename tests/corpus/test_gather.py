"""From objects in a bucket to the artifact `documents`, shard by shard, through a real S3 server."""

from pathlib import Path

import pytest

from components.corpus import documents, snapshot
from components.corpus.blocks import blocks
from components.corpus.blocks import shards as cut
from components.corpus.config import ReadingConfig
from components.corpus.gather import Gathered, gather
from components.corpus.load import load
from components.store.artifact import Artifact
from components.store.errors import TouchstoneError, UserError
from components.store.s3 import Folder
from pipelines.s3_server import S3Server

LONG = " ".join(f"word{n} comes before word{n + 1}," for n in range(40))

DOCS = {
    "a/copy.txt": "Bleed the radiator in autumn.",
    "a/first.md": "# Boiler\n\nTurn the valve to the left.",
    "a/long.md": f"# Long\n\n{LONG}",
    "b/broken.html": b"<html><p>\xff\xfe caf\xe9",
    "b/copy.html": "<html><title>copy</title><p>Bleed the radiator in autumn.",
    "b/empty.html": "",
    "b/hollow.html": "<html><title>hollow</title><nav>Home</nav><script>run()</script>",
    "b/long.md": f"# Long\n\n{LONG.replace('word20', 'something', 1)}",
    "b/second.md": "# Pump\n\nListen to the pump.",
    "c/many.jsonl": '{"text": "Record.", "title": "A"}\n{bad\n{"text": "Another."}\n{"text": "Record.", "title": "A"}',
    "c/picture.png": b"\x89PNG",
    "d/copy.txt": "Bleed the radiator  in autumn.\n",
    "d/hopeless.jsonl": "{bad\n{worse",
    "d/void.jsonl": "",
    "e/third.txt": "Read the meter.",
}
PLACE = "s3://tests/gathered"
"""Fixed, and so are the ids: the second of the near-duplicates has the smaller one."""
STATE = f"{PLACE}/state"


def reading(**settings: object) -> ReadingConfig:
    return ReadingConfig.parse({"sources": [f"{PLACE}/docs"], **settings}, where="test")


@pytest.fixture
def frozen(s3: S3Server) -> str:
    """The digest of a snapshot of the documents above."""
    for key, body in DOCS.items():
        Folder(f"{PLACE}/docs").write(key, body if isinstance(body, bytes) else body.encode())
    return snapshot.take(STATE, {"documents": reading().sources}).digest


def gathered(digest: str, shards: int, out: Path, **settings: object) -> tuple[Gathered, Artifact]:
    """Everything loaded in that many shards, and joined."""
    listing = snapshot.table(STATE, digest, "documents")
    cuts = blocks(listing)
    size = next(n for n in range(1, sum(listing["size"].to_pylist()) + 2) if len(cut(listing, cuts, n)) == shards)
    config = reading(shard_bytes=size, **settings)
    parts = [out / f"part{n}" for n in range(shards)]
    for number, part in enumerate(parts):
        load(STATE, digest, number, config, part)
    return gather(STATE, parts, config, out / "documents"), Artifact.open(out / "documents", "documents")


def name(uri: str) -> str:
    return uri.removeprefix(f"{PLACE}/docs/")


def test_every_object_and_record_ends_somewhere_once(frozen, tmp_path):
    counts, artifact = gathered(frozen, 1, tmp_path)
    assert counts.rejected == {"BAD_RECORD": 3, "EMPTY": 2, "NO_TEXT": 1, "UNKNOWN_FORMAT": 1}
    assert (counts.objects, counts.documents, counts.duplicates, counts.near_duplicates) == (15, 9, 3, 1)
    assert counts.digest == artifact.digest
    assert artifact.facts == {k: v for k, v in vars(counts).items() if k != "digest"} | {
        "read": 10,
        "refused": 5,
        "records": 19,
    }
    rows = [*artifact.rows("documents"), *artifact.rows("rejected")]
    assert {name(row["uri"]).partition("#")[0] for row in rows} == set(DOCS)
    assert len(rows) == artifact.facts["records"]
    versions = {item.uri: item.version for item in snapshot.read(STATE, frozen, "documents")}
    assert all(row["version"] == versions[row["uri"].partition("#")[0]] for row in rows)


def test_a_shard_that_was_lost_is_noticed_and_their_order_does_not_matter(frozen, tmp_path):
    _, whole = gathered(frozen, 3, tmp_path)
    parts = [tmp_path / f"part{n}" for n in range(3)]
    gather(STATE, [parts[2], parts[0], parts[1]], reading(), tmp_path / "again")
    assert Artifact.open(tmp_path / "again", "documents").digest == whole.digest
    for lost in (parts[:2], parts[1:], [parts[0], parts[0], parts[2]]):
        with pytest.raises(TouchstoneError, match="not all shards of one snapshot"):
            gather(STATE, lost, reading(), tmp_path / "less")
        assert not (tmp_path / "less").exists()


def test_the_smallest_uri_of_exact_duplicates_is_kept(frozen, tmp_path):
    _, artifact = gathered(frozen, 3, tmp_path)
    uris = {row["id"]: name(row["uri"]) for row in artifact.rows("documents")}
    aside = [(uris[row["id"]], uris[row["document"]]) for row in artifact.rows("duplicates")]
    assert aside == [
        ("b/copy.html", "a/copy.txt"),
        ("c/many.jsonl#4", "c/many.jsonl#1"),
        ("d/copy.txt", "a/copy.txt"),
    ]
    kept = [name(one.uri) for one in documents.read(artifact)]
    assert sorted(kept) == kept == sorted(set(uris.values()) - {copy for copy, _ in aside})


def test_near_duplicates_share_a_group_that_the_smallest_id_names(frozen, tmp_path):
    _, artifact = gathered(frozen, 3, tmp_path)
    ids = {name(row["uri"]): row["id"] for row in documents.rows(artifact)}
    groups = {row["document"]: row["group"] for row in artifact.rows("groups")}
    near = {ids["a/long.md"], ids["b/long.md"]}
    assert {groups[id] for id in near} == {min(near)} == {ids["b/long.md"]}
    assert all(groups[id] == id for id in groups.keys() - near)
    assert groups.keys() == set(ids.values())


def test_the_number_of_shards_changes_nothing(frozen, tmp_path):
    made = [gathered(frozen, shards, tmp_path / str(shards)) for shards in (1, 3, 7)]
    assert len({str(counts) for counts, _ in made}) == 1
    assert len({artifact.digest for _, artifact in made}) == 1


def test_an_edit_keeps_the_id_and_changes_the_digest(frozen, tmp_path):
    found = []
    for number, text in enumerate((b"One.", b"Two.")):
        Folder(f"{PLACE}/docs").write("e/third.txt", text)
        digest = snapshot.take(STATE, {"documents": reading().sources}).digest
        _, artifact = gathered(digest, 1, tmp_path / str(number))
        found.append(next(one for one in documents.read(artifact) if name(one.uri) == "e/third.txt"))
    assert found[0].id == found[1].id
    assert found[0].digest != found[1].digest
    assert [one.text for one in found] == ["One.", "Two."]


def test_a_corpus_without_a_document_is_the_users_mistake(place, tmp_path):
    Folder(f"{place}/docs").write("a.png", b"\x89PNG")
    config = ReadingConfig.parse({"sources": [f"{place}/docs"]}, where="test")
    digest = snapshot.take(f"{place}/state", {"documents": config.sources}).digest
    load(f"{place}/state", digest, 0, config, tmp_path / "part")
    with pytest.raises(UserError, match="UNKNOWN_FORMAT") as raised:
        gather(f"{place}/state", [tmp_path / "part"], config, tmp_path / "documents")
    assert raised.value.code == "EMPTY_CORPUS"
    assert not (tmp_path / "documents").exists()

"""From objects in a bucket to the artifact `documents`, shard by shard, through a real S3 server."""

from pathlib import Path

import pytest

from components.corpus import snapshot
from components.corpus.document import Document
from components.corpus.gather import Gathered, gather
from components.corpus.load import conserve, load
from components.store import s3 as door
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
TABLES = ("documents", "duplicates", "rejected", "groups")


@pytest.fixture
def frozen(s3: S3Server) -> tuple[str, str, list[snapshot.Item]]:
    """State, digest and items of the documents above."""
    for key, body in DOCS.items():
        Folder(f"{PLACE}/docs").write(key, body if isinstance(body, bytes) else body.encode())
    return f"{PLACE}/state", *snapshot.take(f"{PLACE}/state", {"documents": [f"{PLACE}/docs"]})


def gathered(frozen: tuple[str, str, list[snapshot.Item]], shards: int, out: Path) -> tuple[Gathered, Artifact]:
    """Everything loaded in that many shards, and joined."""
    state, digest, items = frozen
    total = sum(item.size for item in items)
    size = next(size for size in range(1, total + 2) if len(snapshot.cut(items, size)) == shards)
    parts = [out / f"part{n}" for n in range(shards)]
    for number, part in enumerate(parts):
        load(state, digest, number, size, part)
    return gather(parts, out / "documents"), Artifact.open(out / "documents", "documents")


def test_every_object_and_record_ends_somewhere_once(frozen, tmp_path):
    counts, artifact = gathered(frozen, 1, tmp_path)
    reasons = {"BAD_RECORD": 3, "EMPTY": 1, "NO_TEXT": 1, "UNKNOWN_FORMAT": 1}
    assert counts == Gathered(documents=9, duplicates=3, rejected=reasons, near_duplicates=1)
    assert artifact.facts == vars(counts)
    part = Artifact.open(tmp_path / "part0", "part").facts
    assert part.items() >= {"shard": 0, "shards": 1}.items()
    assert (
        part.items() >= {"objects": 14, "read": 10, "refused": 4, "records": 18, "documents": 12, "rejected": 6}.items()
    )
    places = {row["uri"].removeprefix(f"{PLACE}/docs/") for t in TABLES[:3] for row in artifact.rows(t, ["uri"])}
    assert {uri.partition("#")[0] for uri in places} == set(DOCS)
    versions = {row["uri"].partition("#")[0]: row["version"] for row in artifact.rows("documents")}
    assert versions.items() <= {item.uri: item.etag for item in frozen[2]}.items()


def test_a_shard_that_was_lost_is_noticed_and_their_order_does_not_matter(frozen, tmp_path):
    _, whole = gathered(frozen, 3, tmp_path)
    parts = [tmp_path / f"part{n}" for n in range(3)]
    gather([parts[2], parts[0], parts[1]], tmp_path / "again")
    assert Artifact.open(tmp_path / "again", "documents").digest == whole.digest
    for lost in (parts[:2], parts[1:], [parts[0], parts[0], parts[2]]):
        with pytest.raises(TouchstoneError, match="not all shards of one snapshot"):
            gather(lost, tmp_path / "less")
        assert not (tmp_path / "less").exists()


def test_the_smallest_uri_of_exact_duplicates_is_kept(frozen, tmp_path):
    _, artifact = gathered(frozen, 3, tmp_path)
    kept = {row["id"]: row["uri"].removeprefix(f"{PLACE}/docs/") for row in artifact.rows("documents")}
    aside = [(row["uri"].removeprefix(f"{PLACE}/docs/"), kept[row["document"]]) for row in artifact.rows("duplicates")]
    assert aside == [
        ("b/copy.html", "a/copy.txt"),
        ("c/many.jsonl#4", "c/many.jsonl#1"),
        ("d/copy.txt", "a/copy.txt"),
    ]


def test_near_duplicates_share_a_group_that_the_smallest_id_names(frozen, tmp_path):
    _, artifact = gathered(frozen, 3, tmp_path)
    ids = {row["uri"].removeprefix(f"{PLACE}/docs/"): row["id"] for row in artifact.rows("documents")}
    groups = {row["document"]: row["group"] for row in artifact.rows("groups")}
    near = {ids["a/long.md"], ids["b/long.md"]}
    assert {groups[id] for id in near} == {min(near)} == {ids["b/long.md"]}
    assert all(groups[id] == id for id in groups.keys() - near)
    assert groups.keys() == set(ids.values())


def test_the_number_of_shards_changes_nothing(frozen, tmp_path):
    made = [gathered(frozen, shards, tmp_path / str(shards)) for shards in (1, 3, 7)]
    assert len({str(counts) for counts, _ in made}) == 1
    for table in TABLES:
        assert len({(artifact.path / f"{table}.parquet").read_bytes() for _, artifact in made}) == 1


def test_an_edit_keeps_the_id_and_changes_the_digest(place, tmp_path):
    found = []
    for number, text in enumerate((b"One.", b"Two.")):
        Folder(f"{place}/docs").write("a.txt", text)
        digest, items = snapshot.take(f"{place}/state", {"documents": [f"{place}/docs"]})
        _, artifact = gathered((f"{place}/state", digest, items), 1, tmp_path / str(number))
        (row,) = artifact.rows("documents")
        found.append(Document.from_row(row))
    assert found[0].id == found[1].id
    assert found[0].digest != found[1].digest
    assert [one.text for one in found] == ["One.", "Two."]


@pytest.mark.parametrize("body", [b"somebody edited it", None])
def test_an_object_that_is_not_the_one_listed_stops_the_shard_and_leaves_nothing(frozen, tmp_path, body):
    docs = Folder(f"{PLACE}/docs")
    if body is None:
        door._client().delete_object(Bucket=docs.bucket, Key=f"{docs.prefix}/e/third.txt")
    else:
        docs.write("e/third.txt", body)
    with pytest.raises(TouchstoneError, match="e/third.txt") as raised:
        gathered(frozen, 1, tmp_path)
    assert raised.value.code == ("SNAPSHOT_CHANGED" if body else "NO_SUCH_OBJECT")
    assert not list(tmp_path.iterdir())


def test_a_corpus_without_a_document_is_the_users_mistake(place, tmp_path):
    Folder(f"{place}/docs").write("a.png", b"\x89PNG")
    digest, items = snapshot.take(f"{place}/state", {"documents": [f"{place}/docs"]})
    with pytest.raises(UserError, match="UNKNOWN_FORMAT") as raised:
        gathered((f"{place}/state", digest, items), 1, tmp_path)
    assert raised.value.code == "EMPTY_CORPUS"
    assert not (tmp_path / "documents").exists()


@pytest.mark.parametrize("name", ["objects", "read", "records", "documents"])
def test_counts_that_do_not_add_up_are_refused(name):
    whole = {"objects": 5, "read": 3, "refused": 2, "records": 9, "documents": 8, "rejected": 1}
    conserve(whole)
    with pytest.raises(TouchstoneError) as raised:
        conserve(whole | {name: whole[name] - 1})
    assert raised.value.code == "CORPUS_NOT_CONSERVED"

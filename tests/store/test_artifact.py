"""The artifacts that steps hand to each other."""

import json
import os
from pathlib import Path

import pyarrow as pa
import pytest

from components.store.artifact import MANIFEST, Artifact, ArtifactWriter
from components.store.errors import TouchstoneError

SCHEMA = pa.schema([("word", pa.string())])


def write(path: Path, words: int = 3000) -> Artifact:
    with ArtifactWriter(path, "words", {"source": "0" * 64}) as out:
        out.facts["words"] = out.table("words", SCHEMA, ({"word": f"w{n}"} for n in range(words)))
        out.file("notes/one.txt").write_text("kept")
    return Artifact.open(path, "words")


def flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def test_what_is_written_is_read(tmp_path):
    artifact = write(tmp_path / "a")
    assert [row["word"] for row in artifact.rows("words", batch=7)] == [f"w{n}" for n in range(3000)]
    assert artifact.table("words", ["word"]).num_rows == artifact.count("words") == artifact.facts["words"] == 3000
    assert (artifact.path / "notes/one.txt").read_text() == "kept"


def test_an_empty_table_is_a_table(tmp_path):
    assert write(tmp_path / "a", words=0).table("words").schema == SCHEMA


def test_equal_inputs_give_equal_bytes(tmp_path):
    one, two = write(tmp_path / "one"), write(tmp_path / "two")
    assert one.digest == two.digest
    for name in (*one.manifest["files"], MANIFEST):
        assert (one.path / name).read_bytes() == (two.path / name).read_bytes()
    assert write(tmp_path / "three", words=2999).digest != one.digest


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: flip(path / "words.parquet"), "words.parquet"),
        (lambda path: (path / "notes/one.txt").unlink(), "notes/one.txt"),
        (lambda path: (path / "notes/two.txt").write_text("slipped in"), "notes/two.txt, which the manifest"),
        (lambda path: (path / MANIFEST).unlink(), "no readable manifest"),
        (lambda path: (path / MANIFEST).write_text('{"kind": "wo'), "no readable manifest"),
        (lambda path: (path / MANIFEST).write_text("[]"), "is no manifest"),
        (lambda path: os.rename(path, path.with_name("elsewhere")), "no readable manifest"),
    ],
    ids=[
        "flipped byte",
        "missing file",
        "extra file",
        "no manifest",
        "half a manifest",
        "another manifest",
        "no folder",
    ],
)
def test_a_damaged_artifact_is_refused(tmp_path, damage, message):
    damage(write(tmp_path / "a").path)
    with pytest.raises(TouchstoneError, match=message) as raised:
        Artifact.open(tmp_path / "a", "words")
    assert raised.value.code == "BAD_ARTIFACT"


@pytest.mark.parametrize("field", ["kind", "version"])
def test_an_artifact_of_another_kind_or_version_is_refused(tmp_path, field):
    path = write(tmp_path / "a").path / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: 99}))
    with pytest.raises(TouchstoneError, match="expected words version 1"):
        Artifact.open(tmp_path / "a", "words")


def test_a_block_that_fails_leaves_nothing_and_keeps_what_was_there(tmp_path):
    for before in ([], ["a"]):
        with pytest.raises(KeyboardInterrupt), ArtifactWriter(tmp_path / "a", "words") as out:
            out.file("half").write_text("x")
            raise KeyboardInterrupt
        assert os.listdir(tmp_path) == before
        write(tmp_path / "a")
    assert Artifact.open(tmp_path / "a", "words").count("words") == 3000


@pytest.mark.parametrize("leftover", ["folder", "file"])
def test_a_retry_replaces_what_the_first_try_left(tmp_path, leftover):
    if leftover == "file":
        (tmp_path / "a").write_text("what kfp puts there")
    else:
        (tmp_path / "a" / "old").mkdir(parents=True)
    assert sorted(os.listdir(write(tmp_path / "a").path)) == [MANIFEST, "notes", "words.parquet"]
    assert os.listdir(tmp_path) == ["a"]

"""Models: pinned, published, promoted and pulled, through a real S3 server."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.store import s3 as door
from components.store.addresses import split_reference
from components.store.digests import canonical, file_digest
from components.store.errors import TouchstoneError, UserError
from components.store.models import Model, Promotion, revision_of
from components.store.pull import pin, pull
from components.store.s3 import Folder
from components.store.s3_models import S3Models
from tests.store.pointer import move, promotion

WEIGHTS = "model.safetensors"


def rewrite(folder: Folder, key: str, old: bytes, new: bytes) -> None:
    """Replace bytes of an object in place."""
    body = folder.read(key)
    assert old in body
    folder.write(key, body.replace(old, new, 1))


def forge(place: str, files: dict[str, bytes], tmp_path: Path) -> str:
    """A revision whose listing adds up, made without intake; its reference."""
    described = {}
    for name, body in files.items():
        (tmp_path / "forged").write_bytes(body)
        described[name] = {"sha256": file_digest(tmp_path / "forged"), "bytes": len(body)}
    folder = Folder(place) / f"revisions/{revision_of(described)}"
    for name, body in files.items():
        if ".." not in name:
            folder.write(name, body)
    folder.write("revision.json", canonical({"files": described}))
    return f"{place}@{revision_of(described)}"


@pytest.fixture
def published(place: str, tiny_model: Path) -> str:
    """The small model at `place`; its pinned reference."""
    return f"{place}@{S3Models(place).stage(tiny_model)}"


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("s3://b/p", ("s3://b/p", "")),
        ("s3://b/p@abc", ("s3://b/p", "abc")),
        ("/home/me@work/model", ("/home/me@work/model", "")),
        ("/home/me@work/model@abc", ("/home/me@work/model", "abc")),
    ],
)
def test_a_reference_has_an_address_and_perhaps_a_revision(reference, parts):
    assert split_reference(reference) == parts


def test_a_floating_reference_is_pinned_to_what_production_points_at(place):
    assert pin(place) == ""
    assert move(place, promotion(1, revision="first"))
    assert pin(place) == f"{place}@first"
    assert pin(f"{place}@another") == f"{place}@another"


def test_a_base_may_be_asked_to_be_pinned_already(place, tiny_model):
    assert move(place, promotion(1, revision="first"))
    with pytest.raises(UserError, match="names no revision") as raised:
        pin(place, floating=False)
    assert (raised.value.code, f"{place}@first" in raised.value.fix) == ("FLOATING_MODEL", True)
    assert pin(f"{place}@another", floating=False) == f"{place}@another"
    assert pin(str(tiny_model), floating=False), "a folder is not remote"


def test_a_folder_is_pinned_by_its_content(model, tmp_path):
    reference = pin(str(model))
    assert reference == pin(str(model)) != pin(str(shutil.copytree(model, tmp_path / "copy")))
    assert split_reference(reference)[1] == split_reference(pin(str(tmp_path / "copy")))[1]
    pull(reference, tmp_path / "out", optional=False)
    assert (tmp_path / "out" / WEIGHTS).read_bytes() == (model / WEIGHTS).read_bytes()
    (model / "README.md").write_text("edited")
    with pytest.raises(TouchstoneError) as raised:
        pull(reference, tmp_path / "again", optional=False)
    assert raised.value.code == "MODEL_CHANGED"


def test_a_published_model_is_pulled_as_it_was(published, tiny_model, tmp_path):
    pull(published, tmp_path / "one", optional=False)
    pull(pin(str(tiny_model)), tmp_path / "two", optional=False)
    one, two = Model.open(tmp_path / "one"), Model.open(tmp_path / "two")
    assert (one.present, one.reference, one.fingerprint) == (True, published, two.fingerprint)
    assert one.require("base") is one
    for path in (path for path in tiny_model.rglob("*") if path.is_file()):
        assert (one.path / path.relative_to(tiny_model)).read_bytes() == path.read_bytes()


def test_publishing_twice_is_publishing_once(published, place, tiny_model):
    before = list(Folder(place).list())
    assert f"{place}@{S3Models(place).stage(tiny_model)}" == published
    assert list(Folder(place).list()) == before


def test_a_publication_that_broke_off_is_no_revision_until_it_is_done_again(published, place, tiny_model, tmp_path):
    revision = split_reference(published)[1]
    key = f"{Folder(place).prefix}/revisions/{revision}/revision.json"
    door._client().delete_object(Bucket="tests", Key=key)
    with pytest.raises(TouchstoneError, match="no listing"):
        S3Models(place).fetch(revision, tmp_path / "one")
    S3Models(place).stage(tiny_model)
    S3Models(place).fetch(revision, tmp_path / "two")


def test_nothing_unsafe_is_published(place, model):
    (model / "evil.py").write_text("import os")
    with pytest.raises(UserError, match="evil.py"):
        S3Models(place).stage(model)
    assert not list(Folder(place).list())


def test_the_pointer_moves_only_from_where_the_promotion_expects_it(place):
    store = S3Models(place)
    assert store.head() is None
    assert not move(place, promotion(1, previous="9"))
    assert move(place, promotion(1))
    assert not move(place, promotion(2))
    assert move(place, promotion(2, revision="s", previous="1"))
    assert not move(place, promotion(3, previous="1"))
    assert move(place, promotion(3, revision="r", previous="2"))
    assert store.head() == promotion(3, revision="r", previous="2")
    assert [(p.id, p.revision) for p in store.history()] == [("3", "r"), ("2", "s"), ("1", "r")]


def test_of_two_that_promote_at_once_one_wins(place):
    with ThreadPoolExecutor(4) as pool:
        won = list(pool.map(lambda number: move(place, promotion(number)), range(4)))
    assert won.count(True) == 1
    assert S3Models(place).head() == promotion(won.index(True))


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (lambda folder: rewrite(folder, "config.json", b'"bert"', b'"bort"'), "config.json has another sha256"),
        (lambda folder: door._client().delete_object(Bucket="tests", Key=f"{folder.prefix}/config.json"), "is missing"),
        (lambda folder: folder.write("revision.json", b'{"files": {'), "no listing"),
        (lambda folder: folder.write("revision.json", b'{"files": ["config.json"]}'), "no listing"),
        (lambda folder: rewrite(folder, "revision.json", b'"sha256"', b'"sha257"'), "no listing"),
        (lambda folder: rewrite(folder, "revision.json", b'"config.json"', b'"gonfig.json"'), "no listing"),
    ],
    ids=["flipped byte", "missing file", "half a listing", "a list", "flipped key", "another name"],
)
def test_a_damaged_model_is_an_error_for_a_base_and_a_word_for_a_champion(published, place, tmp_path, damage, found):
    damage(Folder(place) / f"revisions/{split_reference(published)[1]}")
    with pytest.raises(TouchstoneError, match=found) as raised:
        pull(published, tmp_path / "base", optional=False)
    assert raised.value.code == "MODEL_UNREADABLE"
    assert not (tmp_path / "base").exists()
    pull(published, tmp_path / "champion", optional=True)
    champion = Model.open(tmp_path / "champion")
    assert (champion.present, champion.reference) == (False, published)
    assert found in champion.problem
    with pytest.raises(UserError, match=found):
        champion.require("champion")


def test_no_champion_is_not_an_unreadable_one(tmp_path):
    pull("", tmp_path / "champion", optional=True)
    champion = Model.open(tmp_path / "champion")
    assert (champion.present, champion.problem, champion.reference) == (False, "", "")


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"null", b'["production"]', b'{"id": "1"}', canonical(promotion(1).as_json() | {"more": 1})]
)
def test_a_pointer_that_cannot_be_read_is_never_an_absent_one(place, body):
    Folder(place).write("production.json", body)
    for use in (S3Models(place).head, lambda: pin(place), lambda: move(place, promotion(2))):
        with pytest.raises(TouchstoneError, match="production.json") as raised:
            use()
        assert raised.value.code == "MODEL_UNREADABLE"
    assert Folder(place).read("production.json") == body


def test_trouble_on_the_way_is_no_unreadable_champion(published, tmp_path, environment):
    environment(AWS_SECRET_ACCESS_KEY="wrong")
    with pytest.raises(UserError) as raised:
        pull(published, tmp_path / "champion", optional=True)
    assert raised.value.code == "BAD_CREDENTIALS"
    assert not (tmp_path / "champion").exists()


@pytest.mark.parametrize("name", ["../escaped.txt", "a/../../escaped.txt", "{tmp}/escaped.txt"])
def test_a_listing_cannot_name_a_path_outside_the_folder(place, tmp_path, name):
    reference = forge(place, {name.format(tmp=tmp_path): b"x"}, tmp_path)
    with pytest.raises(TouchstoneError, match="a path outside the folder"):
        pull(reference, tmp_path / "work" / "out", optional=False)
    assert not list(tmp_path.rglob("escaped.txt"))


def test_a_revision_that_somebody_forged_is_scanned_before_it_is_an_artifact(place, tiny_model, tmp_path):
    files = {name: (tiny_model / name).read_bytes() for name in ("modules.json", "config.json", WEIGHTS)}
    reference = forge(place, files | {"evil.py": b"import os"}, tmp_path)
    with pytest.raises(UserError, match="evil.py"):
        pull(reference, tmp_path / "base", optional=False)
    pull(reference, tmp_path / "champion", optional=True)
    assert "evil.py" in Model.open(tmp_path / "champion").problem


def test_a_floating_reference_is_never_pulled(place, tmp_path):
    with pytest.raises(UserError) as raised:
        pull(place, tmp_path / "out", optional=True)
    assert raised.value.code == "FLOATING_MODEL"


def test_the_record_of_a_promotion_is_plain_json():
    assert Promotion(**json.loads(canonical(promotion(1).as_json()))) == promotion(1)

"""What a model store promises, kept by each: on a real S3 server, and on a Hub on loopback through the real client."""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from components.hub.rollback import rollback
from components.store.errors import TouchstoneError
from components.store.intake import fingerprint, inspect
from components.store.models import ModelStore, Promotion
from components.store.pull import pin
from components.store.stores import open_models
from tests.store.pointer import promotion

WEIGHTS = "model.safetensors"


@pytest.fixture(params=["s3", "hub"])
def address(request: pytest.FixtureRequest) -> str:
    """Where an empty store is."""
    return str(request.getfixturevalue("place" if request.param == "s3" else "hub_place"))


@pytest.fixture
def store(address: str) -> ModelStore:
    return open_models(address)


@pytest.fixture
def other(tiny_model: Path, tmp_path: Path) -> Path:
    """Another model, with a file more and a file less."""
    made = Path(shutil.copytree(tiny_model, tmp_path / "other"))
    (made / "1_Pooling/extra.json").write_text("{}")
    (made / "config_sentence_transformers.json").unlink()
    return made


def planned(number: int, folder: Path, after: Promotion | None = None, **known: str) -> Promotion:
    """The promotion of a folder's files upon another."""
    before = {"previous": after.id, "replaces": after.revision} if after else {}
    return promotion(number, revision="", fingerprint=fingerprint(inspect(folder)), **before, **known)


def files(folder: Path) -> dict[str, bytes]:
    """What a folder holds of the model."""
    return {name: (folder / name).read_bytes() for name in inspect(folder) if name != "promotion.json"}


def fetched(store: ModelStore, revision: str, folder: Path) -> dict[str, bytes]:
    folder.mkdir(parents=True)
    store.fetch(revision, folder)
    return files(folder)


def promoted(store: ModelStore, number: int, folder: Path, after: Promotion | None = None) -> Promotion:
    made = store.promote(planned(number, folder, after), folder)
    assert made
    return made


def test_where_nothing_was_promoted_there_is_no_head_and_nothing_to_pin(store, address):
    assert (store.head(), store.find("1"), list(store.history()), pin(address)) == (None, None, [], "")
    store.repair()
    assert store.head() is None


def test_a_promotion_is_the_head_with_its_files(store, address, tiny_model, tmp_path):
    plan = planned(1, tiny_model)
    made = store.promote(plan, tiny_model)
    assert made == replace(plan, revision=made.revision) == store.head() == store.find("1")
    assert len(made.revision) == 40
    assert pin(address) == f"{address}@{made.revision}"
    assert fetched(store, made.revision, tmp_path / "out") == files(tiny_model)


def test_production_moves_only_from_where_the_promotion_expects_it(store, tiny_model, other, tmp_path):
    assert store.promote(replace(planned(1, tiny_model), previous="9"), tiny_model) is None
    assert store.head() is None
    one = promoted(store, 1, tiny_model)
    assert store.promote(planned(2, other), other) is None
    two = promoted(store, 2, other, one)
    assert store.promote(planned(3, tiny_model, one), tiny_model) is None
    assert store.head() == two
    assert fetched(store, two.revision, tmp_path / "two") == files(other), "nothing of the former tree is left"
    assert fetched(store, one.revision, tmp_path / "one") == files(tiny_model), "an earlier revision stays what it was"


def test_the_same_promotion_again_changes_nothing_and_is_found(store, tiny_model, other):
    one = promoted(store, 1, tiny_model)
    assert store.promote(planned(1, tiny_model), tiny_model) is None
    two = promoted(store, 2, other, one)
    assert store.promote(planned(1, tiny_model), tiny_model) is None
    assert (store.head(), store.find("1"), store.find("2"), store.find("3")) == (two, one, two, None)
    assert list(store.history()) == [two, one]


def test_a_rollback_is_a_move_forward_to_an_earlier_revision(store, tiny_model, other, tmp_path):
    one = promoted(store, 1, tiny_model)
    two = promoted(store, 2, other, one)
    made = rollback(store, one.version, "worse")
    assert made == store.head() == store.find(made.id)
    assert (made.previous, made.replaces, made.restores) == (two.id, two.revision, one.version)
    assert store.promote(made, tiny_model) is None, "production has moved since"
    with pytest.raises(TouchstoneError) as again:
        rollback(store, one.version, "worse")
    assert again.value.code == "ALREADY_PRODUCTION"
    assert fetched(store, made.revision, tmp_path / "out") == files(tiny_model)
    assert list(store.history()) == [made, two, one]


def test_a_revision_that_is_not_there_is_unreadable(store, tiny_model, tmp_path):
    one = promoted(store, 1, tiny_model)
    with pytest.raises(TouchstoneError) as raised:
        store.fetch("f" * 40, tmp_path / "out")
    assert raised.value.code == "MODEL_UNREADABLE"
    assert store.head() == one


def test_staging_keeps_the_files_and_moves_nothing(store, tiny_model, other, tmp_path):
    first = store.stage(other)
    assert (store.head(), list(store.history())) == (None, [])
    assert fetched(store, first, tmp_path / "first") == files(other)
    one = promoted(store, 1, tiny_model)
    staged = store.stage(other)
    assert staged == store.stage(other)
    assert store.head() == one
    assert fetched(store, staged, tmp_path / "staged") == files(other)
    two = promoted(store, 2, other, one)
    assert fetched(store, two.revision, tmp_path / "two") == files(other)


def test_of_those_who_promote_at_once_one_wins(address, tiny_model, other):
    def attempt(number: int) -> Promotion | None:
        folder = tiny_model if number % 2 else other
        try:
            return open_models(address).promote(planned(number, folder), folder)
        except TouchstoneError as error:
            assert error.code == "HUB_UNREACHABLE"
            return None

    with ThreadPoolExecutor(4) as pool:
        won = [one for one in pool.map(attempt, range(4)) if one]
    store = open_models(address)
    assert len(won) == 1
    assert list(store.history()) == won


def test_nothing_unsafe_is_kept(store, model):
    (model / "evil.py").write_text("import os")
    uses: list[Callable[[], object]] = [lambda: store.stage(model), lambda: store.promote(promotion(1), model)]
    for use in uses:
        with pytest.raises(TouchstoneError) as raised:
            use()
        assert raised.value.code == "UNSAFE_MODEL"
    assert store.head() is None


def test_a_record_that_comes_with_a_fetched_model_is_no_part_of_the_next(store, tiny_model, tmp_path):
    one = promoted(store, 1, tiny_model)
    (tmp_path / "out").mkdir()
    store.fetch(one.revision, tmp_path / "out")
    (tmp_path / "out/README.md").write_text("# A new card\n")
    two = promoted(store, 2, tmp_path / "out", one)
    assert store.head() == two
    assert two.fingerprint == one.fingerprint

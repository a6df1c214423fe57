"""Going back in a real store: a move forward that the history keeps, and what stands against it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from components.hub.rollback import rollback
from components.store.errors import TouchstoneError, UserError
from components.store.models import Promotion
from components.store.pull import pin
from components.store.s3 import Folder
from components.store.s3_models import S3Models
from tests.hub.test_publish import Line


@pytest.fixture
def line(place: str, tmp_path: Path) -> Line:
    return Line(f"{place}/state", f"{place}/hub", tmp_path)


@pytest.fixture
def two(line: Line) -> tuple[Promotion, Promotion]:
    """A line with two promotions, older first."""
    first = line.publish("one").promotion
    return first, line.publish("two", pin(line.hub)).promotion


@pytest.mark.parametrize("named", ["version", "revision"])
def test_an_earlier_revision_is_production_again_and_the_history_keeps_both(
    line: Line, two: tuple[Promotion, Promotion], named: str
) -> None:
    first, second = two
    name = first.version if named == "version" else first.revision[:8]
    found = rollback(S3Models(line.hub), name, "searches for\nnames got worse")
    assert (found.revision, found.fingerprint, found.verdict) == (first.revision, first.fingerprint, first.verdict)
    assert (found.restores, found.reason) == (first.version, "searches for names got worse")
    assert (found.replaces, found.previous, found.run) == (second.revision, second.id, "")
    assert list(S3Models(line.hub).history()) == [found, second, first]
    assert pin(line.hub) == f"{line.hub}@{first.revision}"


def test_rolling_back_again_changes_nothing(line: Line, two: tuple[Promotion, Promotion]) -> None:
    rollback(S3Models(line.hub), two[0].version, "worse")
    with line.unchanged(), pytest.raises(UserError, match="in production already") as found:
        rollback(S3Models(line.hub), two[0].version, "worse")
    assert found.value.code == "ALREADY_PRODUCTION"


def test_what_was_rolled_back_can_come_back(line: Line, two: tuple[Promotion, Promotion]) -> None:
    store = S3Models(line.hub)
    rollback(store, two[0].version, "worse")
    found = rollback(store, two[1].version, "it was the index")
    assert (found.revision, found.restores) == (two[1].revision, two[1].version)
    assert len({one.id for one in store.history()}) == 4


@pytest.mark.parametrize(
    ("name", "code"),
    [("v1999.01.01-1", "NO_SUCH_REVISION"), ("", "NO_SUCH_REVISION"), ("head", "ALREADY_PRODUCTION")],
)
def test_a_name_that_cannot_be_gone_back_to(line: Line, two: tuple[Promotion, Promotion], name: str, code: str) -> None:
    with line.unchanged(), pytest.raises(UserError) as found:
        rollback(S3Models(line.hub), two[1].version if name == "head" else name, "worse")
    assert found.value.code == code


def test_a_store_where_nothing_was_promoted(line: Line) -> None:
    with pytest.raises(UserError) as found:
        rollback(S3Models(line.hub), "v1", "worse")
    assert found.value.code == "NOTHING_PROMOTED"


def test_a_revision_that_is_damaged_does_not_become_production(line: Line, two: tuple[Promotion, Promotion]) -> None:
    Folder(line.hub).write(f"revisions/{two[0].revision}/model.safetensors", b"another")
    with line.unchanged(), pytest.raises(TouchstoneError) as found:
        rollback(S3Models(line.hub), two[0].version, "worse")
    assert found.value.code == "MODEL_UNREADABLE"


def test_production_that_moves_meanwhile_is_left_where_it_is(
    line: Line, two: tuple[Promotion, Promotion], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = S3Models(line.hub)
    fetch = store.fetch

    def meanwhile(revision: str, folder: Path) -> None:
        fetch(revision, folder)
        line.publish("three", f"{line.hub}@{two[1].revision}")

    monkeypatch.setattr(store, "fetch", meanwhile)
    with pytest.raises(UserError) as found:
        rollback(store, two[0].version, "worse")
    assert found.value.code == "LOST_RACE" and line.production().run == "run-three"


def test_a_record_whose_fingerprint_is_another_s_is_not_gone_back_to(line: Line) -> None:
    """Somebody who can write to the store cannot have other weights pass for what was promoted."""
    first, store = line.publish("one").promotion, S3Models(line.hub)
    wrong = replace(first, id="forged", previous=first.id, version="v9", fingerprint="0" * 64)
    assert store.promote(wrong, line.candidate("two").path)
    second = line.publish("two", pin(line.hub)).promotion
    with pytest.raises(TouchstoneError, match="is not the model that was promoted as v9"):
        rollback(store, "v9", "worse")
    assert line.production() == second

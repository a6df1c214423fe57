"""The sealed test in a real object store."""

from dataclasses import replace

import pytest

from components.pairs import sealed
from components.pairs.judged import Query
from components.store.errors import TouchstoneError
from components.store.s3 import Folder

QUERIES = [
    Query("1", "why does the boiler hum", ("noise",), {"d1": 2, "d2": 1}, "d1", "s3://b/docs"),
    Query("2", "wie entlüftet man die Heizung", (), {"d3": 1}, "d3", "s3://b/docs"),
]


def test_what_was_kept_comes_back_under_the_digest_of_its_content(place, tmp_path):
    digest = sealed.keep(place, QUERIES, tmp_path / "a")
    assert sealed.keep(f"{place}/elsewhere", QUERIES, tmp_path / "b") == digest
    assert sealed.keep(place, QUERIES[:1], tmp_path / "c") != digest
    assert sealed.fetch(place, digest, tmp_path / "d") == QUERIES


@pytest.mark.parametrize("changed", [["queries.parquet"], ["manifest.json"], ["queries.parquet", "manifest.json"]])
def test_a_sealed_test_that_was_changed_is_refused(place, tmp_path, changed):
    digest = sealed.keep(place, QUERIES, tmp_path / "good")
    sealed.keep(place, QUERIES[:1], tmp_path / "other")
    for name in changed:
        Folder(f"{place}/sealed/{digest}").upload(name, tmp_path / "other" / name)
    with pytest.raises(TouchstoneError) as caught:
        sealed.fetch(place, digest, tmp_path / "work")
    assert caught.value.code == "BAD_ARTIFACT"


def test_what_is_told_of_the_sealed_queries_is_how_they_hang_together():
    alike = {"cluster": "d1", "group": "d1", "source": "s3://b/docs"}
    third = Query("3", "wo tropft es", (), {"d1": 1}, **alike)
    known = sealed.shape([replace(one, group=one.cluster) for one in QUERIES] + [third])
    assert known["cluster"] == known["group"] == {"units": 2, "largest": 2, "squares": 5}
    assert known["source"] == {"units": 1, "largest": 3, "squares": 9}
    assert sealed.shape([])["group"] == {"units": 0, "largest": 0, "squares": 0}

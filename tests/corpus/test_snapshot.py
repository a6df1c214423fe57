"""The frozen listing, on a real S3 server."""

import pytest

from components.corpus.config import Source
from components.corpus.snapshot import Item, read, take
from components.store.errors import TouchstoneError, UserError
from components.store.s3 import Folder


def put(place: str, *keys: str) -> None:
    for key in keys:
        Folder(place).write(key, key.encode())


def source(uri: str, **settings: object) -> Source:
    return Source.parse({"uri": uri, **settings}, where="test")


def test_the_digest_names_the_content_and_not_the_order_of_the_places(place):
    state = f"{place}/state"
    put(place, "docs/b.md", "docs/a/c.md", "more/d.md", "guard/g.md")
    docs, more, guard = (source(f"{place}/{name}") for name in ("docs", "more", "guard"))
    taken = take(state, {"documents": [docs, more], "guard:g": [guard]})
    assert take(state, {"guard:g": [guard], "documents": [more, docs]}) == taken
    assert (taken.objects, taken.bytes, taken.skipped) == (4, 39, {})
    items = read(state, taken.digest, "documents")
    assert [(i.role, i.uri.removeprefix(place), i.size) for i in items] == [
        ("documents", "/docs/a/c.md", 11),
        ("documents", "/docs/b.md", 9),
        ("documents", "/more/d.md", 9),
    ]
    Folder(place).write("docs/b.md", b"docs/B.md")
    assert take(state, {"documents": [docs, more], "guard:g": [guard]}).digest != taken.digest


@pytest.mark.parametrize(
    ("patterns", "kept"),
    [
        ({}, ["a.html", "b/a.html", "b/a.md", "draft-1.md"]),
        ({"include": ["*.html"]}, ["a.html", "b/a.html"]),
        ({"exclude": ["b/*"]}, ["a.html", "draft-1.md"]),
        ({"include": ["*.md"], "exclude": ["draft-[0-9]*"]}, ["b/a.md"]),
        ({"include": ["A.html", "b/?.md"]}, ["b/a.md"]),
    ],
)
def test_patterns_leave_objects_out_and_what_is_left_out_is_counted(place, patterns, kept):
    put(place, "docs/a.html", "docs/b/a.html", "docs/b/a.md", "docs/draft-1.md")
    Folder(place).write("docs/b/", b"")
    taken = take(f"{place}/state", {"documents": [source(f"{place}/docs", **patterns)]})
    items = read(f"{place}/state", taken.digest, "documents")
    assert [item.uri.removeprefix(f"{place}/docs/") for item in items] == kept
    assert taken.skipped.get("EXCLUDED", 0) == 4 - len(kept)
    assert sum(taken.skipped.values()) + taken.objects == 4 + taken.skipped.get("FOLDER_MARKER", 0)


def test_a_place_without_objects_is_the_users_mistake(place):
    put(place, "docs/a.md")
    Folder(place).write("empty/folder/", b"")
    for wrong in (source(f"{place}/empty"), source(f"{place}/docs", include=["*.html"])):
        with pytest.raises(UserError, match=f"{wrong.uri} holds no object") as raised:
            take(f"{place}/state", {"documents": [source(f"{place}/docs")], "judged": [wrong]})
        assert raised.value.code == "EMPTY_SOURCE"
    assert not list(Folder(f"{place}/state").list())


def test_an_empty_object_counts_and_a_role_without_objects_is_refused(place):
    Folder(place).write("docs/empty.md", b"")
    digest = take(f"{place}/state", {"documents": [source(f"{place}/docs")]}).digest
    assert [item.size for item in read(f"{place}/state", digest, "documents")] == [0]
    with pytest.raises(TouchstoneError, match="holds nothing for judged"):
        read(f"{place}/state", digest, "judged")


def test_a_listing_that_somebody_changed_is_not_used(place):
    put(place, "docs/a.md", "other/b.md")
    digests = [take(f"{place}/state", {"documents": [source(f"{place}/{name}")]}).digest for name in ("docs", "other")]
    state = Folder(f"{place}/state/snapshots")
    state.write(f"{digests[0]}.parquet", state.read(f"{digests[1]}.parquet"))
    with pytest.raises(TouchstoneError) as raised:
        read(f"{place}/state", digests[0], "documents")
    assert raised.value.code == "SNAPSHOT_DAMAGED"


def test_an_object_is_read_by_its_whole_key(place):
    etag = Folder(place).write("a b/é.md", b"text")
    assert Item("documents", f"{place}/a b/é.md", etag, "", 4).read() == b"text"
    with pytest.raises(TouchstoneError, match=f"{place}//double.md"):  # two keys, but this server takes them for one
        Item("documents", f"{place}//double.md", "0" * 32, "", 4).read()

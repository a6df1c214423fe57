"""The frozen listing, on a real S3 server."""

import random

import pytest

from components.corpus.snapshot import MAX_SHARDS, Item, cut, read, take
from components.store.errors import TouchstoneError, UserError
from components.store.s3 import Folder


def put(place: str, *keys: str) -> None:
    for key in keys:
        Folder(place).write(key, key.encode())


def test_the_digest_names_the_content_and_not_the_order_of_listing(place):
    state = f"{place}/state"
    put(place, "docs/b.md", "docs/a/c.md", "guard/g.md")
    digest, items = take(state, {"documents": [f"{place}/docs"], "guard:g": [f"{place}/guard"]})
    again = take(state, {"guard:g": [f"{place}/guard"], "documents": [f"{place}/docs/a", f"{place}/docs"]})
    assert again == (digest, items)
    assert items == sorted(items)
    assert [(i.role, i.uri.removeprefix(place), i.size) for i in items] == [
        ("documents", "/docs/a/c.md", 11),
        ("documents", "/docs/b.md", 9),
        ("guard:g", "/guard/g.md", 10),
    ]
    assert read(state, digest, "documents") == items[:2]
    Folder(place).write("docs/b.md", b"docs/B.md")
    assert take(state, {"documents": [f"{place}/docs"], "guard:g": [f"{place}/guard"]})[0] != digest


def test_a_place_without_objects_is_the_users_mistake(place):
    put(place, "docs/a.md", "empty/folder/")
    Folder(place).write("empty/folder/", b"")
    with pytest.raises(UserError, match=f"{place}/empty holds no object") as raised:
        take(f"{place}/state", {"documents": [f"{place}/docs"], "judged": [f"{place}/empty"]})
    assert raised.value.code == "EMPTY_SOURCE"
    assert not list(Folder(f"{place}/state").list())


def test_an_empty_object_counts_and_a_role_without_objects_is_refused(place):
    Folder(place).write("docs/empty.md", b"")
    digest, items = take(f"{place}/state", {"documents": [f"{place}/docs"]})
    assert [i.size for i in items] == [0]
    with pytest.raises(TouchstoneError, match="holds nothing for judged"):
        read(f"{place}/state", digest, "judged")


def test_an_object_is_read_by_its_whole_key(place):
    etag = Folder(place).write("a b/é.md", b"text")
    assert Item("documents", f"{place}/a b/é.md", etag, 4).read() == b"text"
    with pytest.raises(TouchstoneError, match=f"{place}//double.md"):  # two keys, but this server takes them for one
        Item("documents", f"{place}//double.md", "0" * 32, 4).read()


@pytest.mark.parametrize("shard_bytes", [1, 500, 10**9])
@pytest.mark.parametrize("sizes", ["equal", "random", "zero", "one giant", "single"])
def test_shards_keep_every_item_in_order(sizes, shard_bytes):
    rng = random.Random(3)
    make = {
        "equal": [10] * 1000,
        "random": [rng.randrange(2000) for _ in range(1000)],
        "zero": [0] * 300,
        "one giant": [*[1] * 200, 10**12, *[1] * 200],
        "single": [7],
    }
    items = [Item("documents", f"s3://b/{n:04}", "v", size) for n, size in enumerate(make[sizes])]
    shards = cut(items, shard_bytes)
    assert [item for shard in shards for item in shard] == items
    assert 1 <= len(shards) <= MAX_SHARDS
    assert all(shards)
    assert shards == cut(items, shard_bytes)
    if shard_bytes == 10**9 and sizes != "one giant":
        assert len(shards) == 1

"""How a listing is cut: blocks by their content, shards by their bytes."""

import random

import pyarrow as pa
import pytest

from components.corpus.blocks import BLOCK_BYTES, MAX_SHARDS, blocks, shards


def listing(names: list[str], sizes: list[int] | None = None) -> pa.Table:
    return pa.table({"uri": names, "size": pa.array(sizes or [10] * len(names), pa.int64())})


def names(count: int) -> list[str]:
    return [f"s3://b/{number:06}.html" for number in range(count)]


def contents(table: pa.Table) -> list[tuple[str, ...]]:
    return [tuple(table["uri"].to_pylist()[start:stop]) for start, stop in blocks(table)]


@pytest.mark.parametrize("count", [1, 2, 127, 128, 300, 5000, 70_000])
def test_blocks_hold_every_object_in_order_and_are_a_few_hundred_at_most(count):
    table = listing(names(count))
    assert [uri for block in contents(table) for uri in block] == table["uri"].to_pylist()
    assert min(count, 90) <= len(blocks(table)) <= 300


def test_an_object_that_comes_or_goes_changes_the_blocks_around_it_only():
    before = names(3000)
    after = [*before[:1000], "s3://b/000999a.html", *before[1000:2000], *before[2001:]]
    kept = set(contents(listing(before))) & set(contents(listing(after)))
    assert len(kept) >= len(blocks(listing(before))) - 3


def test_a_corpus_that_outgrows_its_blocks_merges_whole_ones():
    small, large = (contents(listing(names(count))) for count in (511, 512))
    ends = {block[-1] for block in small}
    assert {block[-1] for block in large[:-1]} <= ends
    assert len(large) < len(small)


def test_a_block_ends_when_it_holds_enough_bytes():
    table = listing(names(100_000), [BLOCK_BYTES // 4] * 100_000)
    assert max(stop - start for start, stop in blocks(table)) == 4


@pytest.mark.parametrize("shard_bytes", [1, 500, 10**9])
@pytest.mark.parametrize("sizes", ["equal", "random", "zero", "one giant", "single"])
def test_shards_keep_every_block_in_order_and_none_is_empty(sizes, shard_bytes):
    rng = random.Random(3)
    make = {
        "equal": [10] * 1000,
        "random": [rng.randrange(2000) for _ in range(1000)],
        "zero": [0] * 300,
        "one giant": [*[1] * 200, 10**12, *[1] * 200],
        "single": [7],
    }
    table = listing(names(len(make[sizes])), make[sizes])
    cuts = blocks(table)
    runs = shards(table, cuts, shard_bytes)
    assert [number for start, stop in runs for number in range(start, stop)] == list(range(len(cuts)))
    assert all(start < stop for start, stop in runs)
    assert len(runs) == min(MAX_SHARDS, len(cuts), max(1, -(-sum(make[sizes]) // shard_bytes)))


def test_shards_are_about_equal_in_bytes():
    rng = random.Random(4)
    sizes = [rng.randrange(5000) for _ in range(2000)]
    table = listing(names(2000), sizes)
    cuts = blocks(table)
    held = [sum(sizes[cuts[start][0] : cuts[stop - 1][1]]) for start, stop in shards(table, cuts, sum(sizes) // 7)]
    assert len(held) in (7, 8)
    assert max(held) < 1.5 * min(held)

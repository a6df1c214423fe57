"""KFP components `snapshot`, `cut`, `load` and `gather`: from buckets to documents."""

from kfp import dsl


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def snapshot(state: str, places: dict[str, list[str]]) -> str:
    """Freeze the listing of every source; its digest is what later steps get.

    Args:
        state: The line's state, `s3://bucket/prefix`.
        places: Role -> addresses to list.
    """
    from components.store.events import note, step

    with step("snapshot"):
        from components.corpus.snapshot import take

        digest, items = take(state, places)
        note(f"{len(items):,} objects, digest {digest[:8]}", digest=digest, objects=len(items))
        return digest


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def cut(state: str, snapshot: str, shard_bytes: int) -> list[int]:
    """Number the shards that the documents are loaded in.

    Args:
        state: The line's state.
        snapshot: The listing's digest.
        shard_bytes: About how many bytes go into one shard.
    """
    from components.store.events import step

    with step("cut"):
        from components.corpus import snapshot as listing

        return list(range(len(listing.cut(listing.read(state, snapshot, "documents"), int(shard_bytes)))))


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def load(state: str, snapshot: str, shard: int, shard_bytes: int, part: dsl.Output[dsl.Dataset]) -> None:
    """Fetch and parse the objects of one shard.

    Args:
        state: The line's state.
        snapshot: The listing's digest.
        shard: Which shard.
        shard_bytes: As for `cut`.
        part: Documents, rejected records and signatures of the shard.
    """
    from components.store.events import note, step

    with step("load"):
        from pathlib import Path

        from components.corpus.load import load as load_shard

        documents = load_shard(state, snapshot, int(shard), int(shard_bytes), Path(part.path))
        note(f"{documents:,} documents in shard {int(shard)}")


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def gather(parts: dsl.Input[list[dsl.Dataset]], documents: dsl.Output[dsl.Dataset]) -> None:
    """Join the shards, set exact duplicates aside, group near-duplicates.

    Args:
        parts: What `load` made, in the order of the shards.
        documents: Every document once, with its group.
    """
    from components.store.events import note, step

    with step("gather"):
        from pathlib import Path

        from components.corpus.gather import gather as join

        found = join([Path(part.path) for part in parts], Path(documents.path))
        rejected = sum(found.rejected.values())
        copies = f"{found.duplicates:,} exact and {found.near_duplicates:,} near duplicates"
        note(f"{found.documents:,} documents, {copies}, {rejected:,} rejected", **vars(found))

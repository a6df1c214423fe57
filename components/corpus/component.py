"""KFP components `snapshot`, `cut`, `load` and `gather`: from buckets to documents."""

from kfp import dsl


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def snapshot(state: str, places: dict[str, list[dict[str, object]]]) -> str:
    """Freeze the listing of every source; its digest is what later steps get.

    Args:
        state: The line's state, `s3://bucket/prefix`.
        places: Role -> the sources to list.
    """
    from components.store.events import note, step

    with step("snapshot"):
        from components.corpus.config import Source
        from components.corpus.snapshot import take

        listed = {role: [Source.parse(one, where=role) for one in sources] for role, sources in places.items()}
        taken = take(state, listed)
        note(f"{taken.objects:,} objects{taken.left_out}, digest {taken.digest[:8]}", **vars(taken))
        return taken.digest


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
        from components.corpus import blocks
        from components.corpus.snapshot import table

        listing = table(state, snapshot, "documents")
        return list(range(len(blocks.shards(listing, blocks.blocks(listing), int(shard_bytes)))))


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def load(state: str, snapshot: str, shard: int, config: dict[str, object], part: dsl.Output[dsl.Dataset]) -> None:
    """Fetch and parse the objects of one shard that changed since the last run.

    Args:
        state: The line's state.
        snapshot: The listing's digest.
        shard: Which shard.
        config: The recipe's section `corpus`, as far as it decides how documents are read.
        part: Documents, rejected records and signatures of the shard.
    """
    from components.store.events import step

    with step("load"):
        from pathlib import Path

        from components.corpus.config import ReadingConfig
        from components.corpus.load import load as load_shard

        load_shard(state, snapshot, int(shard), ReadingConfig.parse(config, where="corpus"), Path(part.path))


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def gather(
    state: str, config: dict[str, object], parts: dsl.Input[list[dsl.Dataset]], documents: dsl.Output[dsl.Dataset]
) -> None:
    """Join the shards, set exact duplicates aside, group near-duplicates.

    Args:
        state: The line's state, where parsed blocks are kept.
        config: As for `load`.
        parts: What `load` made.
        documents: Every document, its group, and which are exact duplicates.
    """
    from components.store.events import note, step

    with step("gather"):
        from pathlib import Path

        from components.corpus.config import ReadingConfig
        from components.corpus.gather import gather as join

        checked = ReadingConfig.parse(config, where="corpus")
        found = join(state, [Path(part.path) for part in parts], checked, Path(documents.path))
        note(found.told, **vars(found))


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def describe(documents: dsl.Input[dsl.Dataset]) -> None:
    """Tell what is in the documents, whether they were gathered now or in an earlier run.

    Args:
        documents: What `gather` made.
    """
    from components.store.events import note, step

    with step("describe"):
        from components.store.artifact import Artifact

        artifact = Artifact.open(documents.path, "documents")
        note("", digest=artifact.digest, **artifact.facts)

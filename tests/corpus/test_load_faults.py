"""What a shard does when the store says no, changes under it, or stumbles."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from components.corpus import snapshot
from components.corpus.config import ReadingConfig
from components.corpus.gather import gather
from components.corpus.load import load
from components.store.artifact import Artifact
from components.store.errors import TouchstoneError, UserError
from components.store.s3 import Folder
from pipelines.s3_server import S3Server
from tests.servers.faulty_s3 import ALWAYS, Fault, FaultyS3, faulty

OBJECTS = 12
DENIED = {"status": 403, "code": "AccessDenied", "times": ALWAYS}

Loaded = Callable[..., Artifact]


@pytest.fixture
def loaded(s3: S3Server, place: str, tmp_path: Path) -> Loaded:
    """Load twelve documents through a proxy with faults, the state apart from it; the gathered artifact."""
    for number in range(OBJECTS):
        Folder(f"{place}/docs").write(f"{number:03}.txt", f"Turn valve {number} to the left.".encode())

    def run(*faults: Fault, **settings: object) -> Artifact:
        proxied: AbstractContextManager[FaultyS3] = faulty(s3.endpoint, *faults)
        with proxied as proxy:
            source = {"uri": f"{place}/docs", "endpoint": proxy.endpoint}
            config = ReadingConfig.parse({"sources": [source], **settings}, where="test")
            taken = snapshot.take(f"{place}/state", {"documents": config.sources})
            load(f"{place}/state", taken.digest, 0, config, tmp_path / "part")
            gather(f"{place}/state", [tmp_path / "part"], config, tmp_path / "documents")
            assert proxy.hits or not faults
        return Artifact.open(tmp_path / "documents", "documents")

    return run


def test_a_denied_object_fails_the_run_and_is_named(loaded):
    with pytest.raises(UserError, match="003.txt: access denied"):
        loaded(Fault("status", match="003.txt", **DENIED))


def test_what_may_be_denied_is_listed_and_asked_for_again_next_time(loaded):
    artifact = loaded(Fault("status", match="003.txt", **DENIED), denied_share=0.1)
    (row,) = artifact.rows("rejected")
    assert (row["reason"], row["uri"][-7:]) == ("ACCESS_DENIED", "003.txt")
    assert (artifact.facts["objects"], artifact.facts["documents"]) == (OBJECTS, OBJECTS - 1)
    assert loaded(denied_share=0.1).facts["documents"] == OBJECTS


def test_more_than_may_be_denied_fails_the_run(loaded):
    with pytest.raises(UserError, match="found 2 of 12, expected at most 10.00%"):
        loaded(Fault("status", match="00[34].txt", **DENIED), denied_share=0.1)


@pytest.mark.parametrize("torn", [False, True], ids=["before it is read", "while it is read again"])
def test_an_object_that_is_replaced_while_the_shard_loads_is_no_part_of_a_mixture(loaded, place, tmp_path, torn):
    def replace() -> None:
        Folder(f"{place}/docs").write("011.txt", b"another")

    faults = [Fault("truncate", match="011.txt", at=3)] if torn else []
    with pytest.raises(TouchstoneError, match="011.txt was replaced after the snapshot") as raised:
        loaded(*faults, Fault("run", match="011.txt", after=len(faults), action=replace))
    assert raised.value.code == "SNAPSHOT_CHANGED"
    assert not list(tmp_path.iterdir())


def test_a_store_that_stumbles_makes_no_difference(loaded):
    whole = loaded()
    faults = [
        Fault("status", match=r"\d.txt", times=6),
        Fault("truncate", match="004.txt", at=3),
        Fault("flip", match="005.txt", at=3),
        Fault("silence", match="006.txt"),
    ]
    assert loaded(*faults, personal={"email": "keep"}).facts == whole.facts

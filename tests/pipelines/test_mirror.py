"""NanoBEIR as guards: the real client of the Hub, in a process of its own, against a Hub on loopback."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.corpus import snapshot
from components.corpus.config import Source
from components.pairs.guards import Guard
from components.store.s3 import Folder
from pipelines.mirror import REPOSITORY
from tests.servers.hub import COMMIT, Hub, serving

TABLES = {
    "corpus": {"_id": ["a", "b", "c"], "text": ["Paris is in France.", "Owls hunt\nat night.", ""]},
    "queries": {"_id": ["1", "2"], "text": ["when do owls hunt", "where is paris"]},
    "qrels": {"query-id": ["1", "2"], "corpus-id": ["b", "a"]},
}


def parquet(columns: dict) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def hub(name: str = "NanoNFCorpus", **changed: dict) -> Hub:
    tables = TABLES | changed
    return Hub(REPOSITORY, {f"{kind}/{name}-00000-of-00001.parquet": parquet(of) for kind, of in tables.items()})


def mirror(
    server: Hub, folder: Path, *names: str, revision: str = "", offline: str = "0"
) -> subprocess.CompletedProcess:
    command = ["mirror", *(names or ("nfcorpus",)), str(folder), *(["--revision", revision] if revision else [])]
    environment = os.environ | {"HF_ENDPOINT": server.address, "HF_HUB_OFFLINE": offline, "HF_TOKEN": ""}
    start = "from components.store import hf_client; hf_client.PAUSE = 0.01; from pipelines.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", start, *command], env=environment, capture_output=True, text=True, timeout=300
    )


def test_a_mirrored_folder_is_a_guard_and_tells_where_it_is_from(tmp_path, place):
    with serving(hub()) as server:
        done = mirror(server, tmp_path / "guards")
        assert done.returncode == 0, done.stderr
        asked = len(server.asked)
        assert mirror(server, tmp_path / "guards").returncode == 0
        assert len(server.asked) == asked, "what is there is not asked for again"
    made = tmp_path / "guards/NFCorpus"
    told = json.loads((made / "SOURCE.json").read_text())
    assert told == {"repository": REPOSITORY, "revision": COMMIT, "licence": "cc-by-sa-4.0"}
    assert [path.name for path in (tmp_path / "guards").iterdir()] == ["NFCorpus"]
    for path in made.rglob("*.*"):
        Folder(f"{place}/guard").write(str(path.relative_to(made)), path.read_bytes())
    digest = snapshot.take(f"{place}/state", {"guard:nf": [Source(uri=f"{place}/guard")]}).digest
    guard = Guard.read("nf", snapshot.read(f"{place}/state", digest, "guard:nf"))
    assert guard.index.documents == ["a", "b"], "a document without text is none"
    assert guard.index.texts == ["Paris is in France.", "Owls hunt\nat night."]
    assert dict(zip(guard.queries, guard.relevant, strict=True)) == {
        "when do owls hunt": {1: 1},
        "where is paris": {0: 1},
    }


def test_a_hub_that_is_busy_is_asked_again_and_lists_of_documents_are_read(tmp_path):
    server = hub(qrels={"query-id": ["1"], "corpus-id": [["a", "b"]]})
    server.behaviour = "busy"
    with serving(server):
        done = mirror(server, tmp_path, revision=COMMIT)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "NFCorpus/qrels/test.tsv").read_text().splitlines()[1:] == ["1\ta\t1", "1\tb\t1"]


@pytest.mark.parametrize(
    ("behaviour", "arguments", "exit_code", "said"),
    [
        ("gated", {}, 2, "the Hub has no data set"),
        ("down", {}, 1, "HF_ENDPOINT"),
        ("damaged", {}, 1, "not what its commit says"),
        ("", {"revision": "f" * 40}, 2, "no such revision"),
        ("", {"offline": "1"}, 2, "HF_HUB_OFFLINE"),
        ("", {"names": ("nq",)}, 1, "another shape"),
        ("", {"names": ("nfcorpus", "nothing")}, 2, "NanoBEIR has no nothing"),
    ],
    ids=["gated", "down", "damaged", "no revision", "offline", "no table", "no benchmark"],
)
def test_what_goes_wrong_is_told_and_leaves_nothing(tmp_path, behaviour, arguments, exit_code, said):
    server = hub()
    server.behaviour = behaviour
    with serving(server):
        done = mirror(server, tmp_path, *arguments.pop("names", ()), **arguments)
    assert (done.returncode, list(tmp_path.iterdir())) == (exit_code, []), done.stderr
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr

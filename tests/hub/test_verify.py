"""A promoted revision is looked at anew: its files, what they are, and that it works."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from components.evaluation.parity import FILE
from components.hub.rollback import choose
from components.hub.verify import CHECKS, verify
from components.store.digests import canonical, file_digest
from components.store.errors import TouchstoneError
from components.store.models import ModelStore, Promotion, revision_of
from components.store.s3 import Folder
from components.store.stores import open_models
from tests.hub.test_parity import nudge
from tests.hub.test_publish import Line
from tests.servers.git_hub import GitHub


@pytest.fixture
def line(place: str, tmp_path: Path) -> Line:
    return Line(f"{place}/state", f"{place}/hub", tmp_path)


def told(store: ModelStore, promotion: Promotion, folder: Path) -> dict[str, str]:
    """What is said of a revision, by label."""
    folder.mkdir()
    return dict(verify(store, promotion, folder))


def kept(line: Line, folder: Path) -> str:
    """A folder's files as a revision, put there by somebody who can write to the bucket."""
    files = {path.name: {"sha256": file_digest(path), "bytes": path.stat().st_size} for path in folder.iterdir()}
    place = Folder(f"{line.hub}/revisions/{revision_of(files)}")
    for name in files:
        place.upload(name, folder / name)
    place.write("revision.json", canonical({"files": files}))
    return revision_of(files)


def test_every_check_is_told(line: Line, tmp_path: Path, fresh: None) -> None:
    first = line.publish("one").promotion
    lines = told(open_models(line.hub), choose(open_models(line.hub), None), tmp_path / "fetched")
    assert list(lines) == list(CHECKS)
    assert lines["files"].startswith(f"7 of revision {first.revision[:8]}, 0.0 MB")
    assert lines["fingerprint"] == f"{first.fingerprint[:8]}, as promoted on {first.at[:10]} as {first.version}"
    assert lines["parity"].endswith("of 43 texts, tolerance 0.0001")


def test_an_earlier_revision_is_found_by_its_name(line: Line, tmp_path: Path) -> None:
    first = line.publish("one").promotion
    line.publish("two", f"{line.hub}@{first.revision}")
    store = open_models(line.hub)
    assert choose(store, first.revision[:8]) == choose(store, first.version) == first
    assert first.fingerprint[:8] in told(store, first, tmp_path / "fetched")["fingerprint"]


def test_a_revision_on_the_hub_is_verified_alike(line: Line, tmp_path: Path, hub: GitHub) -> None:
    there = replace(line, hub="hf://org/model")
    there.publish("one")
    store = open_models(there.hub)
    assert list(told(store, choose(store, None), tmp_path / "fetched")) == list(CHECKS)
    with pytest.raises(TouchstoneError) as error:
        told(store, replace(choose(store, None), revision="0" * 40), tmp_path / "none")
    assert (error.value.code, error.value.exit_code) == ("MODEL_UNREADABLE", 1)


def script(folder: Path) -> None:
    (folder / "modeling.py").write_text("raise SystemExit")


def weights(folder: Path) -> None:
    body = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(body[:-1] + bytes([body[-1] ^ 1]))


def number(folder: Path) -> None:
    known = json.loads((folder / FILE).read_text())
    nudge(known)
    (folder / FILE).write_text(json.dumps(known))


def untold(folder: Path) -> None:
    (folder / FILE).unlink()


WRONG: dict[str, tuple[Callable[[Path], None], str, list[str]]] = {
    "code": (script, "UNSAFE_MODEL", ["files"]),
    "other weights": (weights, "MODEL_UNREADABLE", ["files", "intake"]),
    "another vector": (number, "NOT_SERVED_AS_TESTED", ["files", "intake", "fingerprint", "signature"]),
    "no parity texts": (untold, "NO_PARITY", ["files", "intake", "fingerprint", "signature"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_a_finding_after_what_is_right(line: Line, tmp_path: Path, case: str) -> None:
    change, code, right = WRONG[case]
    first, store, folder = line.publish("one").promotion, open_models(line.hub), tmp_path / "changed"
    told(store, first, folder)
    change(folder)
    forged, lines = replace(first, revision=kept(line, folder)), list[str]()
    (tmp_path / "fetched").mkdir()
    with pytest.raises(TouchstoneError) as error:
        for label, _ in verify(store, forged, tmp_path / "fetched"):
            lines.append(label)
    assert (error.value.code, error.value.exit_code, lines) == (code, 1, right)


def test_a_file_that_is_damaged_in_the_store_is_a_finding(line: Line, tmp_path: Path) -> None:
    first = line.publish("one").promotion
    Folder(line.hub).write(f"revisions/{first.revision}/model.safetensors", b"another")
    with pytest.raises(TouchstoneError, match="model.safetensors has another sha256") as error:
        told(open_models(line.hub), first, tmp_path / "fetched")
    assert error.value.exit_code == 1

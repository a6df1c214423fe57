"""`touchstone approve` on a run that waits: from the command line through the compiled pipeline to production."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from components.store.pull import pin
from components.store.s3_models import S3Models
from components.store.state import State
from pipelines import cli
from pipelines.approve import PASSPHRASE
from tests.gate.test_approval import ANN, BEN, public
from tests.hub.test_approved import WAIVED, Line, suspicious

INPUTS = {"snapshot": "5" * 64, "base": "models/base@1", "champion": "", "recipe": "7" * 64}


@pytest.fixture
def line(place: str, tmp_path: Path) -> Line:
    """A line where a suspicious candidate waits as the run `one`; its recipe and ann's key are in the folder."""
    made = Line(place, tmp_path)
    made.stage("one", found=suspicious(), config=WAIVED)
    made.put("one", "check", {"task": "RETRAIN", "inputs": INPUTS})
    made.put("one", "record", {"outcome": "AWAITING_APPROVAL"})
    recipe = {"name": "approval", "state": made.state, "target": made.hub, "base_model": "base"}
    recipe |= {"corpus": {"sources": [f"{place}/docs"]}, "pairs": {"judged": f"{place}/judged"}}
    recipe |= {"approval": {"approvers": {"ann": public(ANN), "ben": public(BEN)}}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    protected = ANN.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, BestAvailableEncryption(b"sesame"))
    (tmp_path / "key").write_bytes(protected)
    return made


def touchstone(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["touchstone", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_an_approval_brings_what_waits_into_production_once(
    line: Line, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(line.folder)
    monkeypatch.setenv(PASSPHRASE, "wrong")
    approve = ("approve", "recipe.yaml", "one", "--reason", "a new manual", "--key", "key")
    assert touchstone(monkeypatch, *approve) == 2
    assert S3Models(line.hub).head() is None and State(line.state).get("approvals/one.json") is None
    for outcome in ("PROMOTED", "ALREADY_PROMOTED"):
        monkeypatch.setenv(PASSPHRASE, "sesame")
        assert touchstone(monkeypatch, *approve) == 0, capsys.readouterr()
        assert State(line.state).get("runs/one/record.json")["outcome"] == outcome
    assert State(line.state).get("line.json") == INPUTS | {"champion": pin(line.hub)}, "nothing needs to be trained now"
    assert len(list(S3Models(line.hub).history())) == len(line.waivers()) == 1
    assert "a new manual" in Path("runs/latest/model/README.md").read_text()
    capsys.readouterr()
    assert touchstone(monkeypatch, "history", "recipe.yaml") == 0
    assert "HOLD_SUSPICIOUS" in (told := capsys.readouterr().out) and "waived by ann, run one, replaced nothing" in told
    secret = [path for path in Path("runs").rglob("*") if path.is_file() and b"sesame" in path.read_bytes()]
    assert not secret


def test_an_approval_that_was_tampered_with_is_refused_before_anything_runs(
    line: Line, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(line.folder)
    monkeypatch.setenv(PASSPHRASE, "sesame")
    line.approve("one", reason="something else")
    assert touchstone(monkeypatch, "approve", "recipe.yaml", "one", "--reason", "mine", "--key", "key") == 2
    assert "a signature that is not ann's" in capsys.readouterr().err
    assert S3Models(line.hub).head() is None and not Path("runs").exists()

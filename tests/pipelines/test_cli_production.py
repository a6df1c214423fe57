"""The commands about production as somebody types them: exit codes and what is told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from components.store.models import Promotion
from components.store.s3 import Folder
from pipelines import cli
from tests.hub.test_publish import Line
from tests.servers.embeddings_server import embeddings

Typed = Callable[..., tuple[int, str, str]]


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Run the command line in an empty folder; exit code, what is on the screen, what stderr says."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["touchstone", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


@pytest.fixture
def line(place: str, tmp_path: Path) -> Line:
    """A line whose recipe lies in the folder."""
    recipe = {"name": "test", "state": f"{place}/state", "target": f"{place}/hub", "base_model": "base"}
    recipe |= {"corpus": {"sources": [f"{place}/docs"]}, "pairs": {"judged": f"{place}/judged"}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return Line(f"{place}/state", f"{place}/hub", tmp_path / "models")


@pytest.fixture
def promoted(line: Line) -> Promotion:
    """What the line has in production: a small model."""
    return line.publish("one").promotion


def test_a_server_is_certified_against_what_is_in_production(line: Line, promoted: Promotion, typed: Typed) -> None:
    with embeddings(line.candidate("one").path, "openai") as served:
        code, shown, _ = typed("certify", served.address, "recipe.yaml")
    assert code == 0 and "CERTIFIED    127.0.0.1" in shown
    assert f"serves the model {promoted.fingerprint[:8]} as it was tested" in shown
    with embeddings(line.candidate("two").path, "openai") as served:
        code, shown, error = typed("certify", served.address, "recipe.yaml")
    assert code == 1 and "lowest cosine" in shown and "another model or revision" in error


def test_without_parity_texts_or_a_promotion_nothing_is_certified(line: Line, typed: Typed) -> None:
    code, _, error = typed("certify", "http://127.0.0.1:9", "recipe.yaml")
    assert (code, "nothing was ever promoted" in error) == (2, True)
    code, _, error = typed("certify", "http://127.0.0.1:9")
    assert (code, "parity.json cannot be used" in error, "Name the parity.json" in error) == (2, True, True)


def test_production_is_verified_and_a_name_it_never_had_is_not(line: Line, promoted: Promotion, typed: Typed) -> None:
    code, shown, _ = typed("verify", "recipe.yaml")
    assert code == 0 and f"VERIFIED     {line.hub}  revision {promoted.revision[:8]}" in shown
    assert typed("verify", "recipe.yaml", "v1999.01.01-1")[0] == 2
    Folder(line.hub).write(f"revisions/{promoted.revision}/model.safetensors", b"another")
    code, shown, error = typed("verify", "recipe.yaml", promoted.version)
    assert (code, "VERIFIED" in shown, "has another sha256" in error) == (1, False, True)

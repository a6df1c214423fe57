"""The commands about a cluster, as a person types them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from components.store.s3 import Folder
from pipelines import cli, images, kubeflow, kubeflow_errors
from tests.servers.kubeflow_api import kubeflow as serving

Told = Callable[..., tuple[int, str]]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Told:
    """Run a command; its exit code, and what it says."""
    monkeypatch.setattr(kubeflow, "SETTLE", 0.0)
    monkeypatch.setattr(kubeflow_errors, "PAUSE", 0.0)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["touchstone", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    return run


def recipe(folder: Path, place: str = "s3://tests/none", **cluster: str) -> str:
    """The demo's recipe on the tests' store."""
    values = yaml.safe_load(Path("recipes/demo.yaml").read_text())
    del values["local_s3"]
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(values | {"state": f"{place}/state", "target": f"{place}/hub", "cluster": cluster}))
    return str(path)


def test_a_run_is_submitted_once_and_a_schedule_is_kept(told: Told, tmp_path: Path) -> None:
    with serving() as server:
        path = recipe(tmp_path, host=server.address, schedule="0 3 * * 1")
        for word in ("started", "was there"):
            code, said = told("submit", path, "--run", "weekly", "--allow-tags")
            assert (code, said.split()[0]) == (0, word.split()[0]) and "weekly" in said
        assert "enabled touchstone-demo-" in told("schedule", path, "--allow-tags")[1]
        assert "nothing: it is as the recipe says" in told("schedule", path, "--allow-tags")[1]


def test_unpinned_images_are_refused_unless_allowed(
    told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loose = {name: name for name in images.NAMES}
    monkeypatch.setattr(images, "read", lambda _: images.Digests(bases=loose, images=loose))
    out = tmp_path / "made.yaml"
    code, said = told("compile", "recipes/multinode.yaml", "--output", str(out))
    assert code == 2 and "--allow-tags" in said and not out.exists()
    assert told("compile", "recipes/multinode.yaml", "--allow-tags", "--output", str(out))[0] == 0
    code, said = told("compile", "recipes/gpu.yaml", "--allow-tags", "--gitops", "--output", str(out))
    assert code == 0 and list(yaml.safe_load_all(out.read_text()))[1]["metadata"]["name"] in said


def test_a_user_sees_what_to_do_and_no_traceback(told: Told, tmp_path: Path) -> None:
    code, said = told("submit", recipe(tmp_path, host="http://127.0.0.1:9", schedule="0 3 31 2 *"), "--allow-tags")
    assert code == 1 and "ml-pipeline" in said and "Traceback" not in said
    code, said = told("schedule", recipe(tmp_path, host="http://127.0.0.1:9", schedule="0 3 31 2 *"), "--allow-tags")
    assert code == 2 and "never fires" in said


def test_the_status_of_a_line_is_told_to_people_and_monitors(told: Told, tmp_path: Path, place: str) -> None:
    Folder(place).write("state/line.json", b"{}")
    assert "last green" in told("status", recipe(tmp_path, place))[1]
    assert '"looks_left": 52' in told("status", recipe(tmp_path, place), "--json")[1]

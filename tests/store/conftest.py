"""What the store's tests share: a changed environment, and a model folder that a test may damage."""

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.store import hf_client
from components.store import s3 as door
from tests.servers.git_hub import OWNER, GitHub
from tests.servers.git_hub_faults import Script, serving

_numbers = itertools.count()


@pytest.fixture
def environment(s3, monkeypatch) -> Iterator[Callable[..., None]]:
    """Sets variables (None removes one) for a client made anew; afterwards the usual client comes back."""

    def change(**variables: str | None) -> None:
        for name, value in variables.items():
            monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
        door._client.cache_clear()

    yield change
    monkeypatch.undo()
    door._client.cache_clear()


@pytest.fixture
def model(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the small model; its weights are a hard link, so replace them, never write into them."""

    def copy(source: str, target: str) -> None:
        (os.link if source.endswith(".safetensors") else shutil.copyfile)(source, target)

    return Path(shutil.copytree(tiny_model, tmp_path / "model", copy_function=copy))


@pytest.fixture(scope="session")
def hub_server() -> Iterator[GitHub]:
    """A Hub that commits, one for all tests."""
    with serving(GitHub()) as server:
        yield server


@pytest.fixture
def hub(hub_server: GitHub, monkeypatch) -> GitHub:
    """The Hub as this process reaches it, with the owner's token and nothing that goes wrong."""
    hub_server.script, hub_server.large, hub_server.repositories = Script(), {}, {}
    for name, value in {"HF_ENDPOINT": hub_server.address, "HF_TOKEN": OWNER, "HF_HUB_OFFLINE": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(hf_client, "PAUSE", 0.01)
    return hub_server


@pytest.fixture
def hub_place(hub: GitHub) -> str:
    """`hf://org/<number>`, where nothing is yet."""
    return f"hf://org/model-{next(_numbers)}"

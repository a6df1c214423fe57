"""What the store's tests share: a changed environment, and a model folder that a test may damage."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.store import s3 as door


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

"""A recipe that is sent to a Kubeflow on loopback, by kfp's own client."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipelines import kubeflow, kubeflow_errors
from pipelines.cluster_config import ClusterConfig
from pipelines.compile import compile_recipe
from pipelines.recipe import Recipe, read
from tests.servers.kubeflow_api import Server

Line = Callable[..., Recipe]


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    """The demo's recipe for a server; nothing waits between tries, and nobody's own settings count."""
    monkeypatch.setattr(kubeflow_errors, "PAUSE", 0.01)
    monkeypatch.setattr(kubeflow, "SETTLE", 0.0)
    for name in ("ENDPOINT", "TOKEN", "COOKIE"):
        monkeypatch.delenv(f"KF_PIPELINES_{name}", raising=False)
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", "/nowhere")

    def made(server: Server | str | None = None, **cluster: Any) -> Recipe:
        if server:
            cluster["host"] = server if isinstance(server, str) else server.address
        return read(Path("recipes/demo.yaml")).model_copy(update={"cluster": ClusterConfig(**cluster)})

    return made


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's pipeline as a cluster gets it."""
    return compile_recipe(read(Path("recipes/demo.yaml")), tmp_path_factory.mktemp("package") / "pipeline.yaml")

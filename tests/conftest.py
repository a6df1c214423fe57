"""What the tests share: a real S3 server, a Hub on loopback, a place of its own for each test, a small real model."""

from __future__ import annotations

import importlib.util
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}

from components.store import hf_client
from components.store.events import OFFLINE
from components.store.s3 import Folder
from pipelines.s3_server import S3Server, running
from tests.servers.git_hub import OWNER, GitHub
from tests.servers.git_hub_faults import Script, serving

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A real S3 server; this process and its children reach it through the usual variables."""
    with running(tmp_path_factory.mktemp("s3")) as server, server.applied():
        Folder("s3://tests").ensure_bucket()
        yield server


@pytest.fixture
def place(s3: S3Server) -> str:
    """An empty `s3://tests/<number>` of the test's own."""
    return f"s3://tests/{next(_numbers)}"


@pytest.fixture(scope="session")
def hub_server() -> Iterator[GitHub]:
    """A Hub that commits, one for all tests."""
    with serving(GitHub()) as server:
        yield server


@pytest.fixture
def hub(hub_server: GitHub, monkeypatch: pytest.MonkeyPatch) -> GitHub:
    """The Hub as this process reaches it, with the owner's token and nothing that goes wrong."""
    hub_server.script, hub_server.large, hub_server.repositories = Script(), {}, {}
    for name, value in {"HF_ENDPOINT": hub_server.address, "HF_TOKEN": OWNER, "HF_HUB_OFFLINE": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(OFFLINE, raising=False)  # a step that another test ran in this process may have set it
    monkeypatch.setattr(hf_client, "PAUSE", 0.01)
    return hub_server


@pytest.fixture
def hub_place(hub: GitHub) -> str:
    """`hf://org/<number>`, where nothing is yet."""
    return f"hf://org/model-{next(_numbers)}"


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BERT-tiny (4.4M parameters, 128 dimensions) as a sentence-transformers folder with mean pooling."""
    return save_tiny_model(tmp_path_factory.mktemp("model") / "bert-tiny")


def save_tiny_model(folder: Path) -> Path:
    """Put BERT-tiny there."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    spec = importlib.util.find_spec("cognition")
    assert spec and spec.submodule_search_locations
    weights = str(Path(spec.submodule_search_locations[0]) / "model")
    transformer = modules.Transformer(weights)
    transformer.max_seq_length = 128
    pooling = modules.Pooling(transformer.get_embedding_dimension())
    SentenceTransformer(modules=[transformer, pooling], device="cpu").save_pretrained(
        str(folder), create_model_card=False
    )
    return folder


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their place: what gzip makes holds the time, and two workers must collect the same tests."""
    return argname if isinstance(val, bytes) else None

"""The workshop's documents, loaded and gathered once."""

from __future__ import annotations

import pytest

from components.corpus import snapshot
from components.corpus.config import ReadingConfig
from components.corpus.gather import gather
from components.corpus.load import load
from components.store.models import write_model
from tests.pairs.workshop import PLACE, PLACES, Setting, write_documents, write_judged


@pytest.fixture(scope="session")
def setting(s3, tiny_model, tmp_path_factory) -> Setting:
    work = tmp_path_factory.mktemp("mine")
    write_documents()
    write_judged()
    digest = snapshot.take(f"{PLACE}/state", PLACES).digest
    config = ReadingConfig(sources=PLACES["documents"])
    load(f"{PLACE}/state", digest, 0, config, work / "part")
    gather(f"{PLACE}/state", [work / "part"], config, work / "documents")
    write_model(work / "base", tiny_model, reference="base@1")
    return Setting(work / "documents", work / "base")

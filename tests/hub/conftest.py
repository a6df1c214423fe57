"""Served as tested, without the five seconds that a new process takes; `test_parity` starts the real ones."""

from __future__ import annotations

import pytest

from components.hub import parity
from components.hub.reproduce import reproduce


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """The script's own function in this process, unless a test asks for `fresh`."""
    if "fresh" not in request.fixturenames:
        monkeypatch.setattr(parity, "fresh", reproduce)


@pytest.fixture
def fresh() -> None:
    """A process of its own for each check, as outside the tests."""

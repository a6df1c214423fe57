"""What the corpus's tests share: events stay out of the output."""

import pytest


@pytest.fixture(autouse=True)
def quiet(monkeypatch, tmp_path_factory) -> None:
    monkeypatch.setenv("TOUCHSTONE_EVENTS", str(tmp_path_factory.getbasetemp() / "events"))

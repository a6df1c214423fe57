"""What a person sees."""

from __future__ import annotations

import io

import pytest

from pipelines import screen as screen_module
from pipelines.screen import Screen, duration


@pytest.mark.parametrize(("seconds", "text"), [(3.4, "3s"), (59.6, "1m 00s"), (108, "1m 48s"), (3725, "1h 02m")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_log_file_gets_whole_lines_without_cursor_tricks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen_module, "QUIET_SECONDS", 0)
    out = io.StringIO()
    screen = Screen(out)
    step = {"step": "train", "message": "loss 0.4", "seconds": 61.0}
    screen.event(step | {"event": "progress", "done": 5, "total": 10, "unit": "pairs", "rate": 2.0})
    screen.event(step | {"event": "note", "message": "10 steps"})
    screen.event(step | {"event": "end", "message": ""})
    assert out.getvalue().splitlines()[0] == "  train       5/10 pairs, 2 a second  loss 0.4"
    assert out.getvalue().splitlines()[1].split() == ["train", "10", "steps", "1m", "01s"]
    assert "\r" not in out.getvalue() and "\x1b" not in out.getvalue()

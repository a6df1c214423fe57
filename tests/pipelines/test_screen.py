"""What a person sees."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from components.gate.config import FreshConfig, GateConfig
from components.gate.decision import decide
from components.gate.verdict import Look
from pipelines import screen as screen_module
from pipelines.screen import Screen, draw_pairs, draw_verdict, duration
from tests.gate.cases import CLEAN, scores


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
    assert out.getvalue().splitlines()[0] == "  train        5/10 pairs, 2 a second  loss 0.4"
    assert out.getvalue().splitlines()[1].split() == ["train", "10", "steps", "1m", "01s"]
    assert "\r" not in out.getvalue() and "\x1b" not in out.getvalue()


def test_shards_are_told_as_one_line_when_all_are_loaded() -> None:
    out = io.StringIO()
    screen = Screen(out)
    load = {"event": "loaded", "step": "load", "message": "", "bytes": 3_000_000, "objects": 600}
    screen.event(load | {"time": 104.0, "seconds": 4.0, "parsed": 600})
    screen.event({"event": "start", "step": "load", "message": ""})
    screen.event(load | {"time": 110.0, "seconds": 5.0, "parsed": 0})
    assert not out.getvalue()
    screen.event({"event": "start", "step": "gather", "message": ""})
    screen.event({"event": "start", "step": "mine", "message": ""})
    (line,) = out.getvalue().splitlines()
    assert " ".join(line.split()) == "load 1,200 objects, 120 and 600.0 kB a second; 600 as in the last run 10s"


def test_pairs_are_told_by_source_with_the_log_and_the_proof() -> None:
    out = io.StringIO()
    sources = {"headings": {"made": 2_400, "dropped": {"COMMON_HEADING": 7}}, "logs": {"made": 10, "dropped": {}}}
    log = {"rows": 5_000, "used": 4_000, "dropped": {"BOT": 900, "BAD_POSITION": 100}, "few_clicks": 33}
    pairs = {"pairs": 2_410, "sources": sources, "log": log, "negatives": 40, "pairs_with_negatives": 10}
    judged = {"dev": 300, "sealed_queries": 1_300, "evidence": "logs", "dropped": {"NEAR_COPY_ADDED": 4}}
    proof = {"leaked": 0, "sealed_documents": 1_100, "anchors_left": 0, "bands": [1_000, 60, 40, 0], "near": 0}
    found = {"pairs": pairs, "judged": judged, "leakage": proof | {"retired": 1, "retired_share": 0.001}, "digest": "d"}
    draw_pairs(Screen(out), {"found": found, "seconds": 3.0, "peak_memory_bytes": 1e9, "log": "runs/x/log.jsonl"})
    told = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert "headings 2,400 kept; dropped: 7 COMMON_HEADING" in told
    assert "search log 5,000 rows, 4,000 used; dropped: 900 BOT, 100 BAD_POSITION; 33 clicked too seldom" in told
    assert "negatives 40, for 10 pairs" in told
    assert "judged 300 dev and 1,300 sealed queries (logs)" in told
    assert "leakage 0 of 1,100 judging documents are found in what trains, 0 of the sealed queries" in told
    assert "ancestors what the base was trained on is unknown: the base does not tell" in told


def test_a_hold_says_why_what_it_could_have_seen_and_what_would_help() -> None:
    out = io.StringIO()
    look = Look(number=3, alpha=0.05 / 52, left=49, year=2026, ledger_head="a" * 64, ledger_length=3)
    verdict = decide(scores(0.05, 0.004, deviation=0.3), CLEAN, look, GateConfig(), {})
    draw_verdict(Screen(out), verdict.as_json())
    text = out.getvalue()
    assert "HOLD_NOT_BETTER  gain against the champion +0.0040" in text
    assert f"would have seen a gain of {verdict.minimum_detectable_gain:+.3f} with 80% probability" in text
    assert "would help   More judged queries" in text
    assert "look 3 of 2026, 49 left" in text


def test_a_promotion_by_the_fresh_route_tells_its_parts_its_slices_and_the_warnings() -> None:
    newer = np.arange(2000) < 480
    found = scores(0.05, 0.004, queries=2000, per_cluster=1)
    found.values["champion"]["ndcg@10"] = np.where(newer, 0.51, 0.55)
    found.contenders["champion"] = replace(found.contenders["champion"], segments=1)
    look = Look(number=3, alpha=0.01, left=49, year=2026, ledger_head="a" * 64, ledger_length=3)
    rules = GateConfig(looks=5, fresh=FreshConfig())
    verdict = decide(replace(found, born=newer.astype(int).tolist()), CLEAN, look, rules, {})
    out = io.StringIO()
    draw_verdict(Screen(out), verdict.as_json())
    told = [" ".join(line.split()) for line in out.getvalue().splitlines()]
    assert any(line.startswith("PROMOTE better than the champion by +0.0400") for line in told)
    assert "on new documents: +0.040 against the champion (95% +0.040 to +0.040), 480 queries" in told
    assert "on all the others: +0.000 against the champion (95% +0.000 to +0.000), 1,520 queries" in told
    assert "slices: 0 harmed, 1 held, 1 too small to be assessed" in told
    assert [line.partition(" ")[2] for line in told if line.startswith("warning ")] == verdict.warnings != []


def test_a_harmed_slice_is_told() -> None:
    out = io.StringIO()
    look = Look(number=3, alpha=0.01, left=49, year=2026, ledger_head="a" * 64, ledger_length=3)
    draw_verdict(Screen(out), decide(scores(-0.05), CLEAN, look, GateConfig(looks=5), {}).as_json())
    told = out.getvalue()
    assert "slice service:s3 is harmed" in told and "slices: 1 harmed, 0 held, 1 too small" in told

"""Gathers the findings, draws the page, and leaves it as an artifact and on the run's record."""

from __future__ import annotations

from pathlib import Path

from components.report.findings import Findings
from components.report.page import page
from components.store.state import State


def publish(
    state: str,
    run: str,
    verdict: Path,
    candidate: Path,
    shown: Path,
    documents: Path,
    pairs: Path,
    judged: Path,
    leakage: Path,
    *,
    out: Path,
) -> None:
    """Write the page to `out` and to `runs/<run>/report.html` in the state."""
    found = Findings.read(
        run,
        verdict=verdict,
        candidate=candidate,
        shown=shown,
        documents=documents,
        pairs=pairs,
        judged=judged,
        leakage=leakage,
    )
    html = page(found).encode()
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(html)
    State(state).run(run).write("report.html", html)

"""Decides, and puts the case and the verdict on the run's record in the state, from where they can be replayed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.gate.config import GateConfig
from components.gate.files import Case, Evidence, write_verdict
from components.gate.verdict import Verdict
from components.store.digests import canonical
from components.store.errors import TouchstoneError
from components.store.state import State


def judge(state: str, run: str, config: GateConfig, evidence: Evidence, out: Path) -> Verdict:
    """Write the artifact `verdict` and the run's record of it.

    Raises:
        TouchstoneError: GATE_ERROR when the scores are no scores; the verdict is on record all the same.
    """
    record = State(state).run(run)
    with tempfile.TemporaryDirectory() as work:
        case = Case.collect(Path(work), evidence, config)
        verdict = case.verdict()
        for path in sorted(p for p in case.folder.rglob("*") if p.is_file()):
            record.upload(path.relative_to(case.folder).as_posix(), path)
    record.write("verdict.json", canonical(verdict.as_json()))
    write_verdict(out, verdict)
    if verdict.decision == "ERROR":
        raise TouchstoneError("GATE_ERROR", "the scores cannot be judged", found=verdict.reasons[0].text)
    return verdict

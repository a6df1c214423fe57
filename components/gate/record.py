"""Decides, and puts the case and the verdict on the run's record in the state, from where they can be replayed."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from components.gate.config import GateConfig
from components.gate.files import Case, Evidence, write_verdict
from components.gate.verdict import Verdict
from components.store.digests import canonical
from components.store.errors import TouchstoneError
from components.store.models import Model
from components.store.state import State

SEEN = 1.84
"""Standard errors of a gain that dev shows four times in five: one to be believed, and .84 for the power."""


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


def abstain(state: str, run: str, candidate: Path) -> dict[str, Any]:
    """Put on record why a run holds without having asked the sealed test: training found nothing that dev can see.

    Returns:
        decision, text, and what dev could have seen.
    """
    known = json.loads((Model.open(candidate).require("candidate").path / "training.json").read_bytes())
    untrained, error = known["dev"][0][1], known["dev_error"]
    text = f"training found nothing better than the base on dev (nDCG@10 {untrained:.3f}); no look was spent"
    seen = None if error is None else round(SEEN * error, 4)
    held = {"decision": "HOLD_NOT_BETTER", "text": text, "dev": known["dev"], "detectable": seen}
    State(state).run(run).write("held.json", canonical(held))
    return held

"""Decides, and puts the case and the verdict on the run's record in the state, from where they are replayed."""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path
from typing import Any

from components.gate import chain, ledger
from components.gate.config import GateConfig
from components.gate.files import Case, Evidence, read_verdict, replay, write_verdict
from components.gate.verdict import Verdict
from components.store.artifact import Artifact
from components.store.digests import canonical
from components.store.errors import TouchstoneError
from components.store.models import Model
from components.store.state import State

SEEN = 1.84
"""Standard errors of a gain that dev shows four times in five: one to be believed, and .84 for the power."""

_EVIDENCE = re.compile(r"(case|verdict)\.json|(scores|leakage)/[A-Za-z0-9_-]+\.[a-z]+")
"""What a verdict is decided on again, in a run's record."""


def judge(state: str, run: str, config: GateConfig, evidence: Evidence, out: Path) -> Verdict:
    """Write the artifact `verdict` and the run's record of it.

    Raises:
        TouchstoneError: GATE_ERROR when the scores are no scores; the verdict is on record all the same.
            LEDGER_BROKEN when the ledger does not hold the look; then nothing is on record.
    """
    _on_record(state, run, Artifact.open(evidence.look, "look").facts)
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


def recall(state: str, run: str) -> tuple[Verdict, str]:
    """The verdict on a run's record, decided again, and the digest that its artifact had.

    Raises:
        TouchstoneError: what `replay` raises when verdict and evidence do not belong together.
    """
    record = State(state).run(run)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "record"
        folder.mkdir()
        for name in (entry.key for entry in record.list() if _EVIDENCE.fullmatch(entry.key)):
            record.download(name, folder / name)
        write_verdict(Path(work) / "verdict", replay(folder))
        return read_verdict(Path(work) / "verdict")


def _on_record(state: str, run: str, facts: dict[str, Any]) -> None:
    """The ledger must hold the look that the verdict is about, and all that it held when others were told of it."""
    look = facts["look"]
    charged = chain.Mark(look["ledger_length"], look["ledger_head"], f"the verdict of run {run}")
    ledger.check(State(state), [charged, *chain.promotions(facts["champion"])])


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

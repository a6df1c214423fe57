"""Files of the gate: the permit that hands out the sealed test, the verdict, and its replay."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.evaluation import files as score_files
from components.gate import ledger
from components.gate.config import GateConfig
from components.gate.decision import decide
from components.gate.verdict import Look, Verdict
from components.pairs import judged, sealed
from components.pairs.leakage import Leakage
from components.store.artifact import Artifact, ArtifactWriter
from components.store.digests import canonical
from components.store.errors import TouchstoneError
from components.store.models import Model
from components.store.state import State


def unseal(state: str, run: str, candidate: Path, champion: str, judged_path: Path, looks: int, out: Path) -> Look:
    """Charge a look, then write the artifact `permit`: the sealed queries and the look."""
    digest = Artifact.open(judged_path, "judged").facts["sealed"]
    who = {"candidate": Model.open(candidate).require("candidate").fingerprint, "champion": champion}
    day = datetime.now(UTC).date().isoformat()
    look = ledger.charge(State(state), **who, sealed=digest, run=run, day=day, looks=looks)
    with tempfile.TemporaryDirectory() as work:
        queries = sealed.fetch(state, digest, Path(work))
    judged.write(out, "permit", queries, {"look": look.model_dump(), "sealed": digest}, {"sealed": digest})
    return look


@dataclass(frozen=True)
class Evidence:
    """The artifacts that a verdict rests on."""

    scores: Path
    leakage: Path
    permit: Path


@dataclass(frozen=True)
class Case:
    """What a verdict is decided on, as it lies in one folder: `scores/`, `leakage/`, `case.json`."""

    folder: Path

    @classmethod
    def collect(cls, folder: Path, evidence: Evidence, config: GateConfig) -> Case:
        """Put everything that `verdict` needs into `folder`."""
        shutil.copytree(evidence.scores, folder / "scores")
        shutil.copytree(evidence.leakage, folder / "leakage")
        look = Artifact.open(evidence.permit, "permit").facts["look"]
        (folder / "case.json").write_bytes(canonical({"look": look, "config": config.model_dump()}))
        return cls(folder)

    def verdict(self) -> Verdict:
        """Decide; the same folder gives the same verdict on every machine."""
        case = json.loads((self.folder / "case.json").read_bytes())
        scores, digest = score_files.read(self.folder / "scores")
        leakage = Artifact.open(self.folder / "leakage", "leakage")
        return decide(
            scores,
            Leakage(**leakage.facts),
            Look.parse(case["look"], where="case.json"),
            GateConfig.parse(case["config"], where="case.json"),
            scores.inputs | {"scores": digest, "leakage": leakage.digest},
        )


def write_verdict(path: Path, verdict: Verdict) -> None:
    """Write the artifact `verdict`: one JSON file."""
    with ArtifactWriter(path, "verdict", verdict.inputs) as out:
        out.file("verdict.json").write_bytes(canonical(verdict.as_json()))


def read_verdict(path: Path) -> tuple[Verdict, str]:
    """The verdict of an artifact, and its digest."""
    artifact = Artifact.open(path, "verdict")
    values = json.loads((artifact.path / "verdict.json").read_bytes())
    return Verdict.parse(values, where="verdict.json"), artifact.digest


def replay(folder: Path) -> Verdict:
    """Decide again from a run's folder and compare with the verdict kept there, byte by byte.

    Raises:
        TouchstoneError: REPLAY_DIFFERS, or BAD_ARTIFACT when the folder's files were changed.
    """
    if not (folder / "verdict.json").is_file():
        raise TouchstoneError("NO_VERDICT", f"{folder} holds no verdict", fix="Name a run that reached the gate.")
    verdict = Case(folder).verdict()
    if canonical(verdict.as_json()) != (folder / "verdict.json").read_bytes():
        found, expected = "another verdict", f"{verdict.decision} with these inputs"
        raise TouchstoneError("REPLAY_DIFFERS", f"{folder.name}/verdict.json", found=found, expected=expected)
    return verdict

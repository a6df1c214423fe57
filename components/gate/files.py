"""Files of the gate: the permit that hands out the sealed test, the look, the verdict, and its replay."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from components.evaluation import files as score_files
from components.evaluation.scores import CANDIDATE, CHAMPION
from components.gate import chain, generation, ledger
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


@dataclass(frozen=True)
class Unsealed:
    """Where the two artifacts of an opened test go: its queries, for `evaluate` alone, and the look, for `decide`."""

    permit: Path
    look: Path


def unseal(
    state: str, run: str, candidate: Path, champion: str, judged_path: Path, config: GateConfig, out: Unsealed
) -> Look:
    """Charge a look, then write the artifacts `permit` (the sealed queries) and `look`.

    Raises:
        TouchstoneError: LEDGER_BROKEN when the ledger is not the one that promotions and earlier looks were told of,
            LOOKS_EXHAUSTED; nothing is charged or revealed then.
    """
    facts = Artifact.open(judged_path, "judged").facts
    digest = facts["sealed"]
    who = {"candidate": Model.open(candidate).require("candidate").fingerprint, "champion": champion}
    day = datetime.now(UTC).date().isoformat()
    ledger.check(State(state), chain.promotions(champion))
    generation.settle(State(state))
    ledger.retire(State(state), queries=facts.get("retired", []), run=run, day=day)
    look = ledger.charge(State(state), **who, sealed=digest, run=run, day=day, config=config)
    with tempfile.TemporaryDirectory() as work:
        queries = sealed.fetch(state, digest, Path(work))
    judged.write(out.permit, "permit", queries, {}, {"sealed": digest})
    permit = Artifact.open(out.permit, "permit").digest
    with ArtifactWriter(out.look, "look", {"permit": permit}) as writer:
        writer.facts |= {"look": look.model_dump(), "sealed": digest} | who
    return look


@dataclass(frozen=True)
class Evidence:
    """The artifacts that a verdict rests on."""

    scores: Path
    leakage: Path
    look: Path


@dataclass(frozen=True)
class Case:
    """What a verdict is decided on, as it lies in one folder: `scores/`, `leakage/`, `case.json`."""

    folder: Path

    @classmethod
    def collect(cls, folder: Path, evidence: Evidence, config: GateConfig) -> Case:
        """Put everything that `verdict` needs into `folder`.

        Raises:
            TouchstoneError: WRONG_LOOK when the look was charged for another candidate, champion or test.
        """
        look = Artifact.open(evidence.look, "look")
        _charged(look, Artifact.open(evidence.scores, "scores"))
        shutil.copytree(evidence.scores, folder / "scores")
        shutil.copytree(evidence.leakage, folder / "leakage")
        (folder / "case.json").write_bytes(canonical({"look": look.facts["look"], "config": config.model_dump()}))
        return cls(folder)

    def verdict(self) -> Verdict:
        """Decide; the same folder gives the same verdict on every machine."""
        case = json.loads((self.folder / "case.json").read_bytes())
        scores, digest = score_files.read(self.folder / "scores")
        leakage = Artifact.open(self.folder / "leakage", "leakage")
        return decide(
            scores,
            Leakage.read(leakage),
            Look.parse(case["look"], where="case.json"),
            GateConfig.parse(case["config"], where="case.json"),
            scores.inputs | {"scores": digest, "leakage": leakage.digest},
        )


def _charged(look: Artifact, scores: Artifact) -> None:
    """The scores must be of the test, the candidate and the champion that the look was charged for."""
    contenders, expected = scores.facts["contenders"], look.facts["champion"]
    champion = expected if scores.facts["champion_problem"] else contenders.get(CHAMPION, {}).get("reference", "")
    same = {
        "test": scores.manifest["inputs"].get("permit") == look.manifest["inputs"]["permit"],
        "candidate": contenders.get(CANDIDATE, {}).get("fingerprint") == look.facts["candidate"],
        "champion": champion == expected,
    }
    if not all(same.values()):
        found = "another " + ", ".join(name for name, holds in same.items() if not holds)
        raise TouchstoneError("WRONG_LOOK", "the scores are not those that the look was charged for", found=found)


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

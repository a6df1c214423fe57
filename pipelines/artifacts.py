"""The artifacts that a line's runs left on this machine, found by what they hold; they lie there until `make clean`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.store.artifact import MANIFEST
from components.store.digests import digest
from components.store.errors import UserError
from pipelines import local

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Kept:
    """The manifests below a line's folder of work."""

    manifests: dict[Path, Manifest]

    @classmethod
    def of(cls, line: str) -> Kept:
        """All that the line's runs on this machine left."""
        found = sorted((local.WORK / "work" / line / "artifacts").resolve().glob(f"*/*/*/{MANIFEST}"))
        return cls({path.parent: json.loads(path.read_bytes()) for path in found})

    def find(self, what: str, wanted: Callable[[Manifest], bool]) -> Path:
        """The folder of an artifact.

        Raises:
            UserError: ARTIFACT_GONE.
        """
        for path, manifest in self.manifests.items():
            if wanted(manifest):
                return path
        fix = "Run the recipe again with --force, then name the new run."
        raise UserError("ARTIFACT_GONE", f"the run's {what} is not on this machine any more", fix=fix)


def of_run(run: Path, line: str) -> dict[str, Path]:
    """What a run that reached the gate was made of: documents, pairs, judged, passages, leakage, base, candidate.

    Args:
        run: The run's folder.
        line: The recipe's name.

    Raises:
        UserError: ARTIFACT_GONE, NO_VERDICT.
    """
    if not (run / "case.json").is_file():
        raise UserError("NO_VERDICT", f"{run} holds no verdict", fix="Name a run that reached the gate.")
    kept = Kept.of(line)
    proof, scores = (json.loads((run / name / MANIFEST).read_bytes()) for name in ("leakage", "scores"))
    weights = {name: known["fingerprint"] for name, known in scores["facts"]["contenders"].items()}
    leakage = kept.find("leakage proof", lambda known: known == proof)
    candidate = kept.find("candidate", lambda known: _model(known, weights["candidate"]) and "pairs" in known["inputs"])
    trained_on = kept.manifests[candidate]["inputs"]["pairs"]
    return {
        "base": kept.find("base", lambda known: _model(known, weights["base"])),
        "candidate": candidate,
        "documents": kept.find("documents", _named("documents", proof["inputs"]["documents"])),
        "pairs": kept.find("pairs", _named("pairs", trained_on)),
        "judged": leakage.with_name("judged"),
        "passages": leakage.with_name("passages"),
        "leakage": leakage,
    }


def _model(known: Manifest, fingerprint: str) -> bool:
    return bool(known["kind"] == "model" and known["facts"]["fingerprint"] == fingerprint)


def _named(kind: str, name: str) -> Callable[[Manifest], bool]:
    return lambda known: bool(known["kind"] == kind and digest(known) == name)

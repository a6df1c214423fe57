"""Where a model comes from, for machines: an in-toto statement with SLSA provenance, beside the weights.

Formats: https://in-toto.io/Statement/v1 and https://slsa.dev/provenance/v1. It is among the files that `model.sig`
signs. It names inputs by address and digest; it quotes none of them, and holds no clock time, so that a promotion that
is finished later is of the same bytes.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path
from typing import Any

from components.gate.verdict import Verdict
from components.store.addresses import split_reference
from components.store.digests import canonical
from components.store.intake import inspect
from components.store.signing import UNSIGNED
from components.store.state import State

FILE = "provenance.json"
IMAGE = "TOUCHSTONE_IMAGE"
"""The environment variable with the step's image, as the compiled pipeline has it."""
LIBRARIES = ("kfp", "sentence-transformers", "torch", "transformers")


def write_provenance(folder: Path, verdict: Verdict, verdict_digest: str, state: str, run: str) -> None:
    """Write `provenance.json` of the files in `folder`, all others being there already.

    Args:
        folder: The candidate, as it will ship.
        verdict: What promotes it.
        verdict_digest: The artifact's digest.
        state: The line's state, where the run's inputs are on record.
        run: The run that made it.
    """
    files = {name: one["sha256"] for name, one in inspect(folder).items() if name not in (*UNSIGNED, FILE)}
    subject = [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(files.items())]
    inputs = (State(state).get(f"runs/{run}/check.json") or {}).get("inputs", {})
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": _build(inputs, run),
            "runDetails": _details(verdict, verdict_digest, state, run),
        },
    }
    (folder / FILE).write_bytes(canonical(statement))


def _build(inputs: dict[str, str], run: str) -> dict[str, Any]:
    """What went in; a model is named by its revision, which is a digest of it."""
    models = [_model(role, inputs[role]) for role in ("base", "champion") if inputs.get(role)]
    listed = [{"name": "snapshot", "digest": {"sha256": inputs["snapshot"]}}] if inputs.get("snapshot") else []
    return {
        "buildType": "urn:touchstone:retrain:v1",
        "externalParameters": {"recipe": inputs.get("recipe", ""), "run": run},
        "internalParameters": {"libraries": {name: version(name) for name in LIBRARIES}},
        "resolvedDependencies": [*listed, *models, *_image()],
    }


def _model(role: str, reference: str) -> dict[str, Any]:
    address, revision = split_reference(reference)
    digest = {"gitCommit" if address.startswith("hf://") else "touchstoneRevision": revision}
    uri = address if "://" in address else Path(address).name
    return {"name": role, "uri": uri, "digest": digest}


def _image() -> list[dict[str, Any]]:
    """The image that this runs in; on a machine without one there is none to name."""
    reference = os.environ.get(IMAGE, "")
    _, at, digest = reference.partition("@sha256:")
    return [{"name": "image", "uri": reference} | ({"digest": {"sha256": digest}} if at else {})] if reference else []


def _details(verdict: Verdict, verdict_digest: str, state: str, run: str) -> dict[str, Any]:
    """Who built it, and the verdict as what the build yielded besides the model."""
    summary = verdict.model_dump(mode="json", include={"decision", "against", "gain", "interval", "p_value", "queries"})
    ledger = {"head": verdict.look.ledger_head, "length": verdict.look.ledger_length}
    told = {"name": "verdict", "digest": {"sha256": verdict_digest}, "annotations": summary | {"ledger": ledger}}
    return {
        "builder": {"id": "urn:touchstone:pipeline", "version": {"touchstone": version("touchstone")}},
        "metadata": {"invocationId": f"{state}/runs/{run}"},
        "byproducts": [told],
    }

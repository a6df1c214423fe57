"""Where a verdict comes from: what was judged, by which rules, and what is left of the sealed test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from components.gate.verdict import Verdict
from components.report import drawing
from components.report.findings import Findings

Facts = dict[str, Any]


def lineage(found: Findings) -> dict[str, Facts]:
    """Heading -> names and values, for everything that is no model."""
    verdict, training = found.verdict, found.training
    look = verdict.look
    record: Facts = {"run": found.run, "verdict": found.verdict_digest}
    record |= {"ledger head": look.ledger_head, "ledger length": look.ledger_length}
    taken = {name: training[name] for name in ("precision", "true_negatives")} | {"steps_taken": training["steps"]}
    return {
        "Digests of what was judged": record | verdict.inputs,
        "The gate's rules": dict(_flat(verdict.config)),
        "How the candidate was trained": training["config"] | taken,
        "Versions that trained it": training["versions"],
    }


def looks(verdict: Verdict) -> dict[str, Any]:
    """The year's looks: all, used up, left, and drawn."""
    look = verdict.look
    return {"all": look.number + look.left, "used": look.number, "drawn": drawing.budget(look.number, look.left)}


def _flat(config: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """Settings within settings by their full names."""
    for name, value in config.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, ", ".join(map(str, value)) if isinstance(value, list) else value

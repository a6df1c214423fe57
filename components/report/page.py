"""The report: one HTML file that loads nothing and runs no script. Of the sealed test it shows aggregates only."""

from __future__ import annotations

from math import inf, isfinite
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from components.evaluation.examples import EXCERPT, Example
from components.evaluation.scores import BM25, CANDIDATE, FUSED, HYBRID, METRICS, NAMES
from components.gate.decision import AHEAD
from components.gate.verdict import Verdict
from components.report import drawing, numbers
from components.report.findings import Findings
from components.report.gains import fresh_alone, picture
from components.report.lineage import lineage, looks
from components.report.rules import advice, rules
from components.report.slices import forest

SHOWN_EXAMPLES = 5

_NOT_FOUND = 101
"""The rank of what is not among the best 100."""

_HOLDS = {
    "ERROR": "Error, nothing was decided",
    "INSUFFICIENT_EVIDENCE": "Hold, too little evidence",
    "HOLD_CHAMPION_UNREADABLE": "Hold",
    "HOLD_CONTAMINATED": "Hold, training has seen part of the test",
    "HOLD_SUSPICIOUS": "Hold, suspiciously good",
    "HOLD_NOT_BETTER": "Hold, not proved better",
    "HOLD_GUARD": "Hold, a general benchmark may have got worse",
    "HOLD_SLICE": "Hold, a part of the queries is harmed",
}


def page(findings: Findings) -> str:
    """The whole page of a run that reached a verdict."""
    verdict = findings.verdict
    worse, better, counts = _examples(findings.examples)
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            found=findings,
            verdict=verdict,
            headline=headline(verdict),
            picture=picture(verdict),
            rules=list(rules(verdict, findings.leakage)),
            advice=list(advice(verdict)),
            models=[name for name in NAMES if name in verdict.models],
            fresh_alone=fresh_alone(verdict),
            slices=forest(verdict),
            worse=worse,
            better=better,
            counts=counts,
            curve=_curve(findings.training),
            looks=looks(verdict),
            lineage=lineage(findings),
        )
    )


def short_page(record: dict[str, Any]) -> str:
    """The page of a run that ended without a verdict, or whose own page could not be made.

    Args:
        record: `run`, `outcome`, `decision` (None without a verdict), `held` (decision, text, dev, detectable; or
            None), `error` (code, what, found, expected, fix, step; or None), `inputs` (name -> digest).
    """
    known = {key: record.get(key) or {} for key in ("error", "inputs", "held")}
    known |= {"headline": _ending(record["outcome"], known["error"], known["held"]), "decision": record.get("decision")}
    return _environment().get_template("short.html.j2").render(run=record["run"], outcome=record["outcome"], **known)


def headline(verdict: Verdict) -> str:
    """The decision as a sentence, with what needs no training and is better."""
    if verdict.decision != "PROMOTE":
        return f"{_HOLDS[verdict.decision]}: {verdict.reasons[0].text.removesuffix('.')}."
    new = verdict.fresh["fresh"] if verdict.route == "fresh" else None
    found = new or verdict.comparisons[verdict.against]
    low, high = (numbers.signed(end) for end in found["interval"])
    gain = f"better than the {verdict.against} by {numbers.signed(found['gain'])} nDCG@10 (95% {low} to {high})"
    where = f" on {numbers.count(new['queries'])} queries of new documents, no worse on the rest" if new else ""
    return "; ".join([f"Promote: {gain}{where}", *_untrained(verdict)]) + "."


def _untrained(verdict: Verdict) -> list[str]:
    """What anybody could serve, where it is better than the candidate."""
    served = FUSED[CANDIDATE] if verdict.serving == "hybrid" else CANDIDATE
    mine = verdict.models[served]["ndcg@10"]
    ahead = {name: verdict.models[name]["ndcg@10"] - mine for name in (BM25, HYBRID)}
    return [f"yet {NAMES[name]}, untrained, is better by {by:.3f}" for name, by in ahead.items() if by > AHEAD]


def _ending(outcome: str, error: dict[str, Any], held: dict[str, Any]) -> str:
    """How the run ended, as a sentence."""
    if held:
        return f"Held: {held['text']}."
    if outcome == "SKIPPED_UNCHANGED":
        return "Skipped: nothing has changed since the last run."
    if outcome != "FAILED":
        return f"The run ended as {outcome}; its full report could not be made."
    step = f" in step {error['step']}" if error.get("step") else ""
    return f"Failed{step}: {(error.get('what') or 'the cause is not on record').removesuffix('.')}."


def _environment() -> Environment:
    loader = PackageLoader("components.report", "templates")
    made = Environment(loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    shapes = (numbers.signed, numbers.fixed, numbers.count, numbers.small, numbers.percent, numbers.size, numbers.span)
    made.filters |= {shape.__name__: shape for shape in shapes}
    made.globals |= {"names": NAMES, "metrics": METRICS, "excerpt": EXCERPT}
    return made


def _examples(examples: list[Example]) -> tuple[list[Example], list[Example], dict[str, int]]:
    """The queries that lost most, those that won most, and how many lost, won, and stayed."""
    worse = sorted((one for one in examples if _change(one) < 0), key=_change)
    better = sorted((one for one in examples if _change(one) > 0), key=_change, reverse=True)
    counts = {"worse": len(worse), "better": len(better), "same": len(examples) - len(worse) - len(better)}
    return worse[:SHOWN_EXAMPLES], better[:SHOWN_EXAMPLES], counts


def _change(example: Example) -> float:
    """Difference of the reciprocal ranks: a place lost at the top weighs more than one at the bottom."""
    return 1 / (example.candidate_rank or _NOT_FOUND) - 1 / (example.base_rank or _NOT_FOUND)


def _curve(training: dict[str, Any]) -> dict[str, Any]:
    """Loss and dev nDCG@10 over the steps; the first dev score is the untrained base's."""
    dev = [(step, value) for step, value in training["dev"]]
    best = max((point for point in dev if isfinite(point[1])), key=lambda point: point[1], default=(0, inf))
    return {
        "loss": drawing.curve([(step, value) for step, value in training["loss"]], dots=False),
        "dev": drawing.curve(dev, dots=True),
        "untrained": dev[0][1] if dev else None,
        "best": best,
    }

"""The report: one HTML file that loads nothing and runs no script. Of the sealed test it shows aggregates only."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor, inf, isfinite, log10
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from scipy.special import ndtri

from components.evaluation.examples import EXCERPT, Example
from components.evaluation.scores import BASE, BM25, CANDIDATE, CHAMPION, HYBRID
from components.gate.decision import MAX_RETIRED
from components.gate.statistics import POWER
from components.gate.verdict import Verdict
from components.pairs.leakage import Leakage
from components.report import drawing
from components.report.findings import Findings

SHOWN_EXAMPLES = 5
SHOWN_SLICES = 25
NAMES = {CANDIDATE: "candidate", CHAMPION: "champion", BASE: "base", BM25: "BM25", HYBRID: "hybrid"}
"""How the models are called on the page, in the order they are shown in."""
METRICS = {"ndcg@10": "nDCG@10", "mrr@10": "MRR@10", "recall@10": "Recall@10", "recall@100": "Recall@100"}

_NOT_FOUND = 101
"""The rank of what is not among the best 100."""

_HOLDS = {
    "ERROR": "Error, nothing was decided",
    "INSUFFICIENT_EVIDENCE": "Hold, too little evidence",
    "HOLD_CHAMPION_UNREADABLE": "Hold",
    "HOLD_CONTAMINATED": "Hold, training has seen part of the test",
    "HOLD_NOT_BETTER": "Hold, not proved better",
    "HOLD_GUARD": "Hold, a general benchmark may have got worse",
}
_PROMISING = {"INSUFFICIENT_EVIDENCE", "HOLD_NOT_BETTER"}
"""More judged queries can change these."""


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
            headline=_headline(verdict),
            picture=_picture(verdict),
            rules=list(_rules(verdict, findings.leakage)),
            advice=list(advice(verdict)),
            models=[name for name in NAMES if name in verdict.models],
            slices=_slices(verdict),
            worse=worse,
            better=better,
            counts=counts,
            curve=_curve(findings.training),
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


def needed_queries(queries: int, error: float, alpha: float, gain: float) -> int | None:
    """How many judged queries would let the test tell a true gain from chance with 80% probability.

    The standard error shrinks with the square root of the queries, if new ones cluster like these:
    n = queries * ((z(1 - alpha) + z(0.8)) * error / gain)^2. It is about chance alone: the measured gain must reach
    the least gain besides.

    Args:
        queries: Judged queries now.
        error: Standard error of the gain now.
        alpha: Level of the test.
        gain: The true gain to be seen.

    Returns:
        The number; None when it says nothing (no spread, no gain asked for) or when there are enough already.
    """
    if not (0 < error < inf and gain > 0):
        return None
    needed = queries * (float(ndtri(1 - alpha) + ndtri(POWER)) * error / gain) ** 2
    return ceil(needed) if needed > queries else None


def _environment() -> Environment:
    loader = PackageLoader("components.report", "templates")
    made = Environment(loader=loader, undefined=StrictUndefined, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"signed": _signed, "fixed": _fixed, "count": _count, "small": _small}
    made.globals |= {"names": NAMES, "metrics": METRICS, "excerpt": EXCERPT}
    return made


def _headline(verdict: Verdict) -> str:
    """The decision as a sentence."""
    if verdict.decision == "PROMOTE" and verdict.interval:
        low, high = (_signed(end) for end in verdict.interval)
        return f"Promote: better than the {verdict.against} by {_signed(verdict.gain)} nDCG@10 (95% {low} to {high})."
    return f"{_HOLDS.get(verdict.decision, verdict.decision)}: {verdict.reasons[0].text.removesuffix('.')}."


def _picture(verdict: Verdict) -> dict[str, Any]:
    """The candidate's gain over every other model, drawn on one scale; empty when nothing was compared."""
    found = [(name, verdict.comparisons[name]) for name in NAMES if name in verdict.comparisons]
    if not found:
        return {}
    ends = [end for _, one in found for end in one["interval"]]
    scale, least = drawing.Scale.over([0, verdict.min_gain, *ends]), verdict.min_gain
    rows = [(name, one, _estimate(one), name in (CHAMPION, BASE)) for name, one in found]
    drawn = [(name, one, drawing.interval(scale, known, least, decides=decides)) for name, one, known, decides in rows]
    return {"rows": drawn, "needed": drawing.needed(scale, least), "axis": drawing.axis(scale)}


def _estimate(comparison: dict[str, Any]) -> tuple[float, float, float]:
    low, high = comparison["interval"]
    return low, comparison["gain"], high


def _rules(verdict: Verdict, leakage: Leakage) -> Iterator[tuple[str, str, str]]:
    """Every rule that the gate applied: what is measured, what was found, what is needed. None after an ERROR."""
    config = verdict.config
    if not verdict.comparisons:
        return
    yield "Sealed queries", _count(verdict.queries), f"{config['min_queries']:,.0f} or more"
    yield "Independent clusters of queries", _count(verdict.clusters), f"{config['min_clusters']:,.0f} or more"
    for name in (CHAMPION, BASE):
        if one := verdict.comparisons.get(name):
            yield f"Gain against the {name}", _signed(one["gain"]), f"{_signed(verdict.min_gain)} or more"
            chance = f"p, the chance of such a gain over the {name} by luck"
            yield chance, _small(one["p_value"]), f"{_small(verdict.alpha)} or less"
            differing = f"Clusters where candidate and {name} differ"
            yield differing, _count(one["differing"]), f"{config['min_differing']:,.0f} or more"
    seen = "Judging documents found in what was trained on"
    yield seen, f"{leakage.share:.1%}", f"{config['max_leakage']:.1%} or less"
    yield "Sealed queries that training asks too", _count(leakage.anchors_left), "none"
    retired = "Sealed queries retired, since their documents train now"
    yield retired, f"{leakage.retired_share:.1%}", f"{MAX_RETIRED:.0%} or less"
    for name, guard in verdict.guards.items():
        yield f"Guard {name}, lower bound", _signed(guard["lower_bound"]), f"above {_signed(-config['guard_margin'])}"


def advice(verdict: Verdict) -> Iterator[str]:
    """What would help, as far as the numbers say; nothing when they do not."""
    one = verdict.comparisons.get(verdict.against)
    if one is None or not one["standard_error"] or not _PROMISING & {reason.decision for reason in verdict.reasons}:
        return
    least = _signed(verdict.min_gain)
    if one["interval"][1] < verdict.min_gain:
        yield f"More judged queries of this kind would hardly help: the whole interval lies below the needed {least}."
        return
    needed = needed_queries(verdict.queries, one["standard_error"], verdict.alpha, verdict.min_gain)
    if needed is not None:
        now = f"{_count(verdict.queries)} now; {_count(_about(needed))} would tell a true gain of {least} from chance"
        yield f"More judged queries: {now} with {POWER:.0%} probability, if new ones vary like these."


def _about(number: int) -> int:
    """Two leading digits, rounded up: an estimate should look like one."""
    unit: int = 10 ** max(0, floor(log10(number)) - 1)
    return -(-number // unit) * unit


def _slices(verdict: Verdict) -> dict[str, Any]:
    """The largest slices with the candidate's gain over the base, and how many are left out."""
    largest = verdict.slices[:SHOWN_SLICES]
    gains = [one["models"][CANDIDATE] - one["models"][BASE] for one in largest]
    scale = drawing.Scale.over([0, *gains])
    rows = [(one, gain, drawing.bar(scale, gain)) for one, gain in zip(largest, gains, strict=True)]
    return {"rows": rows, "more": len(verdict.slices) - len(largest)}


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


def _signed(value: float | None, digits: int = 3) -> str:
    return f"{value:+.{digits}f}" if value is not None and isfinite(value) else "not measured"


def _fixed(value: float | None, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if value is not None and isfinite(value) else "not measured"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _small(value: float) -> str:
    """Two leading digits, without an exponent."""
    return f"{value:.{max(1, 1 - floor(log10(value)))}f}" if 0 < value < inf else f"{value}"

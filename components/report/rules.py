"""Every rule that the gate applied with what was found and what is needed; and what would help a run that held."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from math import inf, sqrt

from scipy.special import ndtri

from components.evaluation.scores import BASE, CHAMPION
from components.gate.contamination import FADED, LARGE
from components.gate.faults import MAX_RETIRED
from components.gate.harm import LOSS
from components.gate.statistics import POWER, provable
from components.gate.verdict import Verdict
from components.pairs.leakage import Leakage
from components.report.gains import fresh_alone
from components.report.numbers import about, count, percent, signed, small

Rule = tuple[str, str, str]
"""What is measured, what was found, what is needed."""

MOST = 1000
"""So many times the queries of now are looked at for what would be enough."""
FAR = ", far from training text"
_PROMISING = {"INSUFFICIENT_EVIDENCE", "HOLD_NOT_BETTER"}
"""More judged queries can change these."""


def rules(verdict: Verdict, leakage: Leakage) -> Iterator[Rule]:
    """All of them, in the order in which the gate asks; none after an ERROR."""
    if not verdict.comparisons:
        return
    yield from _evidence(verdict)
    for name in (CHAMPION, BASE):
        yield from _better(verdict, name, "", verdict.comparisons.get(name), verdict.min_gain)
    yield from _fresh(verdict)
    for name, one in verdict.far.get("comparisons", {}).items():
        new = name == CHAMPION and fresh_alone(verdict)
        least = verdict.config["fresh"]["min_gain"] if new else verdict.min_gain
        yield from _better(verdict, name, FAR, one, least)
    yield from _seen(verdict, leakage)
    for name, guard in verdict.guards.items():
        bound = signed(-verdict.config["guard_margin"])
        yield f"Guard {name}, lower bound", signed(guard["lower_bound"]), f"above {bound}"
    assessed = sum(one["status"] != "not assessed" for one in verdict.slices)
    harmed = sum(one["status"] == "harmed" for one in verdict.slices)
    yield (
        f"Slices that lose {LOSS} or more, and not by chance",
        f"{count(harmed)} of {count(assessed)} assessed",
        "none",
    )


def _evidence(verdict: Verdict) -> Iterator[Rule]:
    config = verdict.config
    what, least = "Independent clusters of queries", config["min_clusters"]
    if config["cluster"] == "source":
        what, least = "Sources, drawn whole", config["min_sources"]
    yield "Sealed queries", count(verdict.queries), f"{count(config['min_queries'])} or more"
    yield what, count(verdict.clusters), f"{count(least)} or more"
    needed = config["min_differing"] if config["cluster"] == "group" else config["min_sources"]
    for name in (CHAMPION, BASE):
        if one := verdict.comparisons.get(name):
            differing = f"Of these, where candidate and {name} differ"
            yield differing, count(one["differing"]), f"{count(needed)} or more"


def _better(verdict: Verdict, name: str, where: str, one: dict[str, float] | None, least: float) -> Iterator[Rule]:
    if not one:
        return
    gain, level = f"gain against the {name}{where}", f"{small(verdict.alpha)} or less"
    yield gain.capitalize(), signed(one["gain"]), f"{signed(least)} or more"
    yield f"p of the {gain}", small(one["p_value"]), level
    if FAR not in where:
        yield "The same, if large losses are there that the test has not met", small(one["p_free"]), level


def _fresh(verdict: Verdict) -> Iterator[Rule]:
    """The second way, where the recipe declares it and there was something new."""
    if not verdict.fresh:
        return
    config, new = verdict.config["fresh"], verdict.fresh["fresh"]
    where = ", on new documents"
    yield f"Sealed queries{where}", count(new["queries"]), f"{count(config['min_queries'])} or more"
    yield from _better(verdict, CHAMPION, where, new, config["min_gain"])
    if rest := verdict.fresh.get("rest"):
        bound = rest["gain"] - float(ndtri(1 - verdict.alpha)) * rest["standard_error"]
        yield "Lower bound against the champion, on all the others", signed(bound), f"above {signed(-config['margin'])}"


def _seen(verdict: Verdict, leakage: Leakage) -> Iterator[Rule]:
    """Has training seen the test?"""
    allowed = verdict.config["max_leakage"]
    seen = "Judging documents found in what was trained on"
    yield seen, percent(leakage.share, 1), f"{percent(allowed, 1)} or less"
    yield "Sealed queries that training asks too", count(leakage.anchors_left), "none"
    asked = "Sealed queries that the base or its ancestors were trained on"
    yield asked, count(leakage.asked_by_ancestors), f"{count(int(allowed * verdict.queries))} or fewer"
    retired = "Sealed queries retired, since their documents train now"
    yield retired, percent(leakage.retired_share, 1), f"{percent(MAX_RETIRED)} or less"
    base = verdict.comparisons[BASE]["gain"]
    if "gain" in verdict.far and base > 0:
        part = "Of the gain over the base, left on the third of the queries farthest from training text"
        needed = f"{percent(FADED)}, if it is above {percent(LARGE)} of the base's nDCG@10"
        yield part, percent(verdict.far["gain"] / base), needed


def advice(verdict: Verdict) -> Iterator[str]:
    """What would help, as far as the numbers say; nothing when they do not."""
    one = verdict.comparisons.get(verdict.against)
    if one is None or not one["standard_error"] or not _PROMISING & {reason.decision for reason in verdict.reasons}:
        return
    least = signed(verdict.min_gain)
    if one["interval"][1] < verdict.min_gain:
        yield f"More judged queries of this kind would hardly help: the whole interval lies below the needed {least}."
        return
    needed = needed_queries(verdict.queries, one["clusters"], one["standard_error"], verdict.alpha, verdict.min_gain)
    if needed is not None:
        now = f"{count(verdict.queries)} now; {count(about(needed))} would tell a true gain of {least} from chance"
        yield f"More judged queries: {now} with {POWER:.0%} probability, if new ones vary like these."


def needed_queries(queries: int, clusters: int, error: float, alpha: float, gain: float) -> int | None:
    """How many judged queries would let both tests tell a true gain from chance with 80% probability.

    The standard error shrinks with the square root of the queries, and the clusters grow with them, if new ones are
    like these. It is about chance alone: the measured gain must reach the least gain besides.

    Args:
        queries: Judged queries now.
        clusters: Independent ones among them.
        error: Standard error of the gain now.
        alpha: Level of the tests.
        gain: The true gain to be seen.

    Returns:
        The number; None when it says nothing (no spread, no gain asked for) or when there are enough already.
    """
    if not (0 < error < inf and gain > 0):
        return None

    def seen(count: int) -> bool:
        smaller = error * sqrt(queries / count)
        flipped = float(ndtri(1 - alpha) + ndtri(POWER)) * smaller
        return max(flipped, provable(round(clusters * count / queries), count, smaller, alpha)) <= gain

    most = MOST * queries
    needed = bisect_left(range(queries, most), True, key=seen) + queries
    return needed if queries < needed < most else None

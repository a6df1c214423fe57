"""The tables of the gate's benchmark, with what is asked and whether it is met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from benchmarks.calibrate_scores import Numbers
from benchmarks.gate_clustered import Level
from benchmarks.gate_leaks import Dose
from benchmarks.gate_power import GAINS, QUERIES
from benchmarks.gate_years import CONFIG, wilson

Cells = Sequence[tuple[float, int, Sequence[Sequence[float]]]]

AT_MOST, POWER, HELD = 0.06, 0.90, 0.99
"""What is asked: the upper bound of years with a false promotion, power at +.015, leaks of 5% held."""


def mark(good: bool) -> str:
    """Met or not."""
    return "met" if good else "MISSED"


def years(found: Mapping[tuple[str, str], tuple[Sequence[int], int]], looks: int) -> None:
    """False promotions by the year."""
    print(f"\n## {looks} retrainings a year that are no better: years with a false promotion\n")
    print("| differences | rule | years | 95% (Wilson) | promotions | refused of 52 / 104 | <= 5%, bound <= 6% |")
    print("|---|---|---|---|---|---|---|")
    for (what, rule), (counts, asked) in found.items():
        hits, trials = int(np.count_nonzero(counts)), len(counts)
        low, high = wilson(hits, trials)
        ours = rule.startswith("ours")
        refused = f"0 / {2 * looks - CONFIG.looks}" if ours else "0 / 0"
        verdict = mark(hits <= 0.05 * trials and high <= AT_MOST) if ours else ""
        told = f"{rule} ({asked} looks judged by `compare`)" if ours else rule
        share = f"{hits / trials:.1%} | {low:.1%}-{high:.1%} | {np.mean(counts):.2f}"
        print(f"| {what} | {told} | {share} | {refused} | {verdict} |")


def power(what: str, cells: Cells) -> None:
    """The grid: mean over pairs of models, and the worst pair; then each rule's part at the cell that is asked for."""
    known = {(gain, queries): np.array(rows) for gain, queries, rows in cells}
    print(f"\n## Power, {what}: level .05/52, champion and base; mean over pairs (worst pair)\n")
    print("| true gain | " + " | ".join(f"{queries:,} queries" for queries in QUERIES) + " |")
    print("|---" * (len(QUERIES) + 1) + "|")
    for gain in GAINS:
        print(f"| +{gain:g} | " + " | ".join(_cell(known.get((gain, queries), [])) for queries in QUERIES) + " |")
    rows = known[0.015, 1500]
    if len(rows):
        whole, flipped, least = rows.mean(axis=0)
        told = f"+.015, 1,500 queries: {whole:.1%}; without p_free {flipped:.1%}; the least gain alone {least:.1%}"
        print(f"\n{told}" + (f": asked 90%, {mark(whole >= POWER)}" if what == "minilm" else ""))


def _cell(rows: Numbers | Sequence[float]) -> str:
    first = np.array(rows)[:, 0] if len(rows) else None
    return "-" if first is None else f"{first.mean():.0%} ({first.min():.0%})"


def levels(found: Sequence[Level]) -> None:
    """Rejections in the parts of a level."""
    print("\n## Queries that hang together, nothing better in truth: rejections, in levels (the test alone)\n")
    print("| queries | inflation | judged by | at .05 | at .05/52 | keeps the level |")
    print("|---|---|---|---|---|---|")
    for one in found:
        times = {level: share / level for level, share in one.at.items()}
        ours = one.judged in {"sources", "documents"} and not (one.name.endswith("lean") and one.judged == "documents")
        verdict = mark(times[0.05] <= 1.05 and times[CONFIG.alpha] <= 1.3) if ours else "(not what is done)"
        cells = f"{times[0.05]:.2f} | {times[CONFIG.alpha]:.2f}"
        print(f"| {one.name} | {one.inflation:.1f} | {one.judged} | {cells} | {verdict} |")


def leaks(what: str, found: Sequence[Dose]) -> None:
    """Promotions without a detector, and what is held with it."""
    kinds = list(found[0].held)
    print(f"\n## A candidate no better ({what}) that trained on texts of part of the judging documents\n")
    print("| leaked | apparent gain | promoted without a detector | " + " | ".join(f"held: {k}" for k in kinds) + " |")
    print("|---" * (3 + len(kinds)) + "|")
    for one in found:
        held = " | ".join(f"{one.held[kind]:.1%}" for kind in kinds)
        print(f"| {one.share:.1%} | {one.gain:+.4f} | {one.promoted:.1%} | {held} |")
    five = next(one for one in found if one.share == 0.05)
    print("\n5% leaked: asked 99% held, " + ", ".join(f"{k} {mark(five.held[k] >= HELD)}" for k in kinds))

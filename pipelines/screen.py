"""What a person sees while a run works and when it has ended: plain words, one idea a line, no colour needed."""

from __future__ import annotations

import shutil
import time
from typing import Any, TextIO

from components.evaluation.scores import BASE, BM25, CANDIDATE, CHAMPION, FUSED, HYBRID, NAMES
from components.gate.verdict import Verdict
from components.pairs.leakage import Leakage
from components.report.gains import ON
from components.report.rules import advice
from components.store.models import Promotion

QUIET_SECONDS = 15
"""Without a terminal, progress is told this often at most."""
MODELS = (BASE, BM25, HYBRID, CHAMPION, FUSED[CHAMPION], CANDIDATE, FUSED[CANDIDATE])


def duration(seconds: float) -> str:
    """`48s`, `1m 48s`, `1h 02m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    return f"{whole // 60}m {whole % 60:02d}s" if whole < 3600 else f"{whole // 3600}h {whole % 3600 // 60:02d}m"


class Screen:
    """Draws events as they come; on a terminal the line of the running step is redrawn in place."""

    def __init__(self, out: TextIO) -> None:
        """Draw to `out`."""
        self.out, self.live = out, out.isatty()
        self._notes: dict[str, str] = {}
        self._loads: list[dict[str, Any]] = []
        self._drawn, self._told = False, time.monotonic()

    def line(self, label: str, text: str = "", took: float | None = None) -> None:
        """One finished line: label, text, time."""
        self._clear()
        end = f"  {duration(took):>8}" if took is not None else ""
        first, *rest = text.split("\n")
        self.out.write(f"  {label:<11}  {first:<72}{end}".rstrip() + "\n")
        for more in rest:
            self.out.write(f"  {'':<11}  {more}".rstrip() + "\n")
        self.out.flush()

    def text(self, text: str) -> None:
        """A line without a label."""
        self._clear()
        self.out.write(f"{text}\n")
        self.out.flush()

    def event(self, event: dict[str, Any]) -> None:
        """Draw what a step told."""
        step, message = str(event["step"]), str(event["message"])
        match event["event"]:
            case "plan" | "warning":
                self.line(str(event["event"]), message)
            case "note" if message:
                self._notes[step] = message
            case "progress":
                self._progress(step, event)
            case "loaded":
                self._loads.append(event)
            case "start" if self._loads and step != "load":
                self.line("load", _rate(self._loads), _span(self._loads))
                self._loads = []
            case "end" if self._notes.get(step):
                self.line(step, self._notes.pop(step), float(event["seconds"]))

    def _progress(self, step: str, event: dict[str, Any]) -> None:
        now = time.monotonic()
        if not self.live and now - self._told < QUIET_SECONDS:
            return
        self._told = now
        done = f"{event['done']:,}/{event['total']:,} {event['unit']}, {event['rate']:,.0f} a second"
        text = f"  {step:<11}  {done}  {event['message']}".rstrip()
        if self.live:
            self._clear()
            self.out.write(text[: shutil.get_terminal_size().columns - 1])
            self._drawn = True
        else:
            self.out.write(f"{text}\n")
        self.out.flush()

    def _clear(self) -> None:
        if self._drawn:
            self.out.write("\r\x1b[2K")
            self._drawn = False


def draw_verdict(screen: Screen, verdict: dict[str, Any]) -> None:
    """The models side by side, then the decision with its figures, and for a hold what would help."""
    screen.text(f"\n  {'':<20} {'nDCG@10':>8} {'MRR@10':>8} {'Recall@10':>10}")
    for name in MODELS:
        if name in verdict["models"]:
            screen.text(_row(name, verdict))
    screen.text("")
    first, *others = verdict["reasons"]
    screen.line(verdict["decision"], first["text"])
    for reason in others:
        screen.line("", reason["text"])
    _draw_parts(screen, verdict)
    if verdict["decision"] != "PROMOTE" and verdict["minimum_detectable_gain"] is not None:
        seen = f"{verdict['minimum_detectable_gain']:+.3f}"
        screen.line("", f"this test would have seen a gain of {seen} with 80% probability")
    for sentence in advice(Verdict.parse(verdict, where="verdict.json")):
        screen.line("would help", sentence)
    for warning in verdict["warnings"]:
        screen.line("warning", warning)
    screen.line("", f"look {verdict['look']['number']} of {verdict['look']['year']}, {verdict['looks_left']} left")


def _draw_parts(screen: Screen, verdict: dict[str, Any]) -> None:
    """The fresh route where the recipe declares it, the guards, and how many slices were looked at."""
    for part, where in ON.items():
        if found := verdict["fresh"].get(part):
            low, high = found["interval"]
            gain = f"{found['gain']:+.3f} against the champion (95% {low:+.3f} to {high:+.3f})"
            screen.line("", f"{where}: {gain}, {found['queries']:,} queries")
    for guard, found in sorted(verdict["guards"].items()):
        screen.line("", f"guard {guard} {found['gain']:+.3f} against the base (95% bound {found['lower_bound']:+.3f})")
    if statuses := [one["status"] for one in verdict["slices"]]:
        counts = f"{statuses.count('harmed')} harmed, {statuses.count('held')} held"
        screen.line("", f"slices: {counts}, {statuses.count('not assessed')} too small to be assessed")


def draw_held(screen: Screen, held: dict[str, Any]) -> None:
    """Why a run holds that never asked the sealed test."""
    screen.text("")
    screen.line(held["decision"], held["text"])
    if held["detectable"] is not None:
        screen.line("", f"dev would have shown a gain of {held['detectable']:+.3f} four times in five")


def draw_corpus(screen: Screen, record: dict[str, Any]) -> None:
    """What is in the sources: how much, in which languages and formats, what was rejected, how fast it went."""
    found = record["found"]
    lines = {
        "documents": f"{found['documents']:,} in {found['objects']:,} objects of {_size(found['bytes'])}",
        "duplicates": f"{found['duplicates']:,} exact, set aside; {found['near_duplicates']:,} near ones, grouped",
        "languages": _counts({name or "not told": count for name, count in found["languages"].items()}),
        "formats": _counts(found["media_types"]),
        "rejected": _counts(found["rejected"]),
        "personal": _counts(found["personal"]),
        "rate": _rate(record["loads"]),
        "digest": found["digest"],
    }
    _list(screen, lines, record)


def draw_pairs(screen: Screen, record: dict[str, Any]) -> None:
    """What would train, by source; what would judge; and the leakage proof."""
    pairs, judged, proof = (record["found"][name] for name in ("pairs", "judged", "leakage"))
    lines = {"pairs": f"{pairs['pairs']:,} kept"}
    for source, found in pairs["sources"].items():
        lines[source] = f"{found['made']:,} kept; dropped: {_counts(found['dropped'])}"
    if log := pairs["log"]:
        rows = f"{log['rows']:,} rows, {log['used']:,} used; dropped: {_counts(log['dropped'])}"
        lines["search log"] = f"{rows}; {log['few_clicks']:,} clicked too seldom"
    if "questions" not in lines:
        lines["questions"] = "none: the recipe names no language model (pairs.questions.writer)"
    if "negatives" in pairs:
        lines["negatives"] = f"{pairs['negatives']:,}, for {pairs['pairs_with_negatives']:,} pairs"
    lines["judged"] = f"{judged['dev']:,} dev and {judged['sealed_queries']:,} sealed queries ({judged['evidence']})"
    lines["counted"] = _counts(judged["dropped"])
    below = ("below .25", ".25 to .5", ".5 to .8", ".8 or more")
    leaked = f"{proof['leaked']:,} of {proof['sealed_documents']:,} judging documents are found in what trains"
    lines["leakage"] = f"{leaked}, {proof['anchors_left']:,} of the sealed queries"
    lines["ancestors"] = Leakage(**proof).inherited
    lines["bands"] = ", ".join(f"{count:,} {band}" for count, band in zip(proof["bands"], below, strict=True))
    lines["retired"] = f"{proof['retired']:,} queries ({proof['retired_share']:.1%})"
    lines["digest"] = record["found"]["digest"]
    _list(screen, lines, record)


def _list(screen: Screen, lines: dict[str, str], record: dict[str, Any]) -> None:
    """One line each, and how long it took."""
    screen.text("")
    for label, text in lines.items():
        screen.line(label, text)
    took, peak = duration(record["seconds"]), record["peak_memory_bytes"] / 1e9
    screen.text(f"\nDone in {took}, {peak:.1f} GB at the peak. Details: {record['log']}")


def _counts(found: dict[str, int]) -> str:
    """`1,204 en, 12 de`, most first."""
    ordered = sorted(found.items(), key=lambda one: (-one[1], one[0]))
    return ", ".join(f"{count:,} {name}" for name, count in ordered) or "none"


def _rate(loads: list[dict[str, Any]]) -> str:
    """Objects, and how many and how many bytes a second over all shards."""
    if not loads:
        return "nothing was loaded: the same objects as in an earlier run"
    took = max(_span(loads), 0.001)
    objects, size, parsed = (sum(one[name] for one in loads) for name in ("objects", "bytes", "parsed"))
    same = f"; {objects - parsed:,} as in the last run" if parsed < objects else ""
    return f"{objects:,} objects, {objects / took:,.0f} and {_size(size / took)} a second{same}"


def _span(loads: list[dict[str, Any]]) -> float:
    """Seconds from the first shard's start to the last one's end."""
    return float(max(one["time"] for one in loads) - min(one["time"] - one["seconds"] for one in loads))


def _size(count: float) -> str:
    """`3.2 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:,.0f} {unit}" if unit == "bytes" else f"{count:,.1f} {unit}"


def _row(name: str, verdict: dict[str, Any]) -> str:
    means = verdict["models"][name]
    row = f"  {NAMES[name]:<20} {means['ndcg@10']:>8.3f} {means['mrr@10']:>8.3f} {means['recall@10']:>10.3f}"
    judged = FUSED[CANDIDATE] if verdict["serving"] == "hybrid" else CANDIDATE
    if name != judged or verdict["gain"] is None:
        return row
    low, high = verdict["interval"]
    return f"{row}   {verdict['gain']:+.3f} against the {verdict['against']}, 95% {low:+.3f} to {high:+.3f}"


def describe(promotion: Promotion) -> str:
    """One line of the history: when, what, who or why, the verdict, and what it replaced."""
    known = promotion.verdict
    if promotion.restores:
        told = f"ROLLBACK  to {promotion.restores}: {promotion.reason}, replaced {promotion.replaces[:8]}"
        return f"{promotion.at[:16]}  {promotion.version:<15} {promotion.revision[:8]}  {told}"
    low, high = known["interval"]
    gain = f"{known['gain']:+.3f} against the {known['against']} ({low:+.3f} to {high:+.3f})"
    replaced = promotion.replaces[:8] or "nothing"
    head = f"{promotion.at[:16]}  {promotion.version:<15} {promotion.revision[:8]}  {known['decision']}"
    word = "approved" if known["decision"] == "PROMOTE" else "waived"
    approver = f", {word} by {promotion.approval['approver']}" if promotion.approval else ""
    return f"{head}  {gain}, {known['queries']:,} queries{approver}, run {promotion.run}, replaced {replaced}"

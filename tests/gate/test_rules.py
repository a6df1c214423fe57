"""The gate's single rules: the fresh route, what is served, what training has seen, alarms, slices, guards, sources."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from components.evaluation.scores import Contender, Scores
from components.gate.config import FreshConfig, GateConfig
from components.gate.decision import decide
from components.gate.verdict import Look, Verdict
from components.pairs.leakage import Leakage
from tests.gate.cases import CHAMPION_REFERENCE, CLEAN, NAMES, scores

LOOK = Look(number=3, alpha=0.01, left=49, year=2026, ledger_head="a" * 64, ledger_length=3)
FRESH = GateConfig(looks=5, fresh=FreshConfig())
KNOWN = 3
"""Segments of the split when the champion was trained."""


def judged(found: Scores, leakage: Leakage = CLEAN, **rules: Any) -> Verdict:
    return decide(found, leakage, LOOK, GateConfig(looks=5, **rules), found.inputs)


def decisions(verdict: Verdict) -> list[str]:
    return [reason.decision for reason in verdict.reasons]


def texts(verdict: Verdict) -> str:
    return "\n".join(reason.text for reason in verdict.reasons)


def grown(new: int, gain_new: float, gain_rest: float, base: float = 0.05, segments: int | None = KNOWN) -> Scores:
    """900 queries, the first `new` of them about documents that the champion never saw."""
    found = scores(base, 0.0, deviation=0.02, queries=900, per_cluster=1)
    where = np.arange(900) < new
    noise = found.values["candidate"]["ndcg@10"] - found.values["champion"]["ndcg@10"]
    noise = noise - np.where(where, noise[where].mean() if new else 0, noise[~where].mean())
    gains = np.where(where, gain_new, gain_rest) + noise
    found.values["champion"]["ndcg@10"] = found.values["candidate"]["ndcg@10"] - gains
    champion = Contender(CHAMPION_REFERENCE, "champion", segments)
    return replace(
        found,
        born=[KNOWN if fresh else KNOWN - 1 for fresh in where],
        contenders=found.contenders | {"champion": champion},
    )


@pytest.mark.parametrize(
    ("found", "decision", "route", "why"),
    [
        (grown(240, 0.03, 0.02), "PROMOTE", "whole", "better than the champion"),
        (grown(240, 0.03, 0.0), "PROMOTE", "fresh", "240 queries of new documents, no worse on the rest"),
        (grown(240, 0.019, 0.0), "HOLD_NOT_BETTER", None, "on new documents +0.0190"),
        (grown(240, 0.03, -0.012), "HOLD_NOT_BETTER", None, "it may have got worse on the documents the champion"),
        (grown(198, 0.03, 0.0), "HOLD_NOT_BETTER", None, "198 sealed queries are about documents new"),
        (grown(240, 0.03, 0.0, base=0.005), "HOLD_NOT_BETTER", None, "gain against the base +0.0050"),
        (grown(240, 0.03, 0.0, segments=None), "HOLD_NOT_BETTER", None, "does not tell which documents"),
    ],
)
def test_a_model_may_be_promoted_for_what_is_new(found: Scores, decision: str, route: str | None, why: str) -> None:
    verdict = decide(found, CLEAN, LOOK, FRESH, {})
    assert (verdict.decision, verdict.route) == (decision, route)
    assert why in texts(verdict)


def test_many_small_gains_do_not_prove_what_a_rare_loss_could_undo() -> None:
    few, many = (judged(scores(0.012, queries=queries, deviation=0.01)) for queries in (600, 1800))
    assert (few.decision, many.decision) == ("HOLD_NOT_BETTER", "PROMOTE")
    assert few.p_value is not None and few.p_value <= LOOK.alpha, "by symmetry it would be proved"
    assert "200 clusters are too few for so small a gain against the base" in texts(few)
    assert few.minimum_detectable_gain == pytest.approx(0.0138, abs=0.0005)


def test_two_routes_share_the_level_and_one_has_it_all() -> None:
    assert decide(grown(240, 0.03, 0.02), CLEAN, LOOK, FRESH, {}).alpha == LOOK.alpha / 2
    assert judged(grown(240, 0.03, 0.02)).alpha == LOOK.alpha
    assert judged(grown(240, 0.03, 0.0)).decision == "HOLD_NOT_BETTER", "no fresh route, since none is declared"


def test_what_production_serves_is_what_is_judged() -> None:
    found = scores(0.05, 0.03)
    for name in ("hybrid", "champion hybrid"):
        found.values[name]["ndcg@10"] = found.values["candidate hybrid"]["ndcg@10"].copy()
    assert judged(found).decision == "PROMOTE"
    assert judged(found, serving="hybrid").decision == "HOLD_NOT_BETTER", "fused, it ranks as the champion does"
    assert sorted(judged(found, serving="hybrid").comparisons) == ["base", "bm25", "champion"]


@pytest.mark.parametrize(("bm25", "told"), [(0.5599, False), (0.5601, True), (np.nan, False)])
def test_what_needs_no_training_and_is_better_stands_in_the_first_line(bm25: float, told: bool) -> None:
    found = scores(0.05)
    found.values["bm25"]["ndcg@10"] = np.full(600, bm25)
    verdict = judged(found)
    assert ("bm25, untrained, is better by 0.010" in verdict.reasons[0].text) == told
    assert verdict.decision == ("ERROR" if np.isnan(bm25) else "PROMOTE")


def covered(known: dict[int, float], **changed: Any) -> Leakage:
    return replace(CLEAN, coverage=dict(CLEAN.coverage) | {NAMES[i]: share for i, share in known.items()}, **changed)


def remembered(far_gain: float) -> Scores:
    """A gain of .05 that is `far_gain` on the last 300 queries, clusters whole."""
    found, near = scores(0.05), np.arange(600) < 300
    found.values["base"]["ndcg@10"] -= np.where(near, 0.05 - far_gain, far_gain - 0.05)
    return found


@pytest.mark.parametrize(
    ("found", "share", "expected"),
    [
        (remembered(0.05), 0.25, "PROMOTE"),
        (remembered(0.0), 0.25, "HOLD_CONTAMINATED"),
        (remembered(0.0), 0.24, "PROMOTE"),
        (remembered(0.05), float("nan"), "HOLD_CONTAMINATED"),
    ],
)
def test_the_gain_must_also_be_there_where_training_has_seen_little(found: Scores, share: float, expected: str) -> None:
    assert judged(found, covered(dict.fromkeys(range(300), share))).decision == expected


def test_coverage_that_is_not_known_or_high_everywhere_holds() -> None:
    assert judged(scores(0.05), replace(CLEAN, coverage={})).decision == "HOLD_CONTAMINATED"
    everywhere = covered(dict.fromkeys(range(600), 0.3))
    assert "no query is far from training" in texts(judged(scores(0.05), everywhere))


@pytest.mark.parametrize(("asked", "expected"), [(6, "PROMOTE"), (7, "HOLD_CONTAMINATED")])
def test_queries_that_an_ancestor_was_trained_on_count_as_documents_do(asked: int, expected: str) -> None:
    assert judged(scores(0.05), replace(CLEAN, asked_by_ancestors=asked)).decision == expected


def large(far_gain: float) -> Scores:
    """The base at .3, the candidate .25 better, on the farthest third by `far_gain`."""
    found, far = scores(0.25), np.arange(600) >= 400
    gain = np.where(far, far_gain, 0.375 - far_gain / 2)
    found.values["candidate"]["ndcg@10"] = found.values["base"]["ndcg@10"] + gain
    return found


@pytest.mark.parametrize(("far_gain", "expected"), [(0.126, "PROMOTE"), (0.124, "HOLD_SUSPICIOUS")])
def test_a_very_large_gain_must_not_fade_far_from_training(far_gain: float, expected: str) -> None:
    near = covered(dict.fromkeys(range(400), 0.2))
    verdict = judged(large(far_gain), near)
    assert verdict.decision == expected
    assert verdict.far["third"] == 200
    assert verdict.far["gain"] == pytest.approx(far_gain)
    told = any("people should look" in text for text in verdict.warnings)
    assert told == (expected == "PROMOTE")


def test_a_weak_gain_warns() -> None:
    assert "a weak gain: +4.8%" in judged(scores(0.025)).warnings[0]
    assert not any("weak" in text for text in judged(scores(0.055)).warnings)


def sliced(loss: float, queries: int = 120, deviation: float = 0.02) -> Scores:
    """A slice of some queries that loses; the others gain."""
    found, where = scores(0.05, deviation=deviation), np.arange(600) < queries
    found.values["base"]["ndcg@10"][where] += 0.05 - loss - (found.values["base"]["ndcg@10"][where].mean() - 0.5)
    return replace(found, slices=[["rare"] if inside else ["rest"] for inside in where])


@pytest.mark.parametrize(
    ("found", "decision", "status"),
    [
        (sliced(-0.021), "HOLD_SLICE", "harmed"),
        (sliced(-0.019), "PROMOTE", "held"),
        (sliced(-0.03, queries=21, deviation=0.2), "PROMOTE", "not assessed"),
        (sliced(-0.3, queries=19), "PROMOTE", "not assessed"),
    ],
)
def test_a_slice_is_harmed_held_or_not_assessed(found: Scores, decision: str, status: str) -> None:
    verdict = judged(found)
    assert {one["slice"]: one["status"] for one in verdict.slices}["rare"] == status
    assert verdict.decision == decision


def test_slices_that_the_recipe_names_are_assessed_and_missing_ones_are_told() -> None:
    verdict = judged(sliced(-0.05), slices=["rest", "unknown"])
    assert verdict.decision == "PROMOTE", "the harmed one was not named"
    assert [(one["slice"], one["status"]) for one in verdict.slices] == [("rest", "held"), ("unknown", "not assessed")]


def test_a_slice_too_small_to_show_has_no_figures() -> None:
    verdict = judged(sliced(0.05, queries=19))
    assert verdict.slices[-1] == {"slice": "rare", "queries": 19, "clusters": 7, "status": "not assessed"}


def test_a_guard_is_judged_against_the_base_and_reported_against_the_champion() -> None:
    found = scores(0.05, 0.03)
    found.guards["docstrings"] = {"base": np.full(50, 0.5), "champion": np.full(50, 0.6), "candidate": np.full(50, 0.5)}
    verdict = judged(found)
    assert verdict.decision == "PROMOTE"
    assert verdict.guards["docstrings"]["gain_over_champion"] == pytest.approx(-0.1)


def test_a_guard_that_an_equal_model_would_often_fail_is_called_underpowered() -> None:
    found, noise = scores(0.05), np.tile([-0.1, 0.1], 25)
    found.guards["docstrings"] = {"base": np.full(50, 0.5), "candidate": 0.55 + noise}
    assert "guard docstrings is underpowered: an equal model passes it with 68%" in "\n".join(judged(found).warnings)


def by_sources(count: int, shared: float) -> Scores:
    """Queries of `count` sources that share an effect, besides a gain of .05."""
    found = scores(0.05)
    effect = (np.arange(600) % count - (count - 1) / 2) * shared
    found.values["base"]["ndcg@10"] -= effect - effect.mean()
    return replace(found, sources=[f"s{i % count:02d}" for i in range(600)])


def test_the_claim_covers_only_the_sources_tested_unless_it_holds_by_source_too() -> None:
    spread, alike = judged(by_sources(12, 0.05)), judged(by_sources(12, 0.0))
    assert (spread.decision, alike.decision) == ("PROMOTE", "PROMOTE")
    assert any("the claim is about the sources tested" in text for text in spread.warnings)
    assert not any("the claim is about the sources tested" in text for text in alike.warnings)
    assert spread.by_source["base"]["clusters"] == spread.sources == 12


@pytest.mark.parametrize(("count", "expected"), [(19, "INSUFFICIENT_EVIDENCE"), (20, "PROMOTE")])
def test_whole_sources_can_be_what_is_drawn_by_chance(count: int, expected: str) -> None:
    verdict = judged(by_sources(count, 0.0), cluster="source")
    assert (verdict.decision, verdict.clusters) == (expected, count)


def test_a_giant_cluster_is_split_by_the_best_graded_document() -> None:
    found = scores(0.05)
    giant = ["giant"] * 60 + found.clusters[60:]
    verdict = judged(replace(found, clusters=giant))
    assert verdict.clusters == 200, "its queries keep the groups of their documents"
    assert "one cluster held 10% of the queries" in "\n".join(verdict.warnings)


def test_scores_without_an_age_or_a_fused_ranking_are_no_scores() -> None:
    found = scores(0.05)
    assert judged(replace(found, born=[])).decision == "ERROR"
    values = {name: of for name, of in found.values.items() if name != "candidate hybrid"}
    assert judged(replace(found, values=values)).decision == "ERROR"

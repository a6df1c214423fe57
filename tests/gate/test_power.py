"""What a sealed test could see, before anything is trained."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from components.gate import power, statistics
from components.gate.config import GateConfig
from components.gate.power import SealedTest
from components.pairs.leakage import Leakage


def shape(units: int, each: int) -> dict[str, int]:
    return {"units": units, "largest": each, "squares": units * each * each}


SHAPE = {"cluster": shape(600, 2), "group": shape(1_200, 1), "source": shape(60, 20)}
GOOD = SealedTest(1_200, SHAPE, Leakage(sealed_documents=600, near=0), {"docstrings": 675}, 52)


def foresee(test: SealedTest = GOOD, against: str = "base", before: Any = None, **config: Any) -> power.Power:
    return power.foresee(test, GateConfig(**config), against, before)


def verdict(error: float, effective: int, by_source: int) -> dict[str, Any]:
    def one(count: int) -> dict[str, Any]:
        return {"standard_error": error, "queries": 1_000, "effective": count}

    guard = {"gain": 0.0, "lower_bound": -0.01644854, "queries": 400}
    found = {"comparisons": {"champion": one(effective)}, "by_source": {"champion": one(by_source)}}
    return found | {"guards": {"docstrings": guard}, "config": {"cluster": "group"}}


def test_a_new_champion_is_harder_to_tell_apart_from_its_base_than_from_another_tuned_model():
    first, later = foresee(), foresee(against="champion")
    assert first.effective["group"] == round(1_200 / 1.485)
    assert later.effective == {"group": round(1_200 / 1.17), "source": round(1_200 / (1 + 19 * 0.007))}
    assert later.error == pytest.approx(0.095 / math.sqrt(1_200 / 1.17))
    assert first.detectable > 2 * later.detectable > 0
    proved = statistics.provable(600, later.queries, later.error, 0.05 / 52)
    assert later.detectable == pytest.approx(proved)
    assert proved > statistics.detectable(later.error, 0.05 / 52, 0.01)
    assert (first.never, later.never) == ([], [])
    assert "assumed" in first.told


def test_what_the_last_verdict_measured_is_scaled_to_todays_test():
    found = foresee(against="champion", before=verdict(0.004, 800, 250))
    assert found.effective == {"group": 960, "source": 300}
    assert found.error == pytest.approx(0.004 * math.sqrt(1_000 / 1_200))
    assert "last verdict measured" in found.told


def test_a_verdict_against_another_model_or_one_that_saw_no_difference_tells_nothing():
    assert "assumed" in foresee(against="base", before=verdict(0.004, 800, 250)).told
    assert "assumed" in foresee(against="champion", before=verdict(0.0, 1_000, 1_000)).told


def test_the_recipes_rule_decides_what_is_drawn():
    by_source = foresee(cluster="source")
    assert by_source.error == pytest.approx(0.313 / math.sqrt(1_200 / (1 + 19 * 0.028)))
    assert by_source.detectable >= foresee().detectable


def test_a_large_test_is_limited_by_the_least_gain_and_by_chance():
    counts = {"cluster": shape(60_000, 2), "group": shape(120_000, 1), "source": shape(60, 2_000)}
    found = foresee(replace(GOOD, queries=120_000, shape=counts), against="champion")
    assert found.detectable == pytest.approx(statistics.detectable(found.error, 0.05 / 52, 0.01))


def test_a_cluster_that_holds_much_of_the_test_is_split_as_the_verdict_splits_it():
    giant = SHAPE | {"cluster": {"units": 300, "largest": 100, "squares": 100_000}}
    assert foresee(replace(GOOD, shape=giant)).units["group"] == 1_200


def test_two_ways_to_be_promoted_share_the_level():
    assert foresee(fresh={}).alpha == pytest.approx(foresee().alpha / 2)


@pytest.mark.parametrize(
    ("test", "config", "why"),
    [
        (replace(GOOD, queries=599), {}, "it has 599 queries; needed 600"),
        (GOOD, {"min_clusters": 601}, "it has 600 independent groups; needed 601"),
        (GOOD, {"min_differing": 601}, "it has 600 independent groups; needed 601"),
        (GOOD, {"cluster": "source", "min_sources": 61}, "it has 60 sources; needed 61"),
        (replace(GOOD, looks=0), {}, "no look is left this year"),
        (
            replace(GOOD, leakage=replace(GOOD.leakage, evidence="mined")),
            {},
            "a language model wrote its queries, and gate.accept_mined is not set",
        ),
        (
            replace(GOOD, leakage=replace(GOOD.leakage, retired_share=0.06)),
            {},
            "6.0% of its queries were retired; allowed 5%",
        ),
        (
            replace(GOOD, leakage=replace(GOOD.leakage, leaked=7)),
            {},
            "training sees 1.2% of its documents; allowed 1.0%",
        ),
        (replace(GOOD, leakage=replace(GOOD.leakage, anchors_left=3)), {}, "training sees 3 of its queries"),
    ],
)
def test_a_test_that_can_never_promote_says_why(test, config, why):
    assert foresee(test, **config).never == [why]


def test_so_few_units_that_all_of_them_could_be_chance():
    few = SealedTest(9, {name: shape(9, 1) for name in SHAPE}, GOOD.leakage, {}, 52)
    rules = {"min_queries": 2, "min_clusters": 2, "min_differing": 1}
    assert foresee(few, **rules).never == [
        "9 independent groups that all spoke for the candidate could still be chance at the level 0.00096"
    ]
    assert foresee(few, **rules, looks=1).never == []


def test_a_gain_that_cannot_be_reached():
    few = SealedTest(9, {name: shape(9, 1) for name in SHAPE}, GOOD.leakage, {}, 52)
    found = foresee(few, min_queries=2, min_clusters=2, min_differing=1, looks=1, min_gain=0.99)
    assert found.never == [f"it would only find a gain of {found.detectable:.2f}, and nDCG@10 ends at 1"]


def test_questions_that_a_model_wrote_need_a_larger_gain():
    mined = replace(GOOD, leakage=replace(GOOD.leakage, evidence="mined"))
    assert foresee(mined, accept_mined=True).detectable >= 0.02 > 0


@pytest.mark.parametrize(("queries", "weak"), [(675, False), (100, True), (0, True)])
def test_a_guard_that_an_equal_model_often_fails_is_underpowered(queries, weak):
    known, chance = foresee(replace(GOOD, guards={"docstrings": queries})).guards["docstrings"]
    assert known == queries
    assert statistics.underpowered(chance) == weak


def test_a_guards_spread_is_the_last_verdicts_where_there_is_one():
    (_, assumed), (_, measured) = (foresee(before=b).guards["docstrings"] for b in (None, verdict(0.004, 800, 250)))
    error = 0.01 * math.sqrt(400 / 675)
    assert measured == statistics.chance_to_pass(error, 0.03)
    assert measured != assumed

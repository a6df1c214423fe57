from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from components.evaluation.scores import Scores
from components.gate.config import GateConfig
from components.gate.decision import decide
from components.gate.verdict import ORDER, Look, Verdict
from components.pairs.leakage import Leakage
from components.store.digests import canonical
from tests.gate.cases import CLEAN, scores

LOOK = Look(number=3, alpha=0.05 / 52, left=49, year=2026, ledger_head="a" * 64, ledger_length=3)
QUICK = GateConfig(looks=5)
"""A level of .01 needs few resamples."""

NOT_BETTER, FEW = "HOLD_NOT_BETTER", "INSUFFICIENT_EVIDENCE"


def judged(found: Scores, leakage: Leakage = CLEAN, config: GateConfig = QUICK) -> Verdict:
    return decide(found, leakage, LOOK, config, found.inputs)


def decisions(verdict: Verdict) -> list[str]:
    return [reason.decision for reason in verdict.reasons]


CASES = {
    "better than the base, nothing in production": (scores(0.05), ["PROMOTE"]),
    "better than champion and base": (scores(0.05, 0.05), ["PROMOTE"]),
    "better than the base, not than the champion": (scores(0.05, 0.0), [NOT_BETTER] * 2),
    "better than a champion that is worse than the base": (scores(0.0, 0.05), [NOT_BETTER] * 2),
    "worse, and so is its one large slice": (scores(-0.05), [NOT_BETTER] * 2 + ["HOLD_SLICE"]),
    "gain just below the least": (scores(0.0099, queries=1500, per_cluster=1), [NOT_BETTER]),
    "gain just at the least": (scores(0.01, queries=1500, per_cluster=1), ["PROMOTE"]),
    "a gain that needs more clusters than there are": (scores(0.022), [NOT_BETTER]),
    "gain that could be chance": (scores(0.012, deviation=0.3), [NOT_BETTER]),
    "a guard lost": (scores(0.05, guard=-0.0301), ["HOLD_GUARD"]),
    "a guard at the margin": (scores(0.05, guard=-0.03), ["HOLD_GUARD"]),
    "a guard just inside": (scores(0.05, guard=-0.0299), ["PROMOTE"]),
    "one query short": (scores(0.05, queries=599, per_cluster=2), [FEW]),
    "one cluster short": (scores(0.06, queries=600, per_cluster=4), [FEW]),
    "differing in 29 clusters": (scores(0.4, queries=1200, moved=3 * 29, deviation=0), [FEW]),
    "differing in 30 clusters": (scores(0.4, queries=1200, moved=3 * 30, deviation=0), ["PROMOTE"]),
    "differing from the champion in 29 clusters": (
        scores(0.4, 0.4, queries=1200, moved=3 * 29, deviation=0),
        [FEW] * 2,
    ),
    "the base's weights": (scores(0.0, same="base"), [NOT_BETTER]),
    "the champion's weights": (scores(0.05, 0.0, same="champion"), [NOT_BETTER]),
    "the base's weights, scored with noise": (scores(0.05, fingerprint="base"), [NOT_BETTER]),
    "the base's weights, saved anew": (scores(0.0, deviation=0), [NOT_BETTER]),
    "a champion that cannot be read": (scores(0.05, problem="a file is missing"), ["HOLD_CHAMPION_UNREADABLE"]),
    "everything wrong": (
        scores(-0.05, queries=300, problem="a file is missing", guard=-0.1),
        [FEW, FEW, "HOLD_CHAMPION_UNREADABLE", NOT_BETTER, NOT_BETTER, "HOLD_GUARD", "HOLD_SLICE"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_what_is_decided_and_why(case: str) -> None:
    found, expected = CASES[case]
    verdict = judged(found)
    assert decisions(verdict) == expected
    assert verdict.decision == expected[0]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"near": 4, "leaked": 4}, "PROMOTE"),
        ({"near": 5, "leaked": 5}, "HOLD_CONTAMINATED"),
        ({"covered": 5, "leaked": 5}, "HOLD_CONTAMINATED"),
        ({"anchors_left": 1}, "HOLD_CONTAMINATED"),
        ({"retired": 20, "retired_share": 0.05}, "PROMOTE"),
        ({"retired": 21, "retired_share": 0.0501}, "INSUFFICIENT_EVIDENCE"),
        ({"retired_share": float("nan")}, "INSUFFICIENT_EVIDENCE"),
        ({"evidence": "mined"}, "INSUFFICIENT_EVIDENCE"),
        ({"sealed_documents": 0}, "HOLD_CONTAMINATED"),
    ],
)
def test_a_hundredth_of_the_judging_documents_may_leak_and_it_must_have_been_measured(
    changed: dict[str, Any], expected: str
) -> None:
    assert judged(scores(0.05), replace(CLEAN, **changed)).decision == expected


def with_values(found: Scores, model: str, value: float) -> Scores:
    found.values[model]["ndcg@10"][17] = value
    return found


def without(found: Scores, model: str) -> Scores:
    return replace(found, values={name: values for name, values in found.values.items() if name != model})


def with_guard(found: Scores, **models: Any) -> Scores:
    return replace(found, guards={"docstrings": {name: np.array(values) for name, values in models.items()}})


BROKEN = {
    "no number": with_values(scores(), "candidate", np.nan),
    "no number of the base": with_values(scores(), "base", np.nan),
    "no number of the champion": with_values(scores(0.05, 0.05), "champion", np.nan),
    "infinite": with_values(scores(), "candidate", np.inf),
    "minus infinite": with_values(scores(), "base", -np.inf),
    "above 1": with_values(scores(), "candidate", 1.001),
    "below 0": with_values(scores(), "base", -0.001),
    "no candidate": without(scores(), "candidate"),
    "no base": without(scores(0.05, 0.05), "base"),
    "a query missing": replace(scores(), queries=scores().queries[:-1], clusters=scores().clusters[:-1]),
    "a query twice": replace(scores(), queries=["q0001", *scores().queries[1:]]),
    "no query": replace(scores(), queries=[], clusters=[]),
    "a guard of two lengths": with_guard(scores(), base=[0.5, 0.5, 0.5], candidate=[0.5, 0.5]),
    "a guard without candidate": with_guard(scores(), base=[0.5, 0.5]),
    "a guard without base": with_guard(scores(), champion=[0.5, 0.5], candidate=[0.5, 0.5]),
    "a guard without queries": with_guard(scores(), base=[], candidate=[]),
    "a guard of one query": with_guard(scores(), base=[0.5], candidate=[0.5]),
    "a guard that is no number": with_guard(scores(), base=[0.5, 0.5], candidate=[0.5, np.nan]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_scores_that_are_no_scores_are_an_error_and_nothing_is_computed(case: str) -> None:
    verdict = judged(BROKEN[case])
    assert set(decisions(verdict)) == {"ERROR"}
    assert (verdict.gain, verdict.p_value, verdict.comparisons, verdict.models) == (None, None, {}, {})


def test_reasons_come_in_the_order_that_names_the_decision() -> None:
    found = judged(CASES["everything wrong"][0], replace(CLEAN, near=40, leaked=40))
    places = [ORDER.index(name) for name in decisions(found)]
    assert places == sorted(places)
    assert "HOLD_CONTAMINATED" in decisions(found)


def test_equal_inputs_give_equal_bytes_whatever_the_order_of_models_and_guards() -> None:
    first, second = scores(0.05, 0.03), scores(0.05, 0.03)
    first.guards["a"] = second.guards["a"] = first.guards["docstrings"]
    turned = replace(
        second,
        values=dict(reversed(second.values.items())),
        guards=dict(reversed(second.guards.items())),
        contenders=dict(reversed(second.contenders.items())),
    )
    assert canonical(judged(turned).as_json()) == canonical(judged(first).as_json())


def test_the_verdict_carries_every_number() -> None:
    found = judged(scores(0.05, 0.05), config=GateConfig())
    assert (found.against, found.gain, found.alpha) == ("champion", 0.05, 0.05 / 52)
    assert found.p_value is not None and found.interval is not None and found.minimum_detectable_gain is not None
    assert found.p_value <= found.alpha / 100
    assert found.interval[0] < 0.05 < found.interval[1]
    assert 0.01 < found.minimum_detectable_gain < 0.05
    assert (found.queries, found.clusters, found.documents, found.looks_left) == (600, 200, 1200, 49)
    assert sorted(found.comparisons) == ["base", "bm25", "champion", "hybrid"]
    assert found.models["candidate"]["mrr@10"] == 0.55
    assert found.guards["docstrings"] == pytest.approx(
        {"base": 0.5, "candidate": 0.5, "gain": 0, "lower_bound": 0, "queries": 50, "chance_to_pass": 1}
    )
    assert found.config == GateConfig().model_dump(mode="json")

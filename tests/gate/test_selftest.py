"""What the self-test makes without a model: scaled rules, a slice that is harmed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from components.evaluation.scores import BASE, CANDIDATE, Scores
from components.gate.config import GateConfig
from components.gate.rehearsal import scaled
from components.gate.selftest import HARM, planted
from components.pairs.judged import Query
from tests.gate.cases import CLEAN, scores
from tests.gate.test_decision import judged

QUERIES = [Query(f"q{n:04d}", f"text {n}", (), {f"d{n}": 1}, f"c{n // 2}", "s3://b/docs") for n in range(94)]


def test_the_rules_that_count_are_scaled_to_the_queries_there_are():
    found = scaled(GateConfig(fresh={}, slices=["a"]), QUERIES)
    assert (found.min_queries, found.min_clusters, found.min_sources) == (94, 47, 1)
    assert found.min_differing == 5
    assert found.alpha == pytest.approx(0.05)
    assert (found.min_gain, found.slices, found.fresh) == (0.01, ["a"], None)
    assert found.guard_margin == pytest.approx(0.03 * 3**0.5)
    assert scaled(GateConfig(min_queries=50, min_clusters=10), QUERIES).min_queries == 50
    assert scaled(GateConfig(min_queries=6_000), QUERIES).min_differing == 5


def test_a_planted_slice_is_all_that_is_wrong():
    verdict = judged(planted(scores(0.2)))
    assert [reason.decision for reason in verdict.reasons] == ["HOLD_SLICE"]
    assert f"{-HARM:+.4f} against the base" in verdict.reasons[0].text


@pytest.mark.parametrize(("asked", "decision"), [("query: ", "PROMOTE"), ("Represent: ", "ERROR")])
def test_a_candidate_asked_by_other_prompts_than_its_base_is_an_error(asked, decision):
    def prompted(known: Scores, name: str, prompt: str) -> Scores:
        one = replace(known.contenders[name], prompts={"query": prompt, "document": ""})
        return replace(known, contenders=known.contenders | {name: one})

    found = judged(prompted(prompted(scores(0.2), BASE, "query: "), CANDIDATE, asked), CLEAN)
    assert found.decision == decision

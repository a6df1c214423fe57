"""Every reason and warning as people read it, word for word."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from components.evaluation.scores import Scores
from components.gate.decision import decide
from components.gate.verdict import Verdict
from tests.gate.cases import CLEAN, scores
from tests.gate.test_rules import FRESH, LOOK, by_sources, covered, grown, judged, large, remembered, sliced


def ahead(found: Scores) -> Scores:
    """BM25 and the hybrid are better than the candidate."""
    for name, value in (("bm25", 0.6), ("hybrid", 0.65)):
        found.values[name]["ndcg@10"] = np.full(600, value)
    return found


VERDICTS: dict[str, Verdict] = {
    "promoted over the champion": judged(scores(0.05, 0.05)),
    "promoted by the fresh route": decide(grown(240, 0.03, 0.0), CLEAN, LOOK, FRESH, {}),
    "not better by the fresh route": decide(grown(240, 0.019, 0.0), CLEAN, LOOK, FRESH, {}),
    "worse on the rest": decide(grown(240, 0.03, -0.012), CLEAN, LOOK, FRESH, {}),
    "few new": decide(grown(198, 0.03, 0.0), CLEAN, LOOK, FRESH, {}),
    "does not tell": decide(grown(240, 0.03, 0.0, segments=None), CLEAN, LOOK, FRESH, {}),
    "same": judged(scores(0.0, same="base")),
    "chance": judged(scores(0.012, deviation=0.3)),
    "too few clusters": judged(scores(0.012, deviation=0.01)),
    "few": judged(scores(0.4, queries=300, moved=60, deviation=0)),
    "sources": judged(by_sources(19, 0.0), cluster="source"),
    "mined": judged(scores(0.05), replace(CLEAN, evidence="mined", retired=21, retired_share=0.0501)),
    "unreadable": judged(scores(0.05, problem="a file is missing")),
    "leaks": judged(
        scores(0.05),
        replace(
            CLEAN, leaked=5, anchors_left=1, asked_by_ancestors=7, coverage=dict(list(CLEAN.coverage.items())[:590])
        ),
    ),
    "not measured": judged(scores(0.05), replace(CLEAN, sealed_documents=0)),
    "far": judged(remembered(0.0), covered(dict.fromkeys(range(300), 0.25))),
    "everywhere": judged(scores(0.05), covered(dict.fromkeys(range(600), 0.3))),
    "suspicious": judged(large(0.124), covered(dict.fromkeys(range(400), 0.2))),
    "slice": judged(sliced(-0.05)),
    "guard": judged(scores(0.05, guard=-0.0301)),
    "untrained": judged(ahead(scores(0.05))),
}


TOLD = yaml.safe_load((Path(__file__).parent / "told.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", VERDICTS)
def test_what_is_told_word_for_word(case: str) -> None:
    verdict = VERDICTS[case]
    told = [f"{reason.decision}: {reason.text}" for reason in verdict.reasons]
    told += [f"warning: {text}" for text in verdict.warnings if "by source" not in text]
    assert told == TOLD[case]

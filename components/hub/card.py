"""The model card: what was trained on, measured and decided, in numbers; it quotes no document and no query.

It is written when the verdict is out, and is the same whether the model is promoted at once or waits: an approval is
one section more. No slice is named either, for a label may say what the documents are about.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub.repocard_data import EvalResult, ModelCardData
from jinja2 import Environment, PackageLoader, StrictUndefined

from components.evaluation.scores import BASE, CANDIDATE, FUSED, METRICS, NAMES
from components.gate.approval import Approval
from components.gate.statistics import POWER
from components.gate.verdict import Verdict
from components.hub.declared import Declared
from components.store.addresses import on_hub, split_reference
from components.store.licence import LISTED, UNKNOWN, inherited

NAME = "README.md"
TRAINING = ("documents", "logs", "general")
"""Roles of what is trained on: their licences go on to the model; those of what judges do not."""


@dataclass(frozen=True)
class Card:
    """What the card of one candidate tells.

    Attributes:
        training: The candidate's `training.json`.
    """

    verdict: Verdict
    verdict_digest: str
    training: dict[str, Any]
    declared: Declared

    def write(self, folder: Path) -> None:
        """Put the card into the candidate's folder."""
        known = {"verdict": self.verdict, "digest": self.verdict_digest, "training": self.training}
        known |= {"declared": self.declared, "front": self.front().to_yaml(), "served": self.served}
        known |= {"slices": self._slices(), "names": NAMES, "metrics": METRICS, "power": POWER, "unknown": UNKNOWN}
        (folder / NAME).write_text(_template("card.md.j2").render(known), encoding="utf-8")

    @property
    def served(self) -> str:
        """What production would serve: the candidate, or the candidate fused with BM25."""
        return FUSED[CANDIDATE] if self.verdict.serving == "hybrid" else CANDIDATE

    def front(self) -> ModelCardData:
        """What the Hub reads, and checks before it takes a commit: a licence that it does not list is named `other`."""
        address = split_reference(self.verdict.contenders[BASE]["reference"])[0]
        data = [one for role in TRAINING for one in self.declared.licences.get(role, [])]
        licence = inherited(self.training["base_licence"], data)
        listed = licence.lower() in LISTED
        name = "".join(letter if letter.isalnum() else "-" for letter in licence.lower()).strip("-")
        return ModelCardData(
            model_name=self.declared.name,
            base_model=address.removeprefix("hf://") if on_hub(address) else None,
            license=None if licence == UNKNOWN else licence.lower() if listed else "other",
            license_name=None if listed or licence == UNKNOWN else name,
            library_name="sentence-transformers",
            pipeline_tag="sentence-similarity",
            tags=["sentence-transformers", "feature-extraction", "retrieval"],
            eval_results=[*self._measured(), *self._guarded()],
        )

    def _measured(self) -> Iterator[EvalResult]:
        """The sealed test's means, and beside nDCG@10 the gains that were tested."""
        verdict = self.verdict
        gains = {
            NAMES[other]: {"gain": round(one["gain"], 3), "interval_95": [round(end, 3) for end in one["interval"]]}
            for other, one in verdict.comparisons.items()
        }
        for metric, name in METRICS.items():
            yield EvalResult(
                task_type="information-retrieval",
                task_name="Information Retrieval",
                dataset_type="sealed-queries",
                dataset_name=f"Sealed queries of {self.declared.name}",
                dataset_args={"queries": verdict.queries, "passages": verdict.passages},
                metric_type=metric,
                metric_name=name if self.served == CANDIDATE else f"{name}, fused with BM25",
                metric_value=round(verdict.models[self.served][metric], 3),
                metric_args={"gains": gains} if metric == "ndcg@10" else None,
            )

    def _guarded(self) -> Iterator[EvalResult]:
        for name, found in self.verdict.guards.items():
            yield EvalResult(
                task_type="information-retrieval",
                task_name="Information Retrieval",
                dataset_type=name,
                dataset_name=f"Guard {name}",
                dataset_args={"queries": int(found["queries"])},
                metric_type="ndcg@10",
                metric_name=METRICS["ndcg@10"],
                metric_value=round(found[CANDIDATE], 3),
            )

    def _slices(self) -> dict[str, Any]:
        """How many of each status, and the gains of those that were assessed, lowest first."""
        found = self.verdict.slices
        counts = {status: sum(one["status"] == status for one in found) for status in ("held", "harmed")}
        gains = sorted(one["gain"] for one in found if one["status"] != "not assessed")
        return {"all": len(found), "gains": gains, **counts}


def describe(folder: Path, verdict: Verdict, verdict_digest: str, declared: Declared) -> None:
    """Write the card of the candidate in a folder."""
    training = json.loads((folder / "training.json").read_bytes())
    Card(verdict, verdict_digest, training, declared).write(folder)


def approve(folder: Path, approval: Approval) -> None:
    """Have the card in a folder tell who approved what it describes."""
    with (folder / NAME).open("a", encoding="utf-8") as card:
        card.write(_template("approval.md.j2").render(approval=approval))


def _template(name: str) -> Any:
    # A card is Markdown and holds numbers and our own sentences; what a person wrote is escaped where it stands.
    loader = PackageLoader("components.hub", "templates")
    made = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True)  # noqa: S701
    return made.get_template(name)

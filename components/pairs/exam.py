"""What judges: people's judgements, else the held-out part of the logs, else questions that a language model wrote.

The best source that the recipe names is used, alone: an average over good and poor questions is a poor question.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from components.corpus import snapshot
from components.pairs import clicks, judged, questions, split
from components.pairs.config import PairsConfig, QuestionsConfig, Side
from components.pairs.judged import Query
from components.pairs.leakage import hidden
from components.pairs.logs import Aggregated, aggregate
from components.pairs.material import Material, near, uris
from components.store.artifact import Artifact
from components.store.errors import UserError

JUDGING: tuple[Side, ...] = ("dev", "sealed")


@dataclass(frozen=True)
class Exam:
    """The judged queries of a run.

    Attributes:
        evidence: Where they come from: judged (people), logs, mined.
        queries: All that are known before the documents have sides.
        dropped: Judgements, queries and near-copies, counted by reason.
    """

    evidence: str
    queries: list[Query]
    dropped: Counter[str]


def known(
    config: PairsConfig, state: str, digest: str, log: Aggregated | None, named: Mapping[str, str], artifact: Artifact
) -> Exam:
    """The queries that are there before the split, near-copies of what is relevant added.

    Args:
        config: The recipe's section.
        state: The line's state.
        digest: The snapshot's digest.
        log: The search log, if there is one.
        named: Every name of a document -> its id.
        artifact: The documents.

    Raises:
        UserError: BAD_JUDGED_QUERIES.
    """
    dropped: Counter[str] = Counter()
    if config.judged:
        found, evidence = judged.parse(snapshot.read(state, digest, "judged"), named, dropped), "judged"
    elif log and config.logs and config.logs.held_out:
        found, evidence = clicks.queries(log.clicked()), "logs"
    else:
        return Exam("mined", [], dropped)
    return Exam(evidence, judged.with_copies(found, near(artifact), dropped), dropped)


def sat(exam: Exam, material: Material, config: QuestionsConfig, state: str) -> dict[Side, list[Query]]:
    """The queries of each side, with what the split knows of them.

    Raises:
        UserError: NO_JUDGED_QUERIES when none judges on the dev or the sealed side.
    """
    found = exam.queries
    if exam.evidence == "mined":
        found = _mined(material, config, state, exam.dropped)
    clustered = split.clusters(found, material.split, uris(material.artifact))
    sides = split.by_side(clustered, material.split.sides, exam.dropped)
    for side in JUDGING:
        known = sides.get(side, [])
        sides[side] = [query for query in known if hidden(query.id) not in material.split.burnt]
        exam.dropped["JUDGED_AN_EARLIER_GENERATION"] += len(known) - len(sides[side])
        if not sides.get(side):
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in sorted((+exam.dropped).items()))
            fix = "Add judged queries whose documents are in the corpus, or change pairs.shares."
            raise UserError("NO_JUDGED_QUERIES", f"no judged query on the {side} side", found=reasons, fix=fix)
    return sides


def _mined(material: Material, config: QuestionsConfig, state: str, dropped: Counter[str]) -> list[Query]:
    """Questions about the documents of both sides that judge."""
    asked = config.judge or config.writer
    assert asked is not None, "the recipe was checked"
    written = [
        query for side in JUDGING for query in questions.queries(material.cut(side), config, asked, state, dropped)
    ]
    return judged.with_copies(written, near(material.artifact), dropped)


def read_log(config: PairsConfig, state: str, digest: str, named: Mapping[str, str], work: Path) -> Aggregated | None:
    """The search log in numbers, if the recipe names one.

    Raises:
        UserError: MISSING_COLUMN, BAD_LOGS.
    """
    return aggregate(snapshot.read(state, digest, "logs"), named, config.logs, work) if config.logs else None

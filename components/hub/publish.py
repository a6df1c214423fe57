"""Promotion: publish the weights under their immutable revision, then move the pointer if it still stands still.

Safe to run again at any point: the promotion's id is made of candidate, verdict and the champion it was judged
against; a retry finds its own id in the history and changes nothing, so it never undoes a rollback.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from components.gate.files import read_verdict
from components.gate.verdict import Verdict
from components.hub.card import write_card
from components.store.digests import canonical, digest
from components.store.errors import TouchstoneError
from components.store.models import Model, ModelStore, Promotion, split_reference
from components.store.s3_models import S3Models
from components.store.state import State

Outcome = Literal["PROMOTED", "ALREADY_PROMOTED", "LOST_RACE"]


@dataclass(frozen=True)
class Published:
    """What became of a promotion."""

    outcome: Outcome
    promotion: Promotion


def publish(state: str, run: str, target: str, champion: str, candidate: Path, verdict: Path) -> Published:
    """Promote the candidate and put the outcome on the run's record.

    Args:
        state: The line's state.
        run: The run that promotes.
        target: The model store, `s3://bucket/prefix`.
        champion: The pinned reference that the candidate was judged against, "" for none.
        candidate: The artifact of the candidate.
        verdict: The artifact of the verdict.

    Raises:
        TouchstoneError: NOT_PROMOTABLE when the verdict is not about this candidate and this champion.
    """
    judged, verdict_digest = read_verdict(verdict)
    model = Model.open(candidate).require("candidate")
    _bound(judged, model, champion)
    store = S3Models(target)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "model"
        shutil.copytree(model.path, folder, ignore=shutil.ignore_patterns("manifest.json"))
        write_card(folder / "README.md", judged, verdict_digest)
        revision = store.publish(folder)
    found = promote(store, judged, verdict_digest, revision, champion, run)
    record = {"outcome": found.outcome, "target": target, **found.promotion.as_json()}
    State(state).run(run).write("publication.json", canonical(record))
    return found


def promote(
    store: ModelStore, verdict: Verdict, verdict_digest: str, revision: str, champion: str, run: str
) -> Published:
    """Move the pointer from the champion that was judged to `revision`."""
    expected = split_reference(champion)[1]
    identity = digest([verdict.contenders["candidate"]["fingerprint"], verdict_digest, expected])
    if earlier := _earlier(store, identity):
        return Published("ALREADY_PROMOTED", earlier)
    head = store.head()
    promotion = _promotion(identity, revision, head, verdict, run)
    if (head.revision if head else "") == expected and store.promote(promotion):
        return Published("PROMOTED", promotion)
    if earlier := _earlier(store, identity):
        return Published("ALREADY_PROMOTED", earlier)
    return Published("LOST_RACE", store.head() or promotion)


def _earlier(store: ModelStore, identity: str) -> Promotion | None:
    """The promotion of that id, even if another one was made on top of it since."""
    return next((known for known in store.history() if known.id == identity), None)


def _bound(verdict: Verdict, candidate: Model, champion: str) -> None:
    """The verdict must promote, and be about exactly this candidate and this champion."""
    judged = verdict.contenders
    same_candidate = judged["candidate"]["fingerprint"] == candidate.fingerprint
    same_champion = judged.get("champion", {}).get("reference", "") == champion
    if verdict.decision != "PROMOTE" or not same_candidate or not same_champion:
        found = f"{verdict.decision}, candidate {same_candidate}, champion {same_champion}"
        raise TouchstoneError("NOT_PROMOTABLE", "the verdict does not promote this candidate", found=found)


def _promotion(identity: str, revision: str, head: Promotion | None, verdict: Verdict, run: str) -> Promotion:
    now = datetime.now(UTC)
    summary: dict[str, Any] = verdict.model_dump(mode="json", include={"decision", "against", "gain", "interval"})
    summary |= {"queries": verdict.queries, "p_value": verdict.p_value}
    return Promotion(
        id=identity,
        revision=revision,
        version=_version(now, head),
        at=now.isoformat(timespec="seconds"),
        run=run,
        replaces=head.revision if head else "",
        previous=head.id if head else "",
        verdict=summary,
    )


def _version(now: datetime, head: Promotion | None) -> str:
    """`v2026.11.23-1`: the day and a number within it."""
    day = now.strftime("v%Y.%m.%d")
    number = int(head.version.rpartition("-")[2]) + 1 if head and head.version.startswith(f"{day}-") else 1
    return f"{day}-{number}"

"""Promotion: keep the weights under their immutable revision and move the pointer, if it still stands still.

Where a person has to approve, the files go to the hub without card and pointer, and the run's record says what waits.

Safe to run again at any point: the promotion's id is made of candidate, verdict and the champion it was judged
against; a retry finds its own id among what was production's and changes nothing, so it never undoes a rollback.
"""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from components.gate.approval import Approval, Staged, onward, today
from components.gate.approval_config import ApprovalConfig
from components.gate.files import read_verdict
from components.gate.verdict import Verdict
from components.hub.card import write_card
from components.store.digests import canonical, digest
from components.store.errors import TouchstoneError, TransientError
from components.store.models import Model, ModelStore, Promotion, split_reference
from components.store.s3_models import S3Models
from components.store.state import State

TRIES = 6
PAUSE = 0.5
"""Seconds before the second try, at most; each next pause is twice as long."""

Outcome = Literal["PROMOTED", "ALREADY_PROMOTED", "LOST_RACE"]


@dataclass(frozen=True)
class Published:
    """What became of a promotion."""

    outcome: Outcome
    promotion: Promotion

    def record(self, target: str) -> dict[str, Any]:
        """The run's `publication.json`."""
        return {"outcome": self.outcome, "target": target, **self.promotion.as_json()}

    def told(self, target: str) -> str:
        """What stands on the screen."""
        return f"{target} revision {self.promotion.revision[:8]}, production -> {self.promotion.version}"


@dataclass(frozen=True)
class Waiting:
    """A promotion that a person has to approve."""

    staged: Staged

    def record(self, target: str) -> dict[str, Any]:
        """The run's `awaiting.json`."""
        return self.staged.model_dump(mode="json")

    def told(self, target: str) -> str:
        """What stands on the screen."""
        return f"{target} revision {self.staged.revision[:8]} waits for an approval; production stays"


def publish(
    state: str, run: str, target: str, champion: str, candidate: Path, verdict: Path, approval: ApprovalConfig
) -> Published | Waiting:
    """Promote the candidate or have it wait for a person, and put that on the run's record.

    Args:
        state: The line's state.
        run: The run that promotes.
        target: The model store, `s3://bucket/prefix`.
        champion: The pinned reference that the candidate was judged against, "" for none.
        candidate: The artifact of the candidate.
        verdict: The artifact of the verdict.
        approval: The recipe's section: whether a person has to approve.

    Raises:
        TouchstoneError: NOT_PROMOTABLE when the verdict is not about this candidate and this champion.
    """
    judged, verdict_digest = read_verdict(verdict)
    model = Model.open(candidate).require("candidate")
    _bound(judged, model, champion, approval)
    store, record = S3Models(target), State(state).run(run)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "model"
        shutil.copytree(model.path, folder, ignore=shutil.ignore_patterns("manifest.json"))
        if approval.required or judged.decision != "PROMOTE":
            staged = _staged(store.stage(folder), run, target, champion, judged, verdict_digest, approval)
            record.write("awaiting.json", canonical(Waiting(staged).record(target)))
            return Waiting(staged)
        write_card(folder / "README.md", judged, verdict_digest)
        found = promote(store, folder, judged, verdict_digest, champion, run)
    record.write("publication.json", canonical(found.record(target)))
    return found


def promote(
    store: ModelStore,
    folder: Path,
    verdict: Verdict,
    verdict_digest: str,
    champion: str,
    run: str,
    approval: Approval | None = None,
) -> Published:
    """Have production point at the files in `folder` if it still points at the champion that was judged.

    No answer is believed but what the store then shows: the promotion is there, or production is somebody else's, or
    it is tried again.

    Raises:
        TransientError: PROMOTION_OPEN when the store's answers leave open what happened; running again is safe.
    """
    expected = split_reference(champion)[1]
    planned, open_answer = _promotion(verdict, verdict_digest, champion, run, approval), False
    for attempt in range(TRIES):
        head, earlier = store.head(), store.find(planned.id)
        if earlier:
            store.repair()
            return Published("PROMOTED" if open_answer else "ALREADY_PROMOTED", earlier)
        if (head.revision if head else "") != expected:
            return Published("LOST_RACE", head or planned)
        try:
            if moved := store.promote(_upon(planned, head), folder):
                store.repair()
                return Published("PROMOTED", moved)
        except TransientError:
            open_answer = True
        time.sleep(random.uniform(0.5, 1) * PAUSE * 2**attempt)
    what = f"{store.address} does not tell whether the promotion of run {run} came about"
    raise TransientError("PROMOTION_OPEN", what, fix="Run it again: it changes nothing that has happened.")


def promoted(store: ModelStore, verdict: Verdict, verdict_digest: str, champion: str) -> Promotion | None:
    """The promotion that this verdict led to, even if another one was made on top of it since."""
    return store.find(_identity(verdict, verdict_digest, champion))


def _identity(verdict: Verdict, verdict_digest: str, champion: str) -> str:
    """The promotion's id: one for each candidate, verdict and champion."""
    return digest([verdict.contenders["candidate"]["fingerprint"], verdict_digest, split_reference(champion)[1]])


def _staged(
    revision: str,
    run: str,
    target: str,
    champion: str,
    verdict: Verdict,
    verdict_digest: str,
    approval: ApprovalConfig,
) -> Staged:
    return Staged(
        run=run,
        decision=verdict.decision,
        verdict=verdict_digest,
        revision=revision,
        target=target,
        champion=champion,
        expires=today(later=approval.days),
    )


def _bound(verdict: Verdict, candidate: Model, champion: str, approval: ApprovalConfig) -> None:
    """The verdict must lead here, and be about exactly this candidate and this champion."""
    judged = verdict.contenders
    same_candidate = judged["candidate"]["fingerprint"] == candidate.fingerprint
    same_champion = judged.get("champion", {}).get("reference", "") == champion
    if onward(verdict, approval) != "PUBLISH" or not same_candidate or not same_champion:
        found = f"{verdict.decision}, candidate {same_candidate}, champion {same_champion}"
        raise TouchstoneError("NOT_PROMOTABLE", "the verdict does not promote this candidate", found=found)


def _promotion(verdict: Verdict, verdict_digest: str, champion: str, run: str, approval: Approval | None) -> Promotion:
    """What is to be, wherever production stands then."""
    summary: dict[str, Any] = verdict.model_dump(mode="json", include={"decision", "against", "gain", "interval"})
    summary |= {"queries": verdict.queries, "p_value": verdict.p_value, "digest": verdict_digest}
    summary["ledger"] = {"head": verdict.look.ledger_head, "length": verdict.look.ledger_length}
    return Promotion(
        id=_identity(verdict, verdict_digest, champion),
        revision="",
        fingerprint=verdict.contenders["candidate"]["fingerprint"],
        version="",
        at="",
        run=run,
        replaces="",
        previous="",
        verdict=summary,
        approval=approval.model_dump(mode="json") if approval else None,
    )


def _upon(promotion: Promotion, head: Promotion | None) -> Promotion:
    """The same as what comes after `head`, now."""
    now = datetime.now(UTC)
    at, version = now.isoformat(timespec="seconds"), _version(now, head)
    replaces, previous = (head.revision, head.id) if head else ("", "")
    return replace(promotion, at=at, version=version, replaces=replaces, previous=previous)


def _version(now: datetime, head: Promotion | None) -> str:
    """`v2026.11.23-1`: the day and a number within it."""
    day = now.strftime("v%Y.%m.%d")
    number = int(head.version.rpartition("-")[2]) + 1 if head and head.version.startswith(f"{day}-") else 1
    return f"{day}-{number}"

"""Promotion: keep the weights under their immutable revision and move the pointer, if it still stands still.

Where a person has to approve, the files go to the hub without a pointer to them, and the run's record says what waits.

Safe to run again at any point: the promotion's id is made of candidate, verdict and the champion it was judged
against; a retry finds its own id among what was production's and changes nothing, so it never undoes a rollback.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.gate.approval import Approval, Staged, onward, today
from components.gate.approval_config import ApprovalConfig
from components.gate.files import read_verdict
from components.gate.verdict import Verdict
from components.hub import card
from components.hub.declared import Declared
from components.hub.moving import Published, move
from components.hub.parity import ship
from components.hub.provenance import write_provenance
from components.store.addresses import split_reference
from components.store.digests import canonical, digest
from components.store.errors import TouchstoneError
from components.store.models import Model, ModelStore, Promotion
from components.store.signing import sign
from components.store.signing_config import OFF, SigningConfig
from components.store.state import State
from components.store.stores import open_models


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
    state: str,
    run: str,
    target: str,
    champion: str,
    candidate: Path,
    verdict: Path,
    parity: Path,
    approval: ApprovalConfig,
    declared: Declared,
    signing: SigningConfig = OFF,
) -> Published | Waiting:
    """Promote the candidate or have it wait for a person, and put that on the run's record.

    Args:
        state: The line's state.
        run: The run that promotes.
        target: The model store, `s3://bucket/prefix` or `hf://owner/name`.
        champion: The pinned reference that the candidate was judged against, "" for none.
        candidate: The artifact of the candidate.
        verdict: The artifact of the verdict.
        parity: The artifact of what the evaluation's candidate makes of public texts.
        approval: The recipe's section: whether a person has to approve.
        declared: What the card tells of the recipe.
        signing: The recipe's section: whether what production points at is signed, and by whom.

    Raises:
        UserError: What `components.store.signing.sign` raises.
        TouchstoneError: NOT_PROMOTABLE when the verdict is not about this candidate and this champion;
            NOT_SERVED_AS_TESTED when the files do not compute what was judged.
    """
    judged, verdict_digest = read_verdict(verdict)
    model = Model.open(candidate).require("candidate")
    _bound(judged, model, champion, approval)
    store, record = open_models(target), State(state).run(run)
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "model"
        shutil.copytree(model.path, folder, ignore=shutil.ignore_patterns("manifest.json"))
        ship(folder, parity)
        card.describe(folder, judged, verdict_digest, declared)
        if approval.required or judged.decision != "PROMOTE":
            staged = _staged(store.stage(folder), run, target, champion, judged, verdict_digest, approval)
            record.write("awaiting.json", canonical(Waiting(staged).record(target)))
            return Waiting(staged)
        vouch(folder, judged, verdict_digest, state, run, signing)
        found = promote(store, folder, judged, verdict_digest, champion, run)
    record.write("publication.json", canonical(found.record(target)))
    return found


def vouch(folder: Path, verdict: Verdict, verdict_digest: str, state: str, run: str, signing: SigningConfig) -> None:
    """Put beside the weights where they come from, then the signature over all of it."""
    write_provenance(folder, verdict, verdict_digest, state, run)
    sign(folder, signing)


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

    Raises:
        TransientError: PROMOTION_OPEN.
    """
    expected = split_reference(champion)[1]
    planned = _promotion(verdict, verdict_digest, champion, run, approval)

    def stands(head: Promotion | None) -> bool:
        return (head.revision if head else "") == expected

    return move(store, planned, stands, lambda promotion: store.promote(promotion, folder))


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

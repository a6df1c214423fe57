"""The promotion of what waits, once a person has approved it: everything is looked at again, here and now.

What was true when the run was judged need not be true days later. Of what the state says about the run nothing is
believed but what the verdict's evidence, the signature and the files themselves prove.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.gate import ledger
from components.gate.approval import Staged, read, today, verify, waivable
from components.gate.approval_config import ApprovalConfig
from components.gate.chain import Mark, promotions
from components.gate.record import recall
from components.gate.verdict import Verdict
from components.hub import card
from components.hub.moving import Published
from components.hub.parity import check
from components.hub.publish import promote, promoted, vouch
from components.store.addresses import split_reference
from components.store.digests import canonical
from components.store.errors import UserError
from components.store.intake import fingerprint, inspect
from components.store.models import Promotion
from components.store.signing_config import OFF, SigningConfig
from components.store.state import State
from components.store.stores import open_models


@dataclass(frozen=True)
class Review:
    """A run that waits, as far as it can be checked without a signature.

    Attributes:
        verdict: Decided again from the run's evidence.
        earlier: The promotion that it has led to already, if it has.
        head: What production points at, "" for nothing.
    """

    staged: Staged
    verdict: Verdict
    earlier: Promotion | None
    head: str


def review(state: str, run: str, target: str) -> Review:
    """Look at a waiting run again: its verdict, the look it was reached with, and whether there is still time.

    Raises:
        UserError: NOT_AWAITING, NOT_APPROVABLE, APPROVAL_EXPIRED.
        TouchstoneError: REPLAY_DIFFERS, LEDGER_BROKEN and what else shows that a record was changed.
    """
    kept, store = State(state), open_models(target)
    waiting = kept.get(f"runs/{run}/awaiting.json")
    if waiting is None:
        fix = "Only a run that ended as AWAITING_APPROVAL can be approved; `touchstone run` tells which."
        raise UserError("NOT_AWAITING", f"run {run} does not wait for an approval", fix=fix)
    staged = Staged.parse(waiting, where="awaiting.json")
    verdict, digest = recall(state, run)
    _approvable(staged, verdict, {"run": run, "target": target, "verdict": digest})
    look = Mark(verdict.look.ledger_length, verdict.look.ledger_head, f"the verdict of run {run}")
    ledger.check(kept, [look, *promotions(staged.champion)])
    earlier, head = promoted(store, verdict, digest, staged.champion), store.head()
    if not earlier and today() > staged.expires:
        fix = "Run the line again: what is equal is not trained again, and waits anew."
        raise UserError("APPROVAL_EXPIRED", f"run {run} could be approved until {staged.expires}", fix=fix)
    return Review(staged, verdict, earlier, head.revision if head else "")


def _approvable(staged: Staged, verdict: Verdict, known: dict[str, str]) -> None:
    """What waits must be what the verdict is about, and of a kind that a person may decide on."""
    known |= {"decision": verdict.decision, "champion": verdict.contenders.get("champion", {}).get("reference", "")}
    if wrong := [name for name, value in known.items() if getattr(staged, name) != value]:
        raise UserError("NOT_APPROVABLE", f"run {staged.run} waits with another {', '.join(wrong)} than it was judged")
    if verdict.decision != "PROMOTE" and not waivable(verdict):
        reasons = ", ".join(dict.fromkeys(reason.decision for reason in verdict.reasons))
        what = f"run {staged.run} cannot be approved"
        raise UserError("NOT_APPROVABLE", what, found=reasons, expected="PROMOTE, or HOLD_SUSPICIOUS alone")


def unmoved(found: Review) -> None:
    """Production must still be what the candidate was judged against; unless this run has moved it itself.

    Raises:
        UserError: LOST_RACE.
    """
    expected = split_reference(found.staged.champion)[1]
    if not found.earlier and found.head != expected:
        shown = {"found": found.head[:8] or "nothing", "expected": expected[:8] or "nothing"}
        fix = "Run the line again: its candidate is then judged against what is in production now."
        raise UserError("LOST_RACE", f"production has moved since run {found.staged.run} was judged", **shown, fix=fix)


def promote_approved(
    state: str, run: str, target: str, config: ApprovalConfig, signing: SigningConfig = OFF
) -> Published:
    """Promote what waits, if its approval holds, and put the outcome on the run's record; again it changes nothing.

    The revision in production is the staged one with a card that names the approval; a waiver stands in the ledger
    before the pointer moves.

    Args:
        state: The line's state.
        run: The run that waits.
        target: The model store.
        config: Whose approval counts.
        signing: What the model in production is signed with.

    Raises:
        UserError: NOT_APPROVED, APPROVAL_REFUSED, and what `review` raises.
        TouchstoneError: NOT_SERVED_AS_TESTED when the files, with the library of today, do not compute what was judged.
    """
    found, approval = review(state, run, target), read(State(state), run)
    verify(approval, found.staged, config)
    store, staged, verdict = open_models(target), found.staged, found.verdict
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        store.fetch(staged.revision, folder)
        if fingerprint(inspect(folder)) != verdict.contenders["candidate"]["fingerprint"]:
            what = f"the files that wait as revision {staged.revision[:8]}"
            raise UserError("NOT_APPROVABLE", f"{what} are not the candidate of run {run}")
        check(folder)
        card.approve(folder, approval)
        vouch(folder, verdict, staged.verdict, state, run, signing)
        if waivable(verdict):
            ledger.waive(State(state), run=run, verdict=staged.verdict, approver=approval.approver, day=approval.day)
        done = promote(store, folder, verdict, staged.verdict, staged.champion, run, approval)
    State(state).run(run).write("publication.json", canonical(done.record(target)))
    return done

"""Approval: a person's signature under what waits. The one module that knows keys.

The approver signs the staged promotion whole (run, decision, verdict's digest, revision, target, champion, expiry) with
reason, name and day, by Ed25519 (RFC 8032). A signature for one of them is none for any other, and a field that was
changed since makes it none at all. The state keeps it under `approvals/<run>.json`, written once.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_key,
)
from pydantic import Field, ValidationError

from components.gate.approval_config import ApprovalConfig
from components.gate.verdict import Decision, Verdict
from components.store.config import Config
from components.store.digests import canonical
from components.store.errors import TouchstoneError, UserError
from components.store.state import State

PURPOSE = b"touchstone approval\n"
"""Stands before what is signed, so that the key's signatures for other purposes are none here."""


class Staged(Config):
    """A promotion that waits: what a person is asked to approve."""

    run: str
    decision: Decision
    verdict: str
    """The digest of the artifact `verdict`; it names the candidate by its fingerprint."""
    revision: str
    """Where the hub keeps the candidate's files."""
    target: str
    champion: str
    """The pinned reference it was judged against, "" for none."""
    expires: str
    """The last day on which it can be promoted, YYYY-MM-DD."""


class Approval(Config):
    """One person's word for one staged promotion."""

    staged: Staged
    approver: str
    day: str
    reason: str = Field(pattern=r"^[^\x00-\x1f\x7f]{1,300}$")
    signature: str = ""
    """Base64."""

    def signed(self) -> bytes:
        """The bytes that are signed: all but the signature."""
        return PURPOSE + canonical(self.model_dump(mode="json", exclude={"signature"}))

    @property
    def sentence(self) -> str:
        """`approved by ann on 2026-12-01`; a decision that was no promotion was waived."""
        done = "approved" if self.staged.decision == "PROMOTE" else f"{self.staged.decision} waived"
        return f"{done} by {self.approver} on {self.day}"


def waivable(verdict: Verdict) -> bool:
    """Whether a person may set the hold aside: it is suspicious, and nothing else is wrong."""
    return {reason.decision for reason in verdict.reasons} == {"HOLD_SUSPICIOUS"} == {verdict.decision}


def onward(verdict: Verdict, config: ApprovalConfig) -> str:
    """What the pipeline does with a verdict: "PUBLISH" (promote it, or have it wait for a person) or "HOLD"."""
    published = verdict.decision == "PROMOTE" or (waivable(verdict) and bool(config.approvers))
    return "PUBLISH" if published else "HOLD"


def today(*, later: int = 0) -> str:
    """The day `later` days from now, in UTC."""
    return (datetime.now(UTC).date() + timedelta(days=later)).isoformat()


def load_key(path: Path, passphrase: bytes | None = None) -> Ed25519PrivateKey:
    """The private key in an OpenSSH or PEM file.

    Raises:
        UserError: KEY_LOCKED when it needs a passphrase, KEY_UNREADABLE when it is no such key.
    """
    try:
        content = path.read_bytes()
        load = load_ssh_private_key if b"BEGIN OPENSSH" in content else load_pem_private_key
        key = load(content, passphrase)
    except OSError as error:
        raise UserError("KEY_UNREADABLE", f"{path} cannot be read", found=(error.strerror or "").lower()) from None
    except TypeError:  # the one for a passphrase that is missing, and for one too many
        raise UserError("KEY_LOCKED", f"{path} has a passphrase") from None
    except (ValueError, UnsupportedAlgorithm):
        fix = "Check the file and its passphrase; `ssh-keygen -t ed25519` makes such a key."
        raise UserError("KEY_UNREADABLE", f"{path} does not open", expected="an Ed25519 private key", fix=fix) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UserError("KEY_UNREADABLE", f"{path} is another kind of key", expected="an Ed25519 private key")
    return key


def sign(staged: Staged, reason: str, key: Ed25519PrivateKey, config: ApprovalConfig) -> Approval:
    """Approve `staged` today, under the name that the recipe gives to this key.

    Raises:
        UserError: UNLISTED_KEY, or BAD_REASON when there is none, or one of more than a line.
    """
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    name = next((name for name, known in config.approvers.items() if known == public), None)
    if name is None:
        known = ", ".join(sorted(config.approvers)) or "nobody"
        fix = "Sign with a listed key, or have this one's public half added to the recipe."
        what = "the recipe's approval.approvers does not list this key"
        raise UserError("UNLISTED_KEY", what, expected=f"a key of {known}", fix=fix)
    try:
        approval = Approval(staged=staged, approver=name, day=today(), reason=reason.strip())
    except ValidationError:
        raise UserError("BAD_REASON", "the reason is no reason", expected="one line of 1 to 300 characters") from None
    return approval.model_copy(update={"signature": base64.b64encode(key.sign(approval.signed())).decode()})


def verify(approval: Approval, staged: Staged, config: ApprovalConfig) -> None:
    """The approval must be of exactly what is staged, signed with the key that the recipe lists for its approver.

    Raises:
        UserError: APPROVAL_REFUSED.
    """
    if approval.staged != staged:
        differing = [name for name in Staged.model_fields if getattr(approval.staged, name) != getattr(staged, name)]
        raise refused(staged.run, f"another {', '.join(differing)} than the one that waits")
    listed = config.approvers.get(approval.approver)
    if listed is None:
        raise refused(staged.run, f"{approval.approver!r}, whom the recipe does not list")
    key = load_ssh_public_key(listed.encode())
    try:
        if not isinstance(key, Ed25519PublicKey):
            raise InvalidSignature
        key.verify(base64.b64decode(approval.signature, validate=True), approval.signed())
    except (InvalidSignature, binascii.Error):
        raise refused(staged.run, f"a signature that is not {approval.approver}'s") from None


def refused(run: str, found: str) -> UserError:
    """An approval that counts for nothing."""
    fix = f"Find out who wrote it; approvals/{run}.json can be deleted, and the run approved anew."
    return UserError("APPROVAL_REFUSED", f"the approval of run {run} does not hold", found=found, fix=fix)


def keep(state: State, approval: Approval) -> Approval:
    """Put the approval into the state, unless there is one already; the one that is there."""
    name = _name(approval.staged.run)
    if state.folder.swap(name, canonical(approval.model_dump(mode="json")), expected=None):
        return approval
    return read(state, approval.staged.run)


def read(state: State, run: str) -> Approval:
    """The approval of a run.

    Raises:
        UserError: NOT_APPROVED, or APPROVAL_REFUSED when what is there is none.
    """
    found = state.get(_name(run))
    if found is None:
        raise UserError("NOT_APPROVED", f"nobody has approved run {run}", fix="See `touchstone approve --help`.")
    try:
        return Approval.parse(found, where=_name(run))
    except TouchstoneError:
        raise refused(run, "no approval's record") from None


def _name(run: str) -> str:
    return f"approvals/{run}.json"

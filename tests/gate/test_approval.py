"""Keys, signatures, and what a recipe may say about approval."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from components.gate.approval import Approval, Staged, keep, load_key, onward, sign, verify
from components.gate.approval_config import ApprovalConfig
from components.gate.config import GateConfig
from components.gate.decision import decide
from components.gate.verdict import Look, Reason
from components.store.errors import UserError
from components.store.s3 import Folder
from components.store.state import State
from tests.gate.cases import CLEAN, scores

ANN, BEN = (Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32) for seed in (1, 2))
STAGED = Staged(
    run="run-1",
    decision="PROMOTE",
    verdict="a" * 64,
    revision="b" * 40,
    target="s3://x/y",
    champion="",
    expires="2026-12-01",
)


def public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


BOTH = ApprovalConfig(approvers={"ann": f"{public(ANN)} ann@example.com", "ben": public(BEN)})


def test_a_key_signs_under_the_name_that_the_recipe_gives_it() -> None:
    approval = sign(STAGED, "  seen by the search team ", BEN, BOTH)
    verify(approval, STAGED, BOTH)
    assert (approval.approver, approval.reason) == ("ben", "seen by the search team")
    assert Approval.parse(approval.model_dump(mode="json"), where="there and back") == approval


def test_a_key_that_nobody_listed_signs_nothing() -> None:
    with pytest.raises(UserError) as found:
        sign(STAGED, "because", Ed25519PrivateKey.generate(), BOTH)
    assert found.value.code == "UNLISTED_KEY" and "ann, ben" in str(found.value)


@pytest.mark.parametrize("field", [*Staged.model_fields, "approver", "day", "reason", "signature"])
def test_an_approval_of_which_one_field_was_changed_is_none(field: str) -> None:
    approval = sign(STAGED, "because", ANN, BOTH)
    other = {"decision": "HOLD_SUSPICIOUS", "approver": "ben", "signature": sign(STAGED, "others", ANN, BOTH).signature}
    change = {field: other.get(field, "2030-01-01")}
    staged = STAGED.model_copy(update=change) if field in Staged.model_fields else STAGED
    changed = approval.model_copy(update={"staged": staged} if staged != STAGED else change)
    for waiting in (STAGED, staged):
        with pytest.raises(UserError) as found:
            verify(changed, waiting, BOTH)
        assert found.value.code == "APPROVAL_REFUSED"


def test_who_left_the_recipe_approves_nothing_any_more() -> None:
    approval = sign(STAGED, "because", ANN, BOTH)
    for rest in ({}, {"ben": public(BEN)}, {"ann": public(BEN)}):
        with pytest.raises(UserError, match="does not hold"):
            verify(approval, STAGED, ApprovalConfig(approvers=rest))


@pytest.mark.parametrize("reason", ["", "   ", "two\nlines", "a bell \x07", "x" * 301])
def test_a_reason_is_one_line(reason: str) -> None:
    with pytest.raises(UserError) as found:
        sign(STAGED, reason, ANN, BOTH)
    assert found.value.code == "BAD_REASON"


@pytest.mark.parametrize("form", [PrivateFormat.OpenSSH, PrivateFormat.PKCS8], ids=["OpenSSH", "PEM"])
def test_a_key_is_read_with_and_without_passphrase(tmp_path: Path, form: PrivateFormat) -> None:
    def written(protection: KeySerializationEncryption) -> Path:
        (tmp_path / "key").write_bytes(ANN.private_bytes(Encoding.PEM, form, protection))
        return tmp_path / "key"

    assert public(load_key(written(NoEncryption()))) == public(ANN)
    path = written(BestAvailableEncryption(b"sesame"))
    assert public(load_key(path, b"sesame")) == public(ANN)
    for phrase, code in ((None, "KEY_LOCKED"), (b"wrong", "KEY_UNREADABLE")):
        with pytest.raises(UserError) as found:
            load_key(path, phrase)
        assert found.value.code == code
        assert "BEGIN" not in str(found.value)


def test_what_is_no_ed25519_key_is_refused(tmp_path: Path) -> None:
    curve = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "curve").write_bytes(curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (tmp_path / "text").write_text("no key")
    for name in ("curve", "text", "missing"):
        with pytest.raises(UserError) as found:
            load_key(tmp_path / name)
        assert found.value.code == "KEY_UNREADABLE"


RSA_LIKE = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ=="


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"required": True}, "approvers where approval is required"),
        ({"approvers": {"ann": "AAAA"}}, "'ann' has none"),
        ({"approvers": {"ann": RSA_LIKE}}, "'ann' has none"),
        ({"approvers": {"ann": public(ANN)[:-8]}}, "'ann' has none"),
        ({"approvers": {"": public(ANN)}}, "'' has none"),
        ({"approvers": {"ann": public(ANN), "ben": f"{public(ANN)} again"}}, "a key of their own"),
        ({"days": 0}, "greater than or equal to 1"),
    ],
)
def test_a_recipe_lists_approvers_with_keys_of_their_own(values: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ApprovalConfig.parse(values, where="recipe.yaml")


ROUTES = {
    "proved better": (("PROMOTE",), "PUBLISH", "PUBLISH"),
    "suspicious and nothing else": (("HOLD_SUSPICIOUS",), "PUBLISH", "HOLD"),
    "suspicious twice": (("HOLD_SUSPICIOUS", "HOLD_SUSPICIOUS"), "PUBLISH", "HOLD"),
    "suspicious and a guard": (("HOLD_SUSPICIOUS", "HOLD_GUARD"), "HOLD", "HOLD"),
    "contaminated and suspicious": (("HOLD_CONTAMINATED", "HOLD_SUSPICIOUS"), "HOLD", "HOLD"),
    "not better": (("HOLD_NOT_BETTER",), "HOLD", "HOLD"),
    "too little evidence": (("INSUFFICIENT_EVIDENCE",), "HOLD", "HOLD"),
    "an error": (("ERROR",), "HOLD", "HOLD"),
}


@pytest.mark.parametrize("case", ROUTES)
def test_a_suspicion_alone_may_wait_for_an_approver_and_no_other_hold(case: str) -> None:
    decisions, with_approvers, without = ROUTES[case]
    look = Look(number=1, alpha=0.01, left=4, year=2026, ledger_head="a" * 64, ledger_length=1, generation=1)
    verdict = decide(scores(), CLEAN, look, GateConfig(), {})
    reasons = [Reason(decision=decision, text="it is so") for decision in decisions]
    verdict = verdict.model_copy(update={"decision": decisions[0], "reasons": reasons})
    assert (onward(verdict, BOTH), onward(verdict, ApprovalConfig())) == (with_approvers, without)


def test_of_two_approvals_the_first_is_kept(place: str) -> None:
    state = State(place)
    first, second = sign(STAGED, "first", ANN, BOTH), sign(STAGED, "second", BEN, BOTH)
    assert [keep(state, one) for one in (first, second, first)] == [first] * 3
    assert [entry.key for entry in Folder(place).list()] == ["approvals/run-1.json"]

"""A line that signs: what it publishes, what it takes for its champion, and what it says of where a model is from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.v1.statement import Statement

from components.gate.approval_config import ApprovalConfig
from components.hub import verify as verifying
from components.hub.moving import Published
from components.hub.publish import publish
from components.hub.rollback import rollback
from components.store.digests import file_digest
from components.store.errors import TouchstoneError, UserError
from components.store.intake import SIGNATURE
from components.store.models import Model
from components.store.pull import pin, pull
from components.store.s3_models import S3Models
from components.store.signing import KEY, verify
from components.store.signing_config import SigningConfig
from components.store.state import State
from tests.hub.keys import OTHER, RELEASE, private, public
from tests.hub.served import DECLARED, evidence
from tests.hub.test_publish import Line

SIGNED = SigningConfig(public_keys={"release": public(RELEASE)})


@pytest.fixture
def line(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setenv(KEY, str(private(tmp_path, RELEASE)))
    return Line(f"{place}/state", f"{place}/hub", tmp_path)


def released(line: Line, name: str, champion: str = "", signing: SigningConfig = SIGNED) -> Published:
    model, verdict = line.candidate(name), line.verdict(name, champion)
    known = {"parity": evidence(model), "approval": ApprovalConfig(), "declared": DECLARED, "signing": signing}
    done = publish(line.state, f"run-{name}", line.hub, champion, model.path, verdict, **known)
    assert isinstance(done, Published)
    return done


def brought(line: Line) -> Path:
    """What production points at, as files."""
    folder = line.folder / "brought"
    folder.mkdir()
    S3Models(line.hub).fetch(line.production().revision, folder)
    return folder


def test_what_is_promoted_is_signed_and_the_next_run_takes_it_for_its_champion(line: Line) -> None:
    released(line, "one")
    pull(pin(line.hub), line.folder / "champion", optional=True, signed=SIGNED)
    champion = Model.open(line.folder / "champion")
    assert champion.present and (champion.path / SIGNATURE).is_file()
    assert released(line, "two", pin(line.hub)).outcome == "PROMOTED"


def test_a_retry_signs_anew_and_still_finds_its_promotion(line: Line) -> None:
    first = released(line, "one")
    with line.unchanged():
        assert released(line, "one") == Published("ALREADY_PROMOTED", first.promotion)


def test_without_the_listed_key_production_stays(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, str(private(line.folder, OTHER)))
    with line.unchanged(), pytest.raises(UserError) as raised:
        released(line, "one")
    assert raised.value.code == "UNLISTED_KEY"


@pytest.mark.parametrize("key", [None, OTHER], ids=["unsigned", "signed by the attacker"])
def test_who_holds_the_bucket_alone_cannot_make_the_champion(line: Line, key: Any, monkeypatch) -> None:
    """Files, pointer and history all agree; the signature is what an attacker cannot make."""
    if key:
        monkeypatch.setenv(KEY, str(private(line.folder, key)))
    released(line, "one", signing=SigningConfig(public_keys={"mine": public(key)}) if key else SigningConfig())
    pull(pin(line.hub), line.folder / "champion", optional=True, signed=SIGNED)
    champion = Model.open(line.folder / "champion")
    assert not champion.present and "sign" in champion.problem
    with pytest.raises(UserError):
        pull(pin(line.hub), line.folder / "again", optional=False, signed=SIGNED)


def test_a_rollback_brings_back_only_what_is_signed(line: Line) -> None:
    plain = released(line, "one", signing=SigningConfig()).promotion
    signed = released(line, "two", pin(line.hub)).promotion
    released(line, "three", pin(line.hub))
    store = S3Models(line.hub)
    with line.unchanged(), pytest.raises(UserError) as raised:
        rollback(store, plain.version, "worse", SIGNED)
    assert raised.value.code == "SIGNATURE_MISSING"
    known = SIGNED.model_copy(update={"unsigned": [plain.revision]})
    assert rollback(store, signed.version, "worse", SIGNED).restores == signed.version
    assert rollback(store, plain.version, "worse", known).restores == plain.version


def test_verify_tells_whose_signature_it_is_and_that_there_is_none(line: Line) -> None:
    plain = released(line, "one", signing=SigningConfig()).promotion
    signed, store = released(line, "two", pin(line.hub)).promotion, S3Models(line.hub)
    found = dict(verifying.verify(store, signed, line.folder / "signed", SIGNED))
    assert found["signature"].startswith("by the key release")
    with pytest.raises(TouchstoneError) as raised:
        dict(verifying.verify(store, plain, line.folder / "plain", SIGNED))
    assert (raised.value.code, raised.value.exit_code) == ("SIGNATURE_MISSING", 1)


def test_the_provenance_is_an_in_toto_statement_of_the_files_that_are_signed_with_them(line: Line) -> None:
    inputs = {"snapshot": "5" * 64, "base": f"s3://models/base@{'b' * 40}", "champion": "", "recipe": "4" * 64}
    State(line.state).put("runs/run-one/check.json", {"inputs": inputs})
    released(line, "one")
    folder = brought(line)
    told = json.loads((folder / "provenance.json").read_bytes())
    Statement.copy_from_pb(json_format.ParseDict(told, Statement([], "", {}).pb)).validate()
    for subject in told["subject"]:
        assert subject["digest"]["sha256"] == file_digest(folder / subject["name"])
    assert {"model.safetensors", "parity.json"} <= {subject["name"] for subject in told["subject"]}
    build, details = (told["predicate"][part] for part in ("buildDefinition", "runDetails"))
    assert build["externalParameters"] == {"recipe": "4" * 64, "run": "run-one"}
    assert build["resolvedDependencies"] == [
        {"name": "snapshot", "digest": {"sha256": "5" * 64}},
        {"name": "base", "uri": "s3://models/base", "digest": {"touchstoneRevision": "b" * 40}},
    ]
    assert details["metadata"]["invocationId"] == f"{line.state}/runs/run-one"
    assert details["byproducts"][0]["digest"]["sha256"] == line.production().verdict["digest"]
    (folder / "provenance.json").write_text(json.dumps(told | {"subject": []}))
    with pytest.raises(UserError):
        verify(folder, "", SIGNED)


def test_the_image_is_named_with_its_digest(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOUCHSTONE_IMAGE", f"registry.example/touchstone-train@sha256:{'e' * 64}")
    released(line, "one")
    told = json.loads((brought(line) / "provenance.json").read_bytes())
    (image,) = told["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert image == {"name": "image", "uri": image["uri"], "digest": {"sha256": "e" * 64}}

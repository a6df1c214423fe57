"""What waits for a person: staged in a real store, approved, looked at again, promoted once; and what is refused."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.evaluation import files as score_files
from components.evaluation.scores import BASE, Contender, Scores
from components.gate.approval import Staged, keep, sign, today
from components.gate.approval_config import ApprovalConfig
from components.gate.config import GateConfig
from components.gate.files import Case, Evidence, Unsealed, unseal
from components.gate.record import judge
from components.hub.approved import promote_approved, review, unmoved
from components.hub.moving import Published
from components.hub.publish import Waiting, publish
from components.pairs import judged, leakage, sealed
from components.store.artifact import Artifact
from components.store.digests import canonical
from components.store.errors import TouchstoneError
from components.store.models import Model, Promotion
from components.store.pull import pin, pull
from components.store.s3 import Folder
from components.store.s3_models import S3Models
from components.store.state import State
from tests.gate.cases import CLEAN, NAMES, scores, small_model
from tests.gate.test_approval import ANN, BEN, public
from tests.hub.served import DECLARED, evidence

GATE = GateConfig(looks=5)
ASKED = ApprovalConfig(required=True, approvers={"ann": public(ANN), "ben": public(BEN)})
WAIVED = ASKED.model_copy(update={"required": False})
QUERIES = [judged.Query("q1", "how do I put an object", (), {"d1": 1}, "c1", "s3://tests/docs", "g1", 0)]
NEAR = {name: 0.0 if i < 200 else 0.2 for i, name in enumerate(NAMES[:600])}
"""A third of the queries is farther from training text than the rest."""


class Line:
    """A line with its own state and hub; each run is named after its candidate."""

    def __init__(self, place: str, folder: Path) -> None:
        self.state, self.hub, self.folder = f"{place}/state", f"{place}/hub", folder

    def candidate(self, name: str) -> Model:
        return Model.open(self.folder / name / name)

    def judge(self, name: str, champion: str = "", found: Scores | None = None) -> Path:
        """Look at the sealed test and judge the candidate; the artifact of the verdict."""
        folder = self.folder / name
        model, scored = small_model(folder, name), found or scores(0.05, 0.05 if champion else None)
        judged.write(folder / "judged", "judged", [], {"sealed": sealed.keep(self.state, QUERIES, folder / "s")}, {})
        leakage.write(replace(CLEAN, coverage=NEAR), folder / "leakage", {})
        out = Unsealed(folder / "permit", folder / "look")
        unseal(self.state, name, model.path, champion, folder / "judged", GATE, out)
        known = {
            n: replace(c, fingerprint=model.fingerprint) if n == "candidate" else c
            for n, c in scored.contenders.items()
        }
        known |= {"champion": Contender(champion, "of the champion")} if champion else {}
        inputs = scored.inputs | {"permit": Artifact.open(out.permit, "permit").digest}
        score_files.write(replace(scored, contenders=known, inputs=inputs), folder / "scores")
        judge(self.state, name, GATE, Evidence(folder / "scores", folder / "leakage", out.look), folder / "verdict")
        return folder / "verdict"

    def publish(self, name: str, champion: str, config: ApprovalConfig) -> Published | Waiting:
        model, verdict = self.candidate(name), self.folder / name / "verdict"
        return publish(self.state, name, self.hub, champion, model.path, verdict, evidence(model), config, DECLARED)

    def stage(
        self, name: str, champion: str = "", found: Scores | None = None, config: ApprovalConfig = ASKED
    ) -> Staged:
        """A run that ends as AWAITING_APPROVAL."""
        self.judge(name, champion, found)
        done = self.publish(name, champion, config)
        assert isinstance(done, Waiting)
        return done.staged

    def staged(self, name: str) -> Staged:
        return Staged.parse(self.get(name, "awaiting"), where="awaiting.json")

    def approve(self, name: str, staged: Staged | None = None, **changed: str) -> None:
        """Ann's word for the run, as `touchstone approve` leaves it; changed by somebody afterwards."""
        approval = sign(staged or self.staged(name), "the team has seen it & agrees", ANN, ASKED)
        values = approval.model_dump(mode="json") | changed
        State(self.state).put(f"approvals/{name}.json", values)

    def finish(self, name: str) -> Published:
        return promote_approved(self.state, name, self.hub, ASKED)

    def get(self, name: str, what: str) -> dict[str, Any]:
        found = State(self.state).get(f"runs/{name}/{what}.json")
        assert isinstance(found, dict)
        return found

    def put(self, name: str, what: str, value: object) -> None:
        State(self.state).put(f"runs/{name}/{what}.json", value)

    def head(self) -> Promotion | None:
        return S3Models(self.hub).head()

    def waivers(self) -> list[dict[str, Any]]:
        return [entry for entry in State(self.state).get("ledger.json") if "waived" in entry]


def suspicious(**known: Any) -> Scores:
    """Much better, but hardly so where training text is far."""
    found = scores(0.3, **known)
    far = np.arange(600) < 200
    for values in found.values[BASE].values():
        values[far] += 0.25
    return found


@pytest.fixture
def line(place: str, tmp_path: Path) -> Line:
    return Line(place, tmp_path)


def test_a_promotion_that_needs_an_approval_is_staged_and_production_stays(line: Line) -> None:
    before = datetime.now(UTC).date()
    staged = line.stage("one")
    assert line.head() is None
    assert line.get("one", "awaiting") == staged.model_dump() and staged.decision == "PROMOTE"
    assert State(line.state).get("runs/one/publication.json") is None
    assert date(staged.expires) - before in (timedelta(days=14), timedelta(days=15))
    S3Models(line.hub).fetch(staged.revision, line.folder / "fetched")
    card = (line.folder / "fetched" / "README.md").read_text()
    assert "## Limits" in card and "## Approval" not in card, "what waits can be read before it is approved"


def date(text: str) -> Any:
    return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).date()


def test_an_approved_one_is_promoted_and_says_who_when_and_why(line: Line) -> None:
    line.stage("one")
    line.approve("one")
    shutil.rmtree(line.folder / "one")  # days later, on another machine
    done = line.finish("one")
    assert (done.outcome, done.promotion, done.promotion.run) == ("PROMOTED", line.head(), "one")
    approval = done.promotion.approval
    assert approval and (approval["approver"], approval["day"]) == ("ann", today())
    assert approval["reason"] == "the team has seen it & agrees"
    assert line.get("one", "publication") == {"outcome": "PROMOTED", "target": line.hub} | done.promotion.as_json()
    pull(pin(line.hub), line.folder / "pulled", optional=False)
    card = (line.folder / "pulled/README.md").read_text()
    assert f"approved by ann on {today()}: the team has seen it &amp; agrees\n" in card
    assert line.waivers() == []


def test_a_waived_suspicion_stays_in_promotion_card_and_ledger(line: Line) -> None:
    champion = line.stage("one", found=suspicious(), config=WAIVED)
    line.approve("one")
    done = line.finish("one")
    assert (champion.decision, done.outcome) == ("HOLD_SUSPICIOUS", "PROMOTED")
    assert done.promotion.verdict["decision"] == "HOLD_SUSPICIOUS"
    pull(pin(line.hub), line.folder / "pulled", optional=False)
    card = (line.folder / "pulled/README.md").read_text()
    assert f"HOLD_SUSPICIOUS waived by ann on {today()}: " in card and "**HOLD_SUSPICIOUS**" in card
    assert line.finish("one").outcome == "ALREADY_PROMOTED"
    [entry] = line.waivers()
    assert (entry["run"], entry["waived"], entry["approver"]) == ("one", champion.verdict, "ann")


def test_the_next_candidate_is_judged_against_an_approved_champion(line: Line) -> None:
    line.stage("one")
    line.approve("one")
    first = line.finish("one").promotion
    line.stage("two", pin(line.hub))
    line.approve("two")
    second = line.finish("two")
    assert (second.outcome, second.promotion.replaces) == ("PROMOTED", first.revision)


def test_approved_again_changes_nothing_also_when_the_time_is_over(line: Line) -> None:
    staged = line.stage("one")
    line.approve("one")
    first = line.finish("one").promotion
    before = list(Folder(line.hub).list())
    assert line.finish("one") == Published("ALREADY_PROMOTED", first)
    line.put("one", "awaiting", staged.model_copy(update={"expires": "2020-01-01"}).model_dump())
    line.approve("one")
    assert line.finish("one") == Published("ALREADY_PROMOTED", first)
    assert list(Folder(line.hub).list()) == before


def test_of_eight_that_finish_the_same_approval_one_promotes(line: Line) -> None:
    line.stage("one", found=suspicious(), config=WAIVED)
    line.approve("one")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(line.finish, ["one"] * 8))
    assert sorted(done.outcome for done in found) == ["ALREADY_PROMOTED"] * 7 + ["PROMOTED"]
    assert {done.promotion.id for done in found} == {line.head().id}  # type: ignore[union-attr]
    assert len(line.waivers()) == 1


def test_production_that_moved_meanwhile_stays_where_it_is(line: Line) -> None:
    line.stage("one")
    line.approve("one")
    line.judge("two")
    winner = line.publish("two", "", ApprovalConfig())
    assert isinstance(winner, Published)
    with pytest.raises(TouchstoneError) as told:
        unmoved(review(line.state, "one", line.hub))
    assert (told.value.code, told.value.exit_code) == ("LOST_RACE", 2)
    assert line.finish("one") == Published("LOST_RACE", winner.promotion)
    assert line.head() == winner.promotion
    assert line.get("one", "publication")["outcome"] == "LOST_RACE"


def forged(line: Line, found: Scores) -> None:
    """A run whose verdict lets nothing wait, and a record which says that it does."""
    line.judge("held", found=found)
    verdict = Artifact.open(line.folder / "held/verdict", "verdict").digest
    decision = line.get("held", "verdict")["decision"]
    known = {"run": "held", "decision": decision, "verdict": verdict}
    line.put("held", "awaiting", line.staged("one").model_copy(update=known).model_dump())
    line.approve("held")


def changed(line: Line, what: str, **values: Any) -> None:
    """Somebody edits the run's record."""
    line.put("one", what, line.get("one", what) | values)


def softened(line: Line) -> None:
    """Rules and verdict are rewritten so that they fit each other."""
    folder = line.folder / "edited"
    for entry in (record := State(line.state).run("one")).list():
        record.download(entry.key, folder / entry.key)
    case = json.loads((folder / "case.json").read_bytes())
    case["config"]["min_gain"] = 0.0
    (folder / "case.json").write_bytes(canonical(case))
    line.put("one", "case", case)
    line.put("one", "verdict", Case(folder).verdict().as_json())


def another_s(line: Line) -> None:
    line.stage("two")
    line.approve("two")
    State(line.state).put("approvals/one.json", State(line.state).get("approvals/two.json"))


def other_files(line: Line) -> None:
    """Before the approval, what waits is exchanged for the files of another candidate."""
    revision = line.stage("two").revision
    changed(line, "awaiting", revision=revision)
    line.approve("one")


def by_nobody(line: Line) -> None:
    eve = ApprovalConfig(approvers={"ann": public(BEN)})
    keep(State(line.state), sign(line.staged("one"), "trust me", BEN, eve))


TRICKS: dict[str, tuple[Callable[[Line], Any], str]] = {
    "nobody approved": (lambda line: None, "NOT_APPROVED"),
    "another key in her name": (by_nobody, "APPROVAL_REFUSED"),
    "another run's approval": (another_s, "APPROVAL_REFUSED"),
    "another reason": (lambda line: line.approve("one", reason="none"), "APPROVAL_REFUSED"),
    "another day": (lambda line: line.approve("one", day="2030-01-01"), "APPROVAL_REFUSED"),
    "no approval at all": (lambda line: State(line.state).put("approvals/one.json", {"ok": True}), "APPROVAL_REFUSED"),
    "more time": (
        lambda line: (line.approve("one"), changed(line, "awaiting", expires="2099-01-01")),
        "APPROVAL_REFUSED",
    ),
    "too late": (
        lambda line: (changed(line, "awaiting", expires="2020-01-01"), line.approve("one")),
        "APPROVAL_EXPIRED",
    ),
    "another verdict": (lambda line: (line.approve("one"), changed(line, "verdict", gain=0.5)), "REPLAY_DIFFERS"),
    "softer rules": (lambda line: (line.approve("one"), softened(line)), "NOT_APPROVABLE"),
    "files of another candidate": (other_files, "NOT_APPROVABLE"),
    "another champion": (
        lambda line: (changed(line, "awaiting", champion="s3://tests/m@1"), line.approve("one")),
        "NOT_APPROVABLE",
    ),
    "another hub": (
        lambda line: (changed(line, "awaiting", target="s3://tests/mine"), line.approve("one")),
        "NOT_APPROVABLE",
    ),
    "the ledger is gone": (
        lambda line: (line.approve("one"), State(line.state).folder.delete("ledger.json")),
        "LEDGER_BROKEN",
    ),
}


@pytest.mark.parametrize("trick", TRICKS)
def test_what_is_not_approved_as_it_stands_is_refused(line: Line, trick: str) -> None:
    play, code = TRICKS[trick]
    line.stage("one")
    play(line)
    with pytest.raises(TouchstoneError) as told:
        line.finish("one")
    assert told.value.code == code
    assert line.head() is None
    assert State(line.state).get("runs/one/publication.json") is None


HOLDS = {
    "not better": scores(0.0),
    "suspicious, and a guard got worse": suspicious(guard=-0.2),
    "too little evidence": scores(0.05, queries=400),
}


@pytest.mark.parametrize("case", HOLDS)
def test_no_other_hold_waits_and_none_can_be_approved(line: Line, case: str) -> None:
    line.stage("one")
    forged(line, HOLDS[case])
    with pytest.raises(TouchstoneError) as told:
        line.publish("held", "", ASKED)
    assert told.value.code == "NOT_PROMOTABLE"
    with pytest.raises(TouchstoneError) as told:
        line.finish("held")
    assert (told.value.code, told.value.exit_code) == ("NOT_APPROVABLE", 2)
    assert told.value.what == "run held cannot be approved"
    assert line.head() is None and line.waivers() == []


def test_a_run_that_does_not_wait_cannot_be_approved(line: Line) -> None:
    with pytest.raises(TouchstoneError) as told:
        review(line.state, "nowhere", line.hub)
    assert (told.value.code, told.value.exit_code) == ("NOT_AWAITING", 2)


def test_a_suspicion_is_a_hold_where_nobody_may_approve(line: Line) -> None:
    line.judge("one", found=suspicious())
    assert line.get("one", "verdict")["decision"] == "HOLD_SUSPICIOUS"
    with pytest.raises(TouchstoneError, match="does not promote"):
        line.publish("one", "", ApprovalConfig())
    assert list(Folder(line.hub).list()) == []

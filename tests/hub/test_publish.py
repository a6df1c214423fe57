"""Promotion into a real S3 store: what moves, what does not, and what stands beside it."""

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from components.evaluation.scores import Contender
from components.gate.approval_config import ApprovalConfig
from components.gate.config import GateConfig
from components.gate.decision import decide
from components.gate.files import read_verdict, write_verdict
from components.gate.verdict import Look
from components.hub.moving import Published
from components.hub.publish import promote, publish
from components.hub.rollback import rollback
from components.store.errors import TouchstoneError
from components.store.models import Model, Promotion, write_model
from components.store.pull import pin, pull
from components.store.s3 import Folder
from components.store.s3_models import S3Models
from components.store.state import State
from components.store.stores import open_models
from tests.gate.cases import CLEAN, TRAINING, scores, small_model
from tests.hub.served import DECLARED, evidence
from tests.store.pointer import move

LOOK = Look(number=3, alpha=0.05 / 52, left=49, year=2026, ledger_head="a" * 64, ledger_length=3)


@dataclass(frozen=True)
class Line:
    """A line with its own state and hub, where candidates get verdicts and are published."""

    state: str
    hub: str
    folder: Path

    def candidate(self, name: str) -> Model:
        """The artifact of a small model; asked for again, the same one."""
        path = self.folder / name
        return Model.open(path) if path.exists() else small_model(self.folder, name)

    def verdict(self, name: str, champion: str = "", gain: float = 0.05, **changed: Any) -> Path:
        """What the gate decides on the candidate `name`."""
        found = scores(gain, 0.05 if champion else None, fingerprint=self.candidate(name).fingerprint)
        if champion:
            found = replace(found, contenders=found.contenders | {"champion": Contender(champion, "of the champion")})
        verdict = decide(found, CLEAN, LOOK, GateConfig(looks=5), found.inputs)
        path = self.folder / f"{name} {gain} verdict"
        write_verdict(path, verdict.model_copy(update=changed))
        return path

    def publish(self, name: str, champion: str = "", verdict: Path | None = None) -> Published:
        """Promote the candidate `name`, which was judged against `champion`."""
        path, model = verdict or self.verdict(name, champion), self.candidate(name)
        done = publish(
            self.state, f"run-{name}", self.hub, champion, model.path, path, evidence(model), ApprovalConfig(), DECLARED
        )
        assert isinstance(done, Published)
        return done

    def production(self) -> Promotion:
        """What production points at."""
        head = open_models(self.hub).head()
        assert head
        return head

    def publication(self, name: str) -> dict[str, Any]:
        """What the run of the candidate `name` recorded."""
        found = State(f"{self.state}/runs/run-{name}").get("publication.json")
        assert isinstance(found, dict)
        return found

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """No object under the hub's prefix is written, added or taken away."""
        before = list(Folder(self.hub).list())
        yield
        assert list(Folder(self.hub).list()) == before


@pytest.fixture
def line(place: str, tmp_path: Path) -> Line:
    return Line(f"{place}/state", f"{place}/hub", tmp_path)


def test_the_first_promotion_moves_the_pointer_and_is_on_record(line: Line) -> None:
    found = line.publish("one")
    head = line.production()
    assert (found.outcome, found.promotion) == ("PROMOTED", head)
    assert (head.run, head.replaces, head.previous) == ("run-one", "", "")
    assert head.verdict["decision"] == "PROMOTE" and head.verdict["gain"] == 0.05
    assert head.verdict["ledger"] == {"head": LOOK.ledger_head, "length": LOOK.ledger_length}
    assert line.publication("one") == {"outcome": "PROMOTED", "target": line.hub} | head.as_json()
    assert list(S3Models(line.hub).history()) == [head]
    assert pin(line.hub) == f"{line.hub}@{head.revision}"


def test_the_next_one_replaces_the_champion_it_was_judged_against(line: Line) -> None:
    first = line.publish("one").promotion
    found = line.publish("two", champion=pin(line.hub))
    assert (found.outcome, found.promotion) == ("PROMOTED", line.production())
    assert (found.promotion.replaces, found.promotion.previous) == (first.revision, first.id)


@pytest.mark.parametrize("later", [False, True], ids=["at once", "after another promotion"])
def test_a_retry_finds_its_promotion_and_changes_nothing(line: Line, later: bool) -> None:
    first = line.publish("one")
    if later:
        line.publish("two", champion=pin(line.hub))
    with line.unchanged():
        again = line.publish("one")
    assert again == Published("ALREADY_PROMOTED", first.promotion)
    assert line.publication("one")["outcome"] == "ALREADY_PROMOTED"


def test_a_retry_never_undoes_a_rollback(line: Line) -> None:
    first = line.publish("one").promotion
    champion = pin(line.hub)
    second = line.publish("two", champion).promotion
    back = rollback(S3Models(line.hub), first.version, "worse")
    with line.unchanged():
        assert line.publish("two", champion) == Published("ALREADY_PROMOTED", second)
    assert line.production() == back


def test_a_pointer_that_moved_meanwhile_stays_where_it_is(line: Line) -> None:
    line.publish("one")
    champion = pin(line.hub)
    winner = line.publish("two", champion).promotion
    found = line.publish("three", champion)
    assert found == Published("LOST_RACE", winner)
    assert line.production() == winner
    assert line.publication("three")["outcome"] == "LOST_RACE"


def test_a_candidate_judged_without_champion_loses_to_one_that_came_meanwhile(line: Line) -> None:
    winner = line.publish("one").promotion
    assert line.publish("two").outcome == "LOST_RACE"
    assert line.production() == winner


REFUSED = {
    "of another candidate": ("two", "", {}),
    "against another champion": ("one", "s3://tests/other@1", {}),
    "a hold": ("one", "", {"gain": 0.0}),
    "an error": ("one", "", {"decision": "ERROR"}),
    "too little evidence": ("one", "", {"decision": "INSUFFICIENT_EVIDENCE"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_verdict_that_does_not_promote_this_candidate_leaves_the_hub_alone(line: Line, case: str) -> None:
    of, against, changed = REFUSED[case]
    verdict = line.verdict(of, against, **changed)
    with line.unchanged(), pytest.raises(TouchstoneError) as found:
        line.publish("one", verdict=verdict)
    assert found.value.code == "NOT_PROMOTABLE"
    assert State(f"{line.state}/runs/run-one").get("publication.json") is None


def test_a_verdict_reached_without_the_champion_does_not_replace_it(line: Line) -> None:
    line.publish("one")
    verdict = line.verdict("two")
    with line.unchanged(), pytest.raises(TouchstoneError, match="does not promote"):
        line.publish("two", champion=pin(line.hub), verdict=verdict)


def test_a_verdict_edited_after_the_gate_promotes_nothing(line: Line) -> None:
    verdict = line.verdict("one", gain=0.0)
    held = (verdict / "verdict.json").read_text()
    (verdict / "verdict.json").write_text(held.replace("HOLD_NOT_BETTER", "PROMOTE"))
    with line.unchanged(), pytest.raises(TouchstoneError) as found:
        line.publish("one", verdict=verdict)
    assert found.value.code == "BAD_ARTIFACT"


def test_of_eight_promoting_from_the_same_head_one_wins(line: Line) -> None:
    line.publish("one")
    champion, names = pin(line.hub), [f"racer {number}" for number in range(8)]
    verdicts = {name: line.verdict(name, champion) for name in names}
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda name: line.publish(name, champion, verdicts[name]), names))
    assert sorted(known.outcome for known in found) == ["LOST_RACE"] * 7 + ["PROMOTED"]
    [won] = [known.promotion for known in found if known.outcome == "PROMOTED"]
    assert line.production() == won
    assert {known.promotion.id for known in found} == {won.id}, "the losers name the winner"
    assert len(list(S3Models(line.hub).history())) == 2


def test_versions_count_within_a_day(line: Line) -> None:
    before = _today()
    old = line.publish("one").promotion
    move(line.hub, replace(old, id="old", previous=old.id, version="v2020.01.31-7"))
    found = [line.publish(name, pin(line.hub)).promotion.version for name in ("two", "three")]
    if before == _today():
        assert [old.version, *found] == [f"v{before}-1", f"v{before}-1", f"v{before}-2"]


def _today() -> str:
    return datetime.now(UTC).strftime("%Y.%m.%d")


def test_the_same_weights_under_another_verdict_are_another_promotion(line: Line) -> None:
    store, folder = S3Models(line.hub), line.candidate("one").path
    verdict, first = read_verdict(line.verdict("one"))
    assert promote(store, folder, verdict, first, "", "a").outcome == "PROMOTED"
    assert promote(store, folder, verdict, "f" * 64, pin(line.hub), "b").outcome == "PROMOTED"
    assert promote(store, folder, verdict, first, "", "c").outcome == "ALREADY_PROMOTED"


@pytest.fixture(scope="module")
def published(s3: object, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """BERT-tiny promoted with a verdict full of slices, pulled again as the next run's champion; its folder."""
    folder = tmp_path_factory.mktemp("published")
    line = Line("s3://tests/published/state", "s3://tests/published/hub", folder)
    plain = shutil.copytree(tiny_model, folder / "plain")
    (plain / "training.json").write_text(json.dumps(TRAINING))
    write_model(folder / "tiny", plain, reference="trained")
    assert line.publish("tiny").outcome == "PROMOTED"
    pull(pin(line.hub), folder / "champion", optional=True)
    assert Model.open(folder / "champion").fingerprint == line.candidate("tiny").fingerprint
    return folder


def test_the_published_revision_loads_and_gives_the_candidate_s_vectors(published: Path) -> None:
    from sentence_transformers import SentenceTransformer

    texts = ["how do I copy an object", "delete a bucket"]
    vectors = [
        SentenceTransformer(str(published / name), device="cpu").encode(texts, show_progress_bar=False)
        for name in ("tiny", "champion")
    ]
    assert np.array_equal(vectors[0], vectors[1])


def test_the_card_holds_figures_and_digests_and_quotes_no_query(published: Path) -> None:
    verdict, digest = read_verdict(published / "tiny 0.05 verdict")
    card = (published / "champion/README.md").read_text()
    for known in (
        digest,
        verdict.inputs["snapshot"],
        verdict.contenders["base"]["fingerprint"],
        "PROMOTE",
        "+0.050",
        "3 of 2026, 49 left",
    ):
        assert known in card
    assert "| candidate | 0.550 | 0.550 | 0.550 | 0.550 |" in card
    assert "| docstrings | 0.500 |" in card
    found = scores(0.05)
    for secret in (*found.queries, *found.clusters, *found.sources, "service:s3"):
        assert secret not in card

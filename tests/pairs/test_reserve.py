"""The reserve side becomes the sealed one: on made-up corpora, and on the workshop's documents with real models."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from components.corpus import snapshot
from components.pairs import exam, mine, reserve, sealed, split
from components.pairs.config import PairsConfig
from components.pairs.judged import Query
from components.pairs.known import Known
from components.store.artifact import Artifact
from components.store.errors import TransientError, UserError
from components.store.state import State
from components.training.lineage import remember
from tests.pairs.growing import EVEN, Corpus, history, matching, name_of, only, query, some
from tests.pairs.workshop import PLACE, PLACES, SHARES, SOURCES, Setting


def turn(corpus: Corpus, found: split.Split, judged: list[Query] | None = None, seen: tuple[str, ...] = ()) -> None:
    after = reserve.turned(found, {name_of(name) for name in seen}).split
    reserve.turn(State(corpus.place), after, judged or [], {"was": "a", "sealed": "b"})


@pytest.fixture
def corpus(place: str) -> Corpus:
    """A document on each side, named by it."""
    rng, made = random.Random(3), Corpus(place)
    for side in EVEN:
        made.texts[side] = some(rng, 60)
        made.run(only(side))
    return made


NOW = {"train": "train", "dev": "dev", "sealed": "train", "reserve": "sealed"}


def test_the_reserve_judges_and_what_judged_trains(corpus: Corpus) -> None:
    turn(corpus, corpus.run(EVEN))
    after = corpus.run(EVEN)
    assert corpus.sides(after) == NOW
    assert after.moved == 0, "the turn is no move of this run"


@pytest.mark.parametrize("change", ["edited", "gone and copied", "renamed"])
def test_what_becomes_of_a_document_is_so_for_its_group_and_its_versions(corpus: Corpus, change: str) -> None:
    rng = random.Random(4)
    for side in ("sealed", "reserve"):
        text = corpus.texts.pop(side)
        match change:
            case "edited":
                corpus.texts[side] = some(rng, 60)
            case "gone and copied":
                corpus.texts[f"{side} again"] = f"well {text}"
            case "renamed":
                corpus.texts[f"{side} again"] = text
    turn(corpus, corpus.run(EVEN))
    known = Known.read(State(corpus.place).folder, State(corpus.place).get("split.json")["segments"])
    assert sorted(known.sides.tolist()) == sorted([0, 1, 0, 0, 2, 2]), "the older versions too"
    after = corpus.sides(corpus.run(only("dev")))
    assert after == {name: NOW[name.removesuffix(" again")] for name in corpus.texts}


@pytest.mark.parametrize("seed", range(6))
def test_no_history_with_turns_lets_a_text_train_and_judge_or_judge_again(place: str, seed: int) -> None:
    rng, corpus, trained = random.Random(seed), Corpus(place), set[str]()
    paragraphs = [some(rng, rng.randint(34, 60)) for _ in range(5)]
    for _ in range(4):
        history(rng, corpus, paragraphs)
        history(rng, corpus, paragraphs)
        found = corpus.run(EVEN)
        sides = corpus.sides(found)
        assert not [pair for pair in matching(corpus) if sides[pair[0]] != sides[pair[1]]]
        assert not [name for name in trained & sides.keys() if sides[name] != "train"]
        if "reserve" not in sides.values():
            continue
        turn(corpus, found)
        trained |= {name for name, side in sides.items() if side in ("train", "sealed")}


@pytest.mark.parametrize("gone", [False, True])
def test_a_group_of_which_a_model_has_seen_a_document_trains(corpus: Corpus, gone: bool) -> None:
    corpus.texts["copy"] = corpus.texts["reserve"] + " once more"
    corpus.texts["other"] = some(random.Random(5), 60)
    found = corpus.run(only("reserve"))
    if gone:
        del corpus.texts["reserve"]
        found = corpus.run(EVEN)
    turn(corpus, found, seen=("copy",))
    known = {"copy": "train", "other": "sealed"} | ({} if gone else {"reserve": "train"})
    after = corpus.run(EVEN)
    assert corpus.sides(after).items() >= known.items()
    assert after.moved == gone, "what is gone follows its group; the others went with it at once"


def test_burnt_queries_are_not_counted_as_retired_and_never_judge_again(corpus: Corpus) -> None:
    asked = [query("was sealed", "sealed"), query("new", "reserve"), query("dev", "dev")]
    found = corpus.run(EVEN, asked)
    turn(corpus, found, judged=asked[:1])
    after = corpus.run(EVEN, asked)
    assert after.retired == ()
    assert after.burnt == {split.hidden("was sealed")}
    bridge = corpus.texts | {"bridge": "\n".join([corpus.texts["reserve"], corpus.texts["sealed"]])}
    retired = Corpus(corpus.place, bridge).run(EVEN, asked)
    assert retired.retired == (split.hidden("new"),), "from here on it is counted again"
    grown = Corpus(corpus.place, bridge | {"fresh": some(random.Random(6), 60)})
    turn(grown, grown.run(only("reserve"), asked))
    last = grown.run(EVEN, asked)
    assert (last.retired, last.burnt) == ((), {split.hidden("was sealed"), split.hidden("new")})


def test_a_turn_that_a_run_came_before_changes_nothing(corpus: Corpus) -> None:
    found = corpus.run(EVEN)
    corpus.texts["new"] = some(random.Random(5), 60)
    corpus.run(EVEN)
    before = State(corpus.place).get("split.json")
    with pytest.raises(TransientError, match="meanwhile"):
        turn(corpus, found)
    assert State(corpus.place).get("split.json") == before
    assert reserve.generations(State(corpus.place)) == []


def test_a_turn_leaves_its_record_in_the_split_and_later_runs_keep_it(corpus: Corpus) -> None:
    turn(corpus, corpus.run(EVEN))
    corpus.texts["new"] = some(random.Random(5), 60)
    corpus.run(EVEN)
    assert reserve.generations(State(corpus.place)) == [{"was": "a", "sealed": "b"}]


def laid_out(setting: Setting, state: str, base: Path, work: Path, **config: object) -> tuple[mine.Laid, PairsConfig]:
    known = {"judged": f"{PLACE}/judged", "shares": SHARES, "min_pairs": 20} | config
    checked = PairsConfig.parse(known, where="pairs")
    where, artifact = (state, snapshot.take(state, PLACES).digest), Artifact.open(setting.documents, "documents")
    return mine.lay_out(where, artifact, base, SOURCES, (128, 0), checked, work), checked


def test_the_next_run_seals_what_the_turn_foresaw_and_nothing_that_judged(
    setting: Setting, place: str, tmp_path: Path
) -> None:
    outputs = setting.run(place, tmp_path / "first")[1]
    facts = Artifact.open(outputs.judged, "judged").facts
    old = sealed.fetch(place, facts["sealed"], folder(tmp_path / "old"))
    laid, config = laid_out(setting, place, setting.base, tmp_path)
    after = reserve.turned(laid.material.split, set())
    material = replace(laid.material, split=after.split)
    new = exam.sat(laid.test, material, config.questions, place)["sealed"]
    reserve.turn(State(place), after.split, old, {"was": facts["sealed"], "sealed": "new"})
    found, outputs = setting.run(place, tmp_path / "second")
    digest = Artifact.open(outputs.judged, "judged").facts["sealed"]
    judged = sealed.fetch(place, digest, folder(tmp_path / "new"))
    assert judged == new
    assert not {one.id for one in judged} & {one.id for one in old}
    assert after.documents == {"trained": _count(laid, "sealed"), "sealed": _count(laid, "reserve"), "seen": 0}
    assert (found.leakage["retired"], found.leakage["near"]) == (0, 0)
    pairs = {row["document"] for row in Artifact.open(outputs.pairs, "pairs").rows("pairs")}
    assert pairs >= {one for query in old for one in query.relevant}, "what judged trains"


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def _count(laid: mine.Laid, side: str) -> int:
    return sum(of == side for of in laid.material.split.sides.values())


def test_a_burnt_query_that_is_asked_of_another_document_judges_nothing(
    setting: Setting, place: str, tmp_path: Path
) -> None:
    laid, config = laid_out(setting, place, setting.base, tmp_path)
    sides = exam.sat(laid.test, laid.material, config.questions, place)
    burnt = frozenset(split.hidden(one.id) for one in (*sides["sealed"][:2], *sides["dev"][:1], *sides["train"][:1]))
    known = replace(laid.material, split=replace(laid.material.split, burnt=burnt))
    after = exam.sat(laid.test, known, config.questions, place)
    assert (after["sealed"], after["dev"]) == (sides["sealed"][2:], sides["dev"][1:])
    assert after["train"] == sides["train"], "its documents are still no wrong answers"
    assert laid.test.dropped["JUDGED_AN_EARLIER_GENERATION"] == 3


@pytest.fixture(scope="module")
def champion(setting: Setting, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of another line, in which some documents trained that lie on the reserve side here."""
    work = tmp_path_factory.mktemp("another")
    shares = {"train": 0.92, "dev": 0.04, "sealed": 0.04}
    outputs = setting.run("s3://tests/reserve/another", work / "mined", shares=shares)[1]
    model = Path(shutil.copytree(setting.base, work / "model"))
    (model / "training.json").write_text("{}")
    remember(model, outputs.pairs, setting.base)
    return model


def test_documents_that_the_champion_was_trained_on_train_and_never_judge(
    setting: Setting, champion: Path, place: str, tmp_path: Path
) -> None:
    outputs = setting.run(place, tmp_path / "first")[1]
    laid, _ = laid_out(setting, place, setting.base, tmp_path)
    known = reserve.seen(laid.material, [setting.base, champion], Artifact.open(outputs.pairs, "pairs"))
    after = reserve.turned(laid.material.split, known)
    was = {one for one, side in laid.material.split.sides.items() if side == "reserve"}
    kept = {one for one, side in after.split.sides.items() if side == "sealed"}
    rows = Artifact.open(champion.parent / "mined" / "pairs", "pairs").rows("pairs")
    seen = {row["document"] for row in rows} & was
    assert seen
    assert was - kept >= seen
    assert after.documents["seen"] == len(was - kept) < len(was)
    assert {after.split.sides[one] for one in was - kept} == {"train"}
    groups = laid.material.split.groups
    assert not {groups[one] for one in kept} & {groups[one] for one in was - kept}


@pytest.mark.parametrize(("seen", "counted"), [((), "none"), (("reserve",), "1 documents, all seen by the base or")])
def test_a_line_without_a_reserve_opens_nothing(corpus: Corpus, seen: tuple[str, ...], counted: str) -> None:
    if not seen:
        del corpus.texts["reserve"]
    with pytest.raises(UserError, match=f"no document of the reserve side can judge: found {counted}") as found:
        turn(corpus, corpus.run(EVEN), seen=seen)
    assert found.value.code == "NO_RESERVE"
    assert "pairs.shares" in found.value.fix

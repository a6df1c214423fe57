"""The sticky split, over a real object store: made-up corpora that grow, and what may never happen to them."""

import hashlib
import io
import random
from collections import Counter

import pyarrow.parquet as pq
import pytest

from components.pairs import split
from components.pairs.config import Side
from components.pairs.judged import Query
from components.store.errors import TouchstoneError
from components.store.s3 import Folder
from components.store.state import State
from tests.pairs.growing import EVEN, SHARES, Corpus, name_of, only, query, some, violations


@pytest.fixture
def corpus(place) -> Corpus:
    rng = random.Random(7)
    return Corpus(place, {name: some(rng, 60) for name in ("a", "b", "c")})


def test_shares_hold_over_many_groups(place):
    rng = random.Random(1)
    texts = {f"{n}": some(rng, 20) for n in range(1500)}
    grown = Corpus(place, texts | {f"{n} again": text for n, text in texts.items()})
    found = grown.sides(grown.run(SHARES))
    counted = Counter(found[f"{n}"] for n in range(1500))
    assert {side: counted[side] / 1500 for side in SHARES} == pytest.approx(SHARES, abs=0.04)
    assert all(found[f"{n}"] == found[f"{n} again"] for n in range(1500)), "equal texts are on one side"


@pytest.mark.parametrize("change", ["edit", "rename", "edit twice", "leave and return", "quote"])
def test_a_document_keeps_its_side_through_edits_and_renames_and_newcomers_inherit(corpus, change):
    rng = random.Random(2)
    corpus.run(only("sealed"))
    text = corpus.texts["a"]
    match change:
        case "edit":
            corpus.texts["a"] = some(rng, 60)
        case "rename":
            del corpus.texts["a"]
            corpus.texts["new"] = text
        case "edit twice":
            corpus.texts["a"] = some(rng, 60)
            corpus.run(only("train"))
            corpus.texts["new"] = text + " once more"
        case "leave and return":
            del corpus.texts["a"]
            corpus.run(only("train"))
            corpus.texts["new"] = "well " + text
        case "quote":
            corpus.texts["new"] = f"{some(rng, 200)}\n{text}"
    found = corpus.run(only("train"))
    assert set(corpus.sides(found).values()) == {"sealed"}
    assert found.moved == 0
    corpus.texts["stranger"] = some(rng, 60)
    assert corpus.sides(corpus.run(only("dev")))["stranger"] == "dev"


@pytest.mark.parametrize(
    ("held", "winner"),
    [(("sealed", "train"), "train"), (("reserve", "sealed", "dev"), "dev"), (("reserve",), "reserve")],
)
def test_a_document_that_bridges_groups_takes_them_to_the_first_side_on_record(place, held, winner):
    rng = random.Random(3)
    corpus, texts = Corpus(place), {side: some(rng, 40) for side in held}
    for side, text in texts.items():
        corpus.texts[side] = text
        corpus.run(only(side))
    asked = [query("1", "sealed"), query("2", "dev"), query("3", "dev", "sealed")]
    corpus.texts["bridge"] = "\n".join(texts.values())
    found = corpus.run(only("sealed"), asked)
    assert set(corpus.sides(found).values()) == {winner}
    assert found.moved == len(held) - 1
    assert len(found.retired) == ("sealed" in held), "only the query that was sealed before"
    again = corpus.run(only("sealed"), asked)
    assert (again.sides, again.moved, again.retired) == (found.sides, 0, found.retired)


@pytest.mark.parametrize("change", ["edit", "rename", "near copy", "quote", "quote and leave"])
def test_a_document_is_as_old_as_the_oldest_that_ever_was_in_its_group(corpus, change):
    rng = random.Random(10)
    assert corpus.run(EVEN).segments == 1
    text = corpus.texts["a"]
    match change:
        case "edit":
            corpus.texts["a"] = some(rng, 60)
        case "rename":
            corpus.texts["new"] = corpus.texts.pop("a")
        case "near copy":
            corpus.texts["new"] = text + " once more"
        case _:
            corpus.texts["new"] = f"{some(rng, 200)}\n{text}"
    corpus.texts["stranger"] = some(rng, 60)
    found = corpus.run(EVEN)
    expected = dict.fromkeys(corpus.texts, 0) | {"stranger": 1}
    assert (corpus.ages(found), found.segments) == (expected, 2)
    if change == "quote and leave":
        del corpus.texts["a"]
    corpus.texts["latest"] = some(rng, 60)
    found = corpus.run(EVEN)
    assert (corpus.ages(found), found.segments) == (
        {name: {**expected, "latest": 2}[name] for name in corpus.texts},
        3,
    )


def test_a_younger_group_that_is_connected_to_an_older_one_stays_old_without_what_connected_them(corpus):
    rng = random.Random(11)
    corpus.run(only("sealed"))
    corpus.texts["young"] = some(rng, 60)
    assert corpus.ages(corpus.run(only("sealed")))["young"] == 1
    corpus.texts["bridge"] = "\n".join([corpus.texts["a"], corpus.texts["young"]])
    found = corpus.run(only("sealed"))
    assert (set(corpus.ages(found).values()), found.moved) == ({0}, 0)
    del corpus.texts["bridge"], corpus.texts["a"]
    found = corpus.run(only("sealed"))
    assert (corpus.ages(found)["young"], found.segments) == (0, 3)


def test_what_a_segment_without_ages_holds_came_in_with_it(corpus):
    corpus.run(only("sealed"))
    corpus.texts["young"] = some(random.Random(12), 60)
    corpus.run(only("sealed"))
    state = State(corpus.place)
    known = state.get(split.SPLIT)
    known["segments"] = [_without_ages(state.folder / "split", name) for name in known["segments"]]
    state.put(split.SPLIT, known)
    found = corpus.run(only("train"))
    assert corpus.ages(found) == {"a": 0, "b": 0, "c": 0, "young": 1}
    assert set(corpus.sides(found).values()) == {"sealed"}


def _without_ages(folder: Folder, name: str) -> str:
    """The segment as it was written before there were ages; its name."""
    out = io.BytesIO()
    pq.write_table(pq.read_table(io.BytesIO(folder.read(f"{name}.parquet"))).drop_columns("born"), out)
    digest = hashlib.sha256(out.getvalue()).hexdigest()
    folder.write(f"{digest}.parquet", out.getvalue())
    return digest


def test_documents_that_answer_one_query_go_together_but_none_moves_for_it(corpus):
    asked = [query("1", "a", "b"), query("2", "b", "c")]
    together = corpus.sides(corpus.run(SHARES, asked))
    assert len(set(together.values())) == 1
    corpus.texts |= {"d": some(random.Random(4), 60), "e": some(random.Random(5), 60)}
    side = together["a"]
    other: Side = "dev" if side != "dev" else "sealed"
    corpus.run(only(other), [query("3", "e", "a")])
    found = corpus.run(only("reserve"), [query("4", "d", "e"), *asked])
    assert corpus.sides(found) == {**together, "e": side, "d": other}
    assert found.moved == 0


def test_a_crowd_of_near_copies_trains(place):
    rng = random.Random(6)
    page = some(rng, 200)
    corpus = Corpus(place, {f"copy {n}": f"{page} {n}" for n in range(12)} | {f"{n}": some(rng, 40) for n in range(20)})
    found = corpus.run(only("sealed"))
    assert Counter(corpus.sides(found).values()) == {"train": 12, "sealed": 20}
    assert found.largest == pytest.approx(12 / 32)


def test_a_segment_that_was_changed_ends_the_run(corpus):
    corpus.run(SHARES)
    (segment,) = State(corpus.place).get(split.SPLIT)["segments"]
    Folder(corpus.place).write(f"split/{segment}.parquet", b"other")
    with pytest.raises(TouchstoneError) as raised:
        corpus.run(SHARES)
    assert raised.value.code == "STATE_CORRUPT"


def test_a_run_without_news_writes_nothing(corpus):
    corpus.run(SHARES)
    before = [(entry.key, entry.etag) for entry in Folder(corpus.place).list()]
    corpus.run(SHARES)
    assert [(entry.key, entry.etag) for entry in Folder(corpus.place).list()] == before


def test_a_query_that_spans_sides_judges_nothing():
    sides: dict[str, Side] = {name_of("a"): "dev", name_of("b"): "dev", name_of("c"): "sealed"}
    dropped: Counter[str] = Counter()
    inside, spanning, single = query("1", "a", "b"), query("2", "b", "c"), query("3", "c")
    assert split.by_side([inside, spanning, single], sides, dropped) == {"dev": [inside], "sealed": [single]}
    assert dropped == {"QUERY_SPANS_SIDES": 1}


def test_a_cluster_is_a_component_of_queries_and_the_groups_of_their_documents():
    groups = {name_of(name): group for name, group in {"a": "1", "b": "1", "c": "2", "d": "3"}.items()}
    uris = {name_of("a"): "s3://b/x/a.md", name_of("b"): "s3://b/x/b.md", name_of("c"): "s3://b/x/c#7"}
    asked = [query("1", "a"), query("2", "c", "b"), query("3", "d")]
    found = split.clusters(asked, known(groups), uris | {name_of("d"): "s3://b/d.md"})
    assert [(q.cluster, q.source) for q in found] == [("1", "s3://b/x"), ("1", "s3://b/x"), ("3", "s3://b")]


@pytest.mark.parametrize(
    ("relevant", "group", "born"),
    [
        ({"c": 1}, "2", 3),
        ({"a": 1, "c": 2}, "2", 0),
        ({"a": 2, "c": 1}, "1", 0),
        ({"c": 2, "d": 2}, "3", 3),
        ({"c": 2, "d": 1}, "2", 3),
    ],
)
def test_a_query_has_the_group_of_its_best_document_and_the_age_of_its_oldest(relevant, group, born):
    assert name_of("d") < name_of("c"), "of two that are as good the first by id counts"
    groups = {name_of(name): group for name, group in {"a": "1", "c": "2", "d": "3"}.items()}
    ages = {name_of("a"): 0, name_of("c"): 3, name_of("d"): 5}
    asked = Query("1", "which", (), {name_of(name): grade for name, grade in relevant.items()})
    (found,) = split.clusters([asked], known(groups, ages), dict.fromkeys(groups, "s3://b/x"))
    assert (found.group, found.born) == (group, born)


def known(groups: dict[str, str], ages: dict[str, int] | None = None) -> split.Split:
    """A split of documents in these groups."""
    return split.Split({}, groups, ages or dict.fromkeys(groups, 0), 1, 0, (), 0.0)


@pytest.mark.parametrize("seed", range(16))
def test_no_history_of_growth_lets_a_text_train_and_judge_or_moves_one_in_silence(place, seed):
    assert list(violations(place, seed)) == []


def test_the_order_of_arrival_of_queries_and_documents_within_a_run_changes_nothing(place):
    rng = random.Random(8)
    texts = {f"{n}": some(rng, 40) for n in range(40)}
    asked = [query(f"{n}", *rng.sample(sorted(texts), 2)) for n in range(10)]
    found = []
    for n in range(2):
        corpus = Corpus(f"{place}/{n}", dict(rng.sample(list(texts.items()), len(texts))))
        found.append(corpus.run(EVEN, rng.sample(asked, len(asked))).sides)
    assert found[0] == found[1]
    assert len(set(found[0].values())) == len(EVEN)


def test_retired_queries_are_named_by_a_hash(corpus):
    corpus.run(only("sealed"))
    corpus.texts["t"] = some(random.Random(9), 50)
    corpus.run(only("train"))
    corpus.texts["bridge"] = "\n".join([corpus.texts["a"], corpus.texts["t"]])
    asked = [query("secret name", "a"), query("and a newcomer", "a", "bridge"), query("of training", "t")]
    found = corpus.run(EVEN, asked)
    names = (b"secret name", b"and a newcomer")
    assert found.retired == tuple(sorted(hashlib.sha256(name).hexdigest()[:16] for name in names))

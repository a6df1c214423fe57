"""The sticky split, over a real object store: made-up corpora that grow, and what may never happen to them."""

import hashlib
import random
from collections import Counter

import pytest

from components.pairs import split
from components.pairs.config import Side
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
    found = split.clusters(asked, groups, uris | {name_of("d"): "s3://b/d.md"})
    assert [(q.cluster, q.source) for q in found] == [("1", "s3://b/x"), ("1", "s3://b/x"), ("3", "s3://b")]


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

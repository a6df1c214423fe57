"""The sticky split, over a real object store."""

import random
from collections import Counter, defaultdict

import pytest

from components.pairs import split
from components.pairs.config import Side
from components.pairs.judged import Query
from components.store.state import State

SHARES: dict[Side, float] = {"train": 0.7, "dev": 0.1, "sealed": 0.1, "reserve": 0.1}


def query(name: str, *documents: str) -> Query:
    return Query(name, f"question {name}", (), dict.fromkeys(documents, 1))


def alone(*documents: str) -> dict[str, str]:
    """Documents that are each their own group."""
    return {document: document for document in documents}


def on(side: Side) -> dict[Side, float]:
    """Shares that send everything to one side."""
    return {side: 1.0}


def test_shares_hold_over_many_components(place):
    groups = {f"d{n}": f"g{n % 2000}" for n in range(5000)}
    sides = split.assign(State(place), groups, [], SHARES)
    of_group = {group: sides[document] for document, group in groups.items()}
    assert [of_group[group] for group in groups.values()] == list(sides.values()), "a group is on one side"
    counted = Counter(of_group.values())
    assert {side: counted[side] / 2000 for side in SHARES} == pytest.approx(SHARES, abs=0.03)


def test_documents_of_a_group_or_a_query_are_connected_and_of_nothing_else():
    groups = {"a": "1", "b": "1", "c": "2", "d": "3", "e": "4", "f": "4", "g": "5"}
    queries = [query("x", "b", "c"), query("y", "c", "d"), query("z", "g")]
    components = split.connect(groups, queries)
    assert components == {"a": "1", "b": "1", "c": "1", "d": "1", "e": "4", "f": "4", "g": "5"}


def test_a_document_keeps_its_side_and_newcomers_inherit(place):
    state = State(place)
    split.assign(state, alone("a"), [], on("sealed"))
    split.assign(state, alone("b"), [], on("dev"))
    grown = {"a": "a", "a2": "a", "b": "b", "asked with b": "q", "new": "new"}
    sides = split.assign(state, grown, [query("x", "b", "asked with b")], on("train"))
    assert sides == {"a": "sealed", "a2": "sealed", "b": "dev", "asked with b": "dev", "new": "train"}
    assert split.assign(state, alone("b"), [], on("train")) == {"b": "dev"}, "only the documents asked for"
    assert split.assign(state, alone("a"), [], on("train")) == {"a": "sealed"}, "also after a run without it"


@pytest.mark.parametrize(
    ("held", "newcomers"),
    [({"train", "sealed"}, "train"), ({"reserve", "dev", "sealed"}, "dev"), ({"reserve"}, "reserve")],
)
def test_newcomers_go_where_their_component_was_trained_on(place, held, newcomers):
    state = State(place)
    for side in sorted(held):
        split.assign(state, alone(side), [], on(side))
    sides = split.assign(state, {**alone(*held), "new": "new"}, [query("joins all", "new", *held)], on("sealed"))
    assert sides == {**{side: side for side in held}, "new": newcomers}


def test_a_query_that_spans_sides_judges_nothing():
    sides = {"a": "dev", "b": "dev", "c": "sealed"}
    dropped: Counter[str] = Counter()
    inside, spanning, single = query("1", "a", "b"), query("2", "b", "c"), query("3", "c")
    assert split.by_side([inside, spanning, single], sides, dropped) == {"dev": [inside], "sealed": [single]}
    assert dropped == {"QUERY_SPANS_SIDES": 1}


def test_a_cluster_is_a_component_of_queries_and_the_groups_of_their_documents():
    groups = {"a": "1", "b": "1", "c": "2", "d": "3"}
    uris = {"a": "s3://b/x/a.md", "b": "s3://b/x/b.md", "c": "s3://b/y/c.jsonl#7", "d": "s3://b/d.md"}
    found = split.clusters([query("1", "a"), query("2", "c", "b"), query("3", "d")], groups, uris)
    assert [(q.cluster, q.source) for q in found] == [("1", "s3://b/x"), ("1", "s3://b/x"), ("3", "s3://b")]


def test_the_order_of_documents_and_queries_changes_nothing(place):
    rng = random.Random(3)
    groups = {f"d{n}": f"g{n % 40}" for n in range(60)}
    queries = [query(f"{n}", *rng.sample(sorted(groups), 2)) for n in range(15)]
    found = []
    for n in range(3):
        shuffled = dict(rng.sample(list(groups.items()), len(groups)))
        some = split.assign(State(f"{place}/{n}"), shuffled, rng.sample(queries, len(queries)), SHARES)
        found.append(dict(sorted(some.items())))
    assert found[0] == found[1] == found[2]
    assert len(set(found[0].values())) > 1


@pytest.mark.parametrize("seed", range(50))
def test_no_history_of_growth_moves_a_document(place, seed):
    """Documents come and go, groups merge and are renamed, queries connect; the shares change too."""
    rng = random.Random(seed)
    known: dict[str, Side] = {}
    near: dict[str, str] = {}
    state, queries = State(place), list[Query]()
    for run in range(4):
        for n in range(rng.randint(1, 12)):
            near[f"{rng.random()}"] = rng.choice([*near, f"alone {run} {n}"])
        present = rng.sample(sorted(near), rng.randint(1, len(near)))
        groups = grouped(near, present)
        queries = [query(f"{n}", *rng.sample(present, rng.randint(1, min(3, len(present))))) for n in range(3)]
        shares = dict(zip(SHARES, rng.choice([(0.7, 0.1, 0.1, 0.1), (0.25,) * 4, (0, 0, 1, 0)]), strict=True))
        sides = split.assign(state, groups, queries, shares)
        check_newcomers(known, sides, split.connect(groups, queries))
        known |= {document: side for document, side in sides.items() if document not in known}
        assert sides == {document: known[document] for document in present}
    assert state.get(split.SPLIT) == known


def grouped(near: dict[str, str], present: list[str]) -> dict[str, str]:
    """Groups of the documents that are there, named by their smallest, as `gather` names them."""
    links = split.Components()
    for document, other in near.items():
        links.join([document, other])
    members: dict[str, list[str]] = defaultdict(list)
    for document in present:
        members[links.find(document)].append(document)
    return {document: min(members[links.find(document)]) for document in present}


def check_newcomers(known: dict[str, Side], sides: dict[str, Side], components: dict[str, str]) -> None:
    """All newcomers of a component are on one side: the first that trained on it, if any did."""
    for component in set(components.values()):
        inside = [document for document, its in components.items() if its == component]
        held = {known[document] for document in inside if document in known}
        new = {sides[document] for document in inside if document not in known}
        assert len(new) <= 1
        assert not held or not new or new == {next(side for side in SHARES if side in held)}

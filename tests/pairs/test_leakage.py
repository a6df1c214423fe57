"""How much of what trains can be found in what judges."""

from components.pairs.leakage import Leakage, measure

GROUPS = {"a": "1", "b": "1", "c": "2", "d": "3", "e": "3", "f": "4"}
SIDES = {"a": "train", "b": "sealed", "c": "sealed", "d": "dev", "e": "sealed", "f": "train"}


def test_judging_documents_with_a_near_duplicate_in_training_are_counted():
    found = measure(["b", "c", "e", "c"], GROUPS, SIDES, ["an anchor"])
    assert found == Leakage(sealed_documents=3, near=1, equal_anchors=1)
    assert found.share == 1 / 3


def test_without_judging_documents_the_share_is_zero():
    assert measure([], GROUPS, SIDES, []).share == 0

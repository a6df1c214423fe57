"""How much the first ten change."""

import numpy as np
import pytest

from components.evaluation.churn import Churn
from components.retrieval.index import Ranking


def ranking(*rows: list[int]) -> Ranking:
    return Ranking(np.array(rows), np.zeros((len(rows), len(rows[0])), np.float32))


TEN = list(range(10))


def test_other_documents_and_another_order_are_told_apart():
    old = ranking([*TEN, 10], [*TEN, 10], [*TEN, 10], [*TEN, 10])
    new = ranking([*TEN, 11], [*TEN[::-1], 10], [10, *TEN], [*range(20, 31)])
    found = Churn.between(old, new)
    assert (found.queries, found.changed, found.reordered) == (4, 0.5, 0.25)
    assert found.overlap == pytest.approx((1 + 1 + 0.9 + 0) / 4)


def test_fewer_than_ten_results_are_compared_as_they_are():
    found = Churn.between(ranking([3, 1, -1]), ranking([3, 1, 2]))
    assert (found.changed, found.overlap) == (1, pytest.approx(2 / 3))

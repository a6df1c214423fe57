"""Reciprocal rank fusion, by hand."""

import numpy as np
import pytest

from components.retrieval.fusion import fuse
from components.retrieval.index import Ranking


def ranking(*rows: list[int]) -> Ranking:
    return Ranking(np.array(rows), np.zeros((len(rows), len(rows[0])), np.float32))


def test_fusion_is_the_sum_of_reciprocal_ranks():
    dense = ranking([4, 7, 1], [0, 1, 2], [2, -1, -1])
    words = ranking([7, 9, -1], [1, 0, 5], [-1, -1, -1])
    found = fuse([dense, words])
    assert found.documents.tolist() == [[7, 4, 9, 1], [0, 1, 2, 5], [2, -1, -1, -1]]
    assert found.scores[0] == pytest.approx([1 / 62 + 1 / 61, 1 / 61, 1 / 62, 1 / 63])
    assert found.scores[1] == pytest.approx([1 / 61 + 1 / 62, 1 / 61 + 1 / 62, 1 / 63, 1 / 63])
    assert found.scores[2] == pytest.approx([1 / 61, 0, 0, 0])

"""What the report shows of the dev queries."""

import numpy as np
import pytest

from components.corpus.passages import Passage
from components.evaluation import examples
from components.evaluation.examples import Example
from components.pairs.judged import Query
from components.retrieval.index import Index, Ranking

INDEX = Index.of([Passage("", f"d{n}", "", f"text {n}, part {part}", part, 0) for n in range(5) for part in range(2)])


@pytest.mark.parametrize(
    ("base", "candidate", "ranks", "wanted"),
    [
        ([0, 3, 1], [3, 1, 0], (2, 1), 3),
        ([0, 2, 1], [4, 0, 1], (3, 3), 1),
        ([0, 2, 4], [0, 2, 4], (0, 0), 1),
    ],
    ids=["best placed", "the other document", "not found"],
)
def test_an_example_shows_ranks_and_first_passages(tmp_path, base, candidate, ranks, wanted):
    query = Query("q", "which one", (), {"d1": 2, "d3": 1})
    rankings = {
        name: Ranking(np.array([found]), np.zeros((1, 3), np.float32))
        for name, found in (("base", base), ("candidate", candidate))
    }
    examples.write(examples.collect([query], [{1: 2, 3: 1}], INDEX, rankings), {}, tmp_path / "examples")
    found = [f"text {document}, part 0" for document in (wanted, base[0], candidate[0])]
    assert examples.read(tmp_path / "examples") == [Example("which one", found[0], *ranks, *found[1:])]


def test_long_passages_are_cut():
    long = Index.of([Passage("", "d", "", "x" * 1000, 0, 0)])
    ranking = Ranking(np.zeros((1, 1), np.int64), np.zeros((1, 1), np.float32))
    (one,) = examples.collect([Query("q", "", (), {"d": 1})], [{0: 1}], long, {"base": ranking, "candidate": ranking})
    assert {len(text) for text in (one.wanted, one.base_found, one.candidate_found)} == {examples.EXCERPT}

"""Scores as an artifact."""

import numpy as np

from components.evaluation import files
from components.evaluation.scores import FUSED, Contender, Scores
from components.retrieval.metrics import METRICS
from components.store.artifact import Artifact


def test_scores_come_back_as_they_were(tmp_path):
    rng = np.random.default_rng(1)
    models = ("base", "champion", "candidate", "bm25", *FUSED.values())
    scores = Scores(
        queries=["q1", "q2", "q3"],
        clusters=["c1", "c1", "c2"],
        groups=["g1", "g2", "g2"],
        born=[0, 3, 1],
        sources=["s3://b/docs", "s3://b/docs", "s3://b/notes"],
        slices=[["short", "taps: all"], [], ["short"]],
        values={model: {metric: rng.random(3) for metric in METRICS} for model in models},
        guards={guard: {model: rng.random(5) for model in models[:3]} for guard in ("news", "facts: all")},
        contenders={
            model: Contender(f"s3://b/{model}@1", f"{n}" * 64, n or None) for n, model in enumerate(models[:3])
        },
        champion_problem="a file is not what its listing says",
        documents=12,
        passages=34,
        inputs={"permit": "p", "passages": "q"},
    )
    files.write(scores, tmp_path / "scores")
    found, digest = files.read(tmp_path / "scores")
    np.testing.assert_equal(vars(found), vars(scores))
    assert digest == Artifact.open(tmp_path / "scores", "scores").digest

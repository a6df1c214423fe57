"""Scores and models by hand: equal for equal arguments, with exactly the gains that are asked for."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split

from components.evaluation.scores import BASE, CANDIDATE, FUSED, Contender, Numbers, Scores
from components.pairs.leakage import Leakage, hidden
from components.retrieval.metrics import METRICS
from components.store.models import Model, write_model

NAMES = [hidden(f"q{i:04d}") for i in range(2000)]
CLEAN = Leakage(sealed_documents=400, near=0, equal_anchors=7, coverage=dict.fromkeys(NAMES, 0.0))
TRAINING = {
    "config": {"batch_size": 64, "learning_rate": 5e-05, "steps": None, "temperature": None},
    "steps": 65, "true_negatives": 63, "blend": 0.75, "precision": "fp32", "dev": [[0, 0.5]],
    "versions": {"torch": "2.8.0", "transformers": "5.0.0", "sentence-transformers": "6.0.0"},
    "base_licence": "apache-2.0",
    "material": {
        "pairs": {"headings": 3120, "logs": 41}, "queries": {"dev": 80, "sealed": 600}, "languages": {"en": 1188},
    },
}  # fmt: skip
"""What a training leaves beside its model, as far as others read it."""
CHAMPION_REFERENCE = f"s3://tests/models@{'c' * 40}"


def spread(mean: float, n: int, deviation: float) -> Numbers:
    """`n` numbers around `mean`, which they meet exactly."""
    noise = np.random.default_rng(7).normal(size=n)
    noise = np.clip((noise - noise.mean()) * deviation, -0.35, 0.35)
    return noise - noise.mean() + mean


def scores(
    base: float = 0.05,
    champion: float | None = None,
    *,
    queries: int = 600,
    per_cluster: int = 3,
    deviation: float = 0.05,
    moved: int | None = None,
    guard: float = 0.0,
    same: str = "",
    problem: str = "",
    fingerprint: str = "candidate",
    inputs: dict[str, str] | None = None,
) -> Scores:
    """A candidate that is `base` better than the base and `champion` better than the champion, in mean nDCG@10.

    Args:
        moved: In how many queries, the first ones, they differ at all.
        guard: The candidate's gain on the guard, the same for each of its queries.
        same: The model whose weights the candidate has.
        fingerprint: The candidate's.
    """
    gains = {BASE: base} | ({} if champion is None else {"champion": champion})
    moves = np.arange(queries) < (queries if moved is None else moved)
    values = {name: np.where(moves, 0.55 - spread(gain, queries, deviation), 0.55) for name, gain in gains.items()}
    values |= {CANDIDATE: np.full(queries, 0.55), "bm25": np.full(queries, 0.4), "hybrid": np.full(queries, 0.45)}
    if same:
        values[same] = values[CANDIDATE]
    values |= {FUSED[name]: np.full(queries, 0.5) for name in (CANDIDATE, "champion") if name in values}
    known = {name: Contender(f"s3://tests/{name}", fingerprint if name == same else name) for name in gains}
    if champion is not None:
        known["champion"] = Contender(CHAMPION_REFERENCE, known["champion"].fingerprint)
    clusters = [f"c{i // per_cluster:04d}" for i in range(queries)]
    return Scores(
        queries=[f"q{i:04d}" for i in range(queries)],
        clusters=clusters,
        groups=clusters,
        born=[0] * queries,
        sources=["s3://tests/docs"] * queries,
        slices=[["service:s3"] if i % 2 else ["service:s3", "service:rare"][: 1 + (i < 10)] for i in range(queries)],
        values={name: {metric: found.copy() for metric in METRICS} for name, found in values.items()},
        guards={"docstrings": {BASE: np.full(50, 0.5), CANDIDATE: np.full(50, 0.5 + guard)}},
        contenders=known | {CANDIDATE: Contender("trained", fingerprint)},
        champion_problem=problem,
        documents=1200,
        passages=3400,
        inputs=inputs if inputs is not None else {"snapshot": "5" * 64, "permit": "6" * 64, "passages": "7" * 64},
    )


def small_model(folder: Path, name: str) -> Model:
    """The artifact of a real model of static vectors, a few of each letter; its weights are made of `name`."""
    plain = folder / f"{name}.plain"
    plain.mkdir(parents=True)
    static = {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.StaticEmbedding"}
    (plain / "modules.json").write_text(json.dumps([static]))
    letters = {letter: number for number, letter in enumerate("?abcdefghijklmnopqrstuvwxyz")}
    tokenizer = Tokenizer(WordLevel(letters, unk_token="?"))
    tokenizer.pre_tokenizer = Split("", "isolated")
    tokenizer.save(str(plain / "tokenizer.json"))
    weights = np.random.default_rng(list(name.encode())).normal(size=(len(letters), 8)).astype(np.float32)
    save_file({"embedding.weight": weights}, plain / "model.safetensors", metadata={"format": "pt"})
    (plain / "training.json").write_text(json.dumps(TRAINING))
    write_model(folder / name, plain, reference="trained")
    return Model.open(folder / name)

"""What a trial works on: some of the line's texts, and how many there are; or texts that are made up.

Only the first texts of each role are tokenized, and some of the dev texts are embedded. They stand for the others.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.stats import hypergeom
from sentence_transformers import SentenceTransformer

from components.retrieval.index import Vectors
from components.store.artifact import Artifact
from components.training import texts
from components.training.dev import DevSet
from components.training.job import Job, Trial
from components.training.planner import Load
from components.training.texts import Integers, Texts, Tokenize
from components.training.trainer import loaded, tokenizer

TOKENIZED = 16_384
"""Texts of a role that are tokenized."""
DRAWN = 2_048
"""Rows that are made up."""
ANCHOR = 12
"""Tokens of an anchor that is made up."""
EMBEDDED = 256
"""Dev texts that are embedded."""
LONGEST = 128
"""Dev texts that are embedded to see what memory they take."""


@dataclass(frozen=True)
class Sample:
    """Some of what would be trained and judged.

    Attributes:
        texts: Rows to draw batches from.
        load: All rows, in numbers.
        tokens: Tokens of all different texts.
        tokenizing: Seconds that tokenizing took, and that it takes for all.
        dev: The dev side; None where it is assumed.
        judged: Some dev texts, and how many there are.
        longest: The dev texts that take most memory.
    """

    texts: Texts
    load: Load
    tokens: float
    tokenizing: tuple[float, float]
    dev: DevSet | None
    judged: tuple[list[str], int]
    longest: list[str]

    def search(self, dimensions: int) -> None:
        """Score dev once, with vectors that mean nothing."""
        if self.dev:
            sizes = (len(self.dev.queries), len(self.dev.index.texts))
            self.dev.scores(*(_directions(size, dimensions) for size in sizes))


def take(job: Job, base: SentenceTransformer, folder: Path) -> Sample:
    """The sample of a trial.

    Args:
        job: Says what there is, or what to assume.
        base: The model, for its tokenizer.
        folder: Where texts may be left.
    """
    return _assumed(job.trial, job, base) if job.trial and job.trial.pairs else _read(job, base, folder)


def part(found: Texts, rows: Integers) -> Texts:
    """Some rows and their texts alone, in memory."""
    numbers, places = np.unique(found.rows[rows], return_inverse=True)
    tokens = np.concatenate([found.text(number) for number in numbers.tolist()])
    starts = np.concatenate([[0], np.cumsum(found.lengths[numbers])])
    return Texts(tokens, starts, places.reshape(len(rows), -1).astype(np.int32))


def duplicates(rows: npt.NDArray[np.int32], batch: int, processes: int) -> float:
    """Texts of a joint batch that another process's batch holds too, as expected; each is masked in the loss.

    Rows are drawn in their order, without going back, and one that would repeat a text of its batch waits for the next
    batch: a joint batch holds about as many rows of a text as a plain draw, and each process one at most.

    Args:
        rows: Numbers of texts (rows x columns).
        batch: Rows of one process.
        processes: How many there are.
    """
    if processes == 1:
        return 0.0
    ordered = np.sort(rows, axis=1)
    first = np.concatenate([np.ones((len(rows), 1), bool), np.diff(ordered, axis=1) != 0], axis=1)
    _, often = np.unique(ordered[first], return_counts=True)
    kinds, texts = np.unique(often, return_counts=True)
    drawn = min(batch * processes, len(rows))
    return float(sum(texts @ hypergeom.sf(copies, len(rows), kinds, drawn) for copies in range(1, processes)))


@dataclass
class _Clocked:
    """Tokenizes the first texts of each role, and keeps the time; their tokens stand for those of later ones."""

    tokenize: Tokenize
    known: dict[str, list[list[int]]] = field(default_factory=dict)
    seconds: float = 0.0
    asked: int = 0

    def __call__(self, found: list[str], role: str) -> list[list[int]]:
        self.asked += len(found)
        known = self.known.setdefault(role, [])
        if len(known) >= TOKENIZED:
            return list(islice(cycle(known), len(found)))
        start = time.monotonic()
        tokens = self.tokenize(found, role)
        self.seconds += time.monotonic() - start
        known += tokens
        return tokens

    @property
    def times(self) -> tuple[float, float]:
        """Seconds spent, and seconds for all."""
        done = sum(map(len, self.known.values()))
        return self.seconds, self.seconds * self.asked / max(1, done)


def _read(job: Job, base: SentenceTransformer, folder: Path) -> Sample:
    """From the line's artifacts."""
    clock = _Clocked(tokenizer(base, job.config))
    found = texts.write(folder, Artifact.open(job.data.pairs, "pairs"), clock)
    dev = DevSet.read(job.data.judged, job.data.passages, job.config.dev_documents)
    whole = [*dev.queries, *dev.index.texts]
    whole.sort(key=len)
    some = whole[:: max(1, len(whole) // EMBEDDED)]
    return Sample(found, loaded(found), float(found.starts[-1]), clock.times, dev, (some, len(whole)), whole[-LONGEST:])


def _assumed(trial: Trial, job: Job, base: SentenceTransformer) -> Sample:
    """Texts of the wanted length, of tokens drawn at random; dev documents of one passage each."""
    draw = np.random.default_rng(job.config.seed)
    limit = base.max_seq_length or trial.tokens
    length = min(trial.tokens, job.config.max_tokens, limit)
    count = min(trial.pairs, DRAWN)
    lengths = np.repeat([min(ANCHOR, length), length], count)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    tokens = draw.integers(len(base.tokenizer) // 2, len(base.tokenizer), starts[-1]).astype(np.uint32)
    others = [(np.arange(count) + step) % count + count for step in range(trial.negatives + 1)]
    found = Texts(tokens, starts, np.stack([np.arange(count), *others], axis=1).astype(np.int32))
    mean = float(loaded(found).tokens) if count else 0.0
    load = Load(trial.pairs, trial.negatives, mean, trial.pairs)
    some = draw.integers(len(base.tokenizer) // 2, len(base.tokenizer), (EMBEDDED, min(trial.tokens, limit)))
    decoded = [str(base.tokenizer.decode(ids)) for ids in some.tolist()]
    total = trial.pairs * (length + min(ANCHOR, length))
    dev = (decoded, job.config.dev_documents)
    return Sample(found, load, float(total), (0.0, 0.0), None, dev, decoded[:LONGEST])


def _directions(count: int, dimensions: int) -> Vectors:
    """Unit vectors drawn at random (count x dimensions)."""
    drawn = np.random.default_rng(0).standard_normal((count, dimensions)).astype(np.float32)
    found: Vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    return found

"""Made-up corpora that grow from run to run, and what may never happen to their split."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from components.corpus.document import Document, Parsed, Section
from components.corpus.duplicates import THRESHOLD, signature, sketches
from components.pairs import split
from components.pairs.config import Side
from components.pairs.coverage import COVERED, Coverage, Matches
from components.pairs.judged import Query
from components.pairs.known import NONE, UNBORN, Known
from components.store.state import State

SHARES: dict[Side, float] = {"train": 0.7, "dev": 0.1, "sealed": 0.1, "reserve": 0.1}
EVEN: dict[Side, float] = dict.fromkeys(SHARES, 0.25)
WORDS = [f"word{n}" for n in range(400)]


def some(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(WORDS, k=count))


def only(side: Side) -> dict[Side, float]:
    """Shares that send everything to one side."""
    return {side: 1.0}


def made(name: str, text: str) -> Document:
    sections = tuple(Section((), part) for part in text.split("\n"))
    return Document.of(Parsed("", "", "", sections, "text/plain"), uri=f"s3://b/{name}", version="1")


def name_of(name: str) -> str:
    return made(name, "x").id


def query(name: str, *documents: str) -> Query:
    return Query(name, f"question {name}", (), {name_of(document): 1 for document in documents})


@dataclass
class Corpus:
    """Documents by name, and the line's state."""

    place: str
    texts: dict[str, str] = field(default_factory=dict)

    def present(self) -> tuple[Known, Matches]:
        """As `gather` and `coverage` tell of the documents, in the order of their names."""
        found = [made(name, text) for name, text in sorted(self.texts.items())]
        columns = [[bytes.fromhex(one.id), bytes.fromhex(one.digest)] for one in found]
        ids, digests = (np.array([list(row[i]) for row in columns], np.uint8).reshape(-1, 32) for i in (0, 1))
        signed = np.array([list(signature(one)) for one in found], np.uint8).reshape(-1, 512)
        with tempfile.TemporaryDirectory() as work:
            coverage = Coverage(Path(work))
            coverage.add([[section.text for section in one.sections] for one in found])
            matches = coverage.matches(np.arange(len(found)))
        nowhere = np.full(len(found), NONE), np.full(len(found), UNBORN, np.int32)
        return Known(ids, digests, sketches(signed), *nowhere), matches

    def run(self, shares: dict[Side, float], queries: list[Query] | None = None) -> split.Split:
        known = {name_of(name) for name in self.texts}
        asked = [one for one in queries or [] if set(one.relevant) <= known]
        return split.assign(State(self.place), *self.present(), asked, shares)

    def sides(self, found: split.Split) -> dict[str, Side]:
        return {name: found.sides[name_of(name)] for name in self.texts}

    def ages(self, found: split.Split) -> dict[str, int]:
        return {name: found.born[name_of(name)] for name in self.texts}


def history(rng: random.Random, corpus: Corpus, paragraphs: list[str]) -> None:
    """Some days in the life of a corpus: pages written, edited, renamed, copied, bridged, deleted."""
    for number in range(rng.randint(2, 8)):
        names = sorted(corpus.texts)
        new = f"{rng.random()} {number}"
        match rng.choice(["write", "write", "edit", "rename", "copy", "bridge", "delete"]) if names else "write":
            case "write":
                corpus.texts[new] = "\n".join(
                    [some(rng, rng.randint(15, 90)), *rng.sample(paragraphs, rng.randint(0, 1))]
                )
            case "edit":
                corpus.texts[rng.choice(names)] += "\n" + rng.choice([some(rng, 40), rng.choice(paragraphs)])
            case "rename":
                corpus.texts[new] = corpus.texts.pop(rng.choice(names))
            case "copy":
                corpus.texts[new] = corpus.texts[rng.choice(names)] + " and more"
            case "bridge":
                corpus.texts[new] = "\n".join(corpus.texts[name] for name in rng.sample(names, min(2, len(names))))
            case "delete":
                del corpus.texts[rng.choice(names)]


def matching(corpus: Corpus) -> set[tuple[str, str]]:
    """Names of documents that are equal, near-duplicates or hold a passage of one another."""
    present, matches = corpus.present()
    names = sorted(corpus.texts)
    agreeing = (present.sketches[:, None] == present.sketches[None]).mean(axis=2) >= THRESHOLD
    pairs = {(names[a], names[b]) for a, b in zip(*np.nonzero(agreeing), strict=True)}
    covered = matches.share >= COVERED
    return pairs | {(names[a], names[b]) for a, b in zip(matches.text[covered], matches.other[covered], strict=True)}


def violations(place: str, seed: int) -> Iterator[str]:
    """Four runs of a line whose corpus changes in between; what may never happen and did."""
    rng = random.Random(seed)
    corpus, known = Corpus(place), dict[str, Side]()
    paragraphs = [some(rng, rng.randint(34, 60)) for _ in range(5)]
    for run in range(4):
        history(rng, corpus, paragraphs)
        found = corpus.run(EVEN)
        sides = corpus.sides(found)
        if any(sides[one] != sides[other] for one, other in matching(corpus)):
            yield f"history {seed}, run {run}: a match across sides"
        changed = [name for name, side in sides.items() if known.get(name, side) != side]
        if found.moved < len(changed):
            yield f"history {seed}, run {run}: a silent move"
        if any(split.PRECEDENCE.index(sides[n]) > split.PRECEDENCE.index(known[n]) for n in changed):
            yield f"history {seed}, run {run}: a move away from training"
        known |= sides

"""The pairs as the trainer reads them: every text tokenized once, rows of numbers of texts.

Files of a folder that all processes of a machine read without a copy: `tokens.bin` (every text's tokens, one after
the other), `starts.npy` (where each text begins) and `rows.npy` (anchor, positive and hard negatives of each row).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from components.store.artifact import Artifact

AT_ONCE = 4096
"""Texts tokenized together."""

Tokenize = Callable[[list[str], str], list[list[int]]]
"""Token ids of texts, as `query` or as `document`."""
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Texts:
    """Tokens of distinct texts and the rows made of them.

    Attributes:
        tokens: The tokens of all texts, one after the other.
        starts: Where each text's tokens begin, and the end of the last (texts + 1).
        rows: Numbers of texts (rows x columns): anchor, positive, hard negatives.
    """

    tokens: npt.NDArray[np.uint32]
    starts: Integers
    rows: npt.NDArray[np.int32]

    @classmethod
    def open(cls, folder: Path) -> Texts:
        """Map the files that `write` left in `folder`."""
        starts = np.load(folder / "starts.npy", mmap_mode="r")
        tokens = np.memmap(folder / "tokens.bin", np.uint32, "r") if starts[-1] else np.zeros(0, np.uint32)
        return cls(tokens, starts, np.load(folder / "rows.npy", mmap_mode="r"))

    @property
    def negatives(self) -> int:
        """Hard negatives of each row."""
        return int(self.rows.shape[1]) - 2

    @property
    def distinct(self) -> int:
        """Different anchors or different positives, whichever are fewer."""
        return min(len(np.unique(self.rows[:, place])) for place in (0, 1))

    @property
    def lengths(self) -> Integers:
        """Tokens of each text."""
        return np.diff(self.starts)

    def __len__(self) -> int:
        """How many distinct texts there are."""
        return len(self.starts) - 1

    def text(self, number: int) -> npt.NDArray[np.uint32]:
        """The tokens of one text."""
        return self.tokens[self.starts[number] : self.starts[number + 1]]


def write(folder: Path, pairs: Artifact, tokenize: Tokenize) -> Texts:
    """Tokenize the artifact `pairs` into `folder`.

    Every row needs as many negatives as the one that has most. Who has fewer repeats its own; who has none borrows
    the positives of other rows, which the loss shows it anyway. A row comes as often as its weight says.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[int, int, list[int]]] = []
    with (folder / "tokens.bin").open("wb") as out:
        table = _Table(out, tokenize)
        for row in pairs.rows("pairs", ["anchor", "positive", "negatives", "weight"]):
            often = _times(row)
            if often:
                anchor, positive = table.number(row["anchor"], "query"), table.number(row["positive"], "document")
                rows += [(anchor, positive, [table.number(one, "document") for one in row["negatives"]])] * often
        starts = table.close()
    np.save(folder / "starts.npy", starts)
    np.save(folder / "rows.npy", _filled(rows))
    return Texts.open(folder)


@dataclass
class _Table:
    """Numbers texts in the order in which they first come; the same words as query and document are two."""

    out: BinaryIO
    tokenize: Tokenize
    known: dict[bytes, int] = field(default_factory=dict)
    lengths: list[int] = field(default_factory=list)
    waiting: list[tuple[str, str]] = field(default_factory=list)

    def number(self, text: str, role: str) -> int:
        """The number of a text."""
        name = hashlib.blake2b(f"{role}\0{text}".encode(), digest_size=16).digest()
        if name not in self.known:
            self.known[name] = len(self.known)
            self.waiting.append((text, role))
            if len(self.waiting) == AT_ONCE:
                self._tokenize()
        return self.known[name]

    def close(self) -> Integers:
        """Tokenize what still waits; where each text begins."""
        self._tokenize()
        return np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])

    def _tokenize(self) -> None:
        found: dict[int, list[int]] = {}
        for role in ("query", "document"):
            places = [place for place, (_, of) in enumerate(self.waiting) if of == role]
            texts = [self.waiting[place][0] for place in places]
            found |= zip(places, self.tokenize(texts, role) if texts else [], strict=True)
        for place in range(len(self.waiting)):
            self.out.write(np.array(found[place], np.uint32).tobytes())
            self.lengths.append(len(found[place]))
        self.waiting.clear()


def _times(row: dict[str, Any]) -> int:
    """A row of weight 1.5 comes twice in half of the cases, always in the same ones."""
    whole, rest = divmod(float(row["weight"]), 1.0)
    name = f"{row['anchor']}\0{row['positive']}".encode()
    drawn = int.from_bytes(hashlib.sha256(name).digest()[:8], "big") / 2**64
    return int(whole) + (drawn < rest)


def _filled(rows: Sequence[tuple[int, int, list[int]]]) -> npt.NDArray[np.int32]:
    """Rows of one width."""
    width = max((len(negatives) for _, _, negatives in rows), default=0)
    positives = [positive for _, positive, _ in rows]
    filled = [
        [anchor, positive, *islice(cycle(negatives or _others(positives, place)), width)]
        for place, (anchor, positive, negatives) in enumerate(rows)
    ]
    return np.array(filled, np.int32).reshape(len(rows), 2 + width)


def _others(positives: list[int], place: int) -> Iterable[int]:
    """Positives of rows far away, as long as they are other texts."""
    step = max(1, len(positives) // 3)
    found: Iterator[int] = (positives[(place + step * n + n) % len(positives)] for n in range(1, len(positives) + 1))
    return [number for number in islice(found, 64) if number != positives[place]] or [positives[place]]

"""A document's words with their tokens: the units between which it is cut into passages."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

import numpy as np

from components.corpus.text import code_points
from components.corpus.tokens import WIDE_STOPS, Tokens

_SPACE, _LINE = map(ord, " \n")
_STOPS = np.array([[ord(mark)] for mark in ".!?"], np.uint8)
_WIDE_STOPS = [ord(mark) for mark in WIDE_STOPS]


@dataclass(frozen=True)
class Units:
    """A document's words, and the parts of its longest ones: it is cut between them.

    Attributes:
        starts: Where each unit begins (characters), then the end of the text.
        total: Tokens before each unit, then of all.
        ends: Units before which a sentence or a line ends, sorted.
        parts: Units that are parts of a word, so that `total` is an estimate there.
    """

    text: str
    tokens: Tokens
    starts: memoryview[int]
    total: memoryview[int]
    ends: list[int]
    parts: list[int]

    @classmethod
    def of(cls, text: str, tokens: Tokens, largest: int) -> Units:
        """Cut a text at spaces and line breaks, and words of more than `largest` tokens where tokens begin."""
        points = code_points(text)
        breaks = np.flatnonzero((points == _SPACE) | (points == _LINE))
        lines = points[breaks] == _LINE
        starts = np.concatenate([[0], breaks + 1])
        ends = np.flatnonzero(lines | (points[breaks - 1] == _STOPS).any(axis=0)) + 1
        words = tokens.words(text)
        costs = tokens.costs(words)
        long = np.flatnonzero(costs > largest)
        parts: list[int] = []
        if long.size:
            whole = np.delete(starts, long)
            marks = np.union1d(starts[ends], np.flatnonzero(np.isin(points, _WIDE_STOPS)) + 1)
            starts, costs = tokens.parted(words, starts, costs, long, max(1, largest // 8))
            ends = np.flatnonzero(np.isin(starts, marks))
            parts = np.flatnonzero(~np.isin(starts, whole)).tolist()
        starts, total = np.append(starts, len(text) + 1), np.append(0, np.cumsum(costs))
        return cls(text, tokens, starts.data, total.data, ends.tolist(), parts)  # views make no list of numbers

    def counted(self, begin: int, end: int) -> bool:
        """Whether only whole words are in between."""
        return bisect_left(self.parts, begin) == bisect_left(self.parts, end)

    def more(self, begin: int) -> int:
        """What the first unit of a line counts more than within its own."""
        start = self.starts[begin]
        if self.tokens.alike or self.text[start - 1 : start] == "\n":
            return 0
        return self.tokens.more(self.text[start : self.starts[begin + 1] - 1])

    def reach(self, begin: int, fresh: int, last: int, room: int) -> int:
        """Where a passage that begins with unit `begin` ends: it fits in `room`, and holds `fresh` at least.

        At the last end of a sentence, unless that leaves more than half of the passage empty.
        """
        total = self.total
        most = bisect_right(total, total[begin] + room - self.more(begin)) - 1
        most = max(min(most, last), fresh + 1)
        if most == last:
            return last
        nearest = bisect_right(self.ends, most) - 1
        end = self.ends[nearest] if nearest >= 0 else 0
        return end if end > fresh and 2 * (total[end] - total[begin]) >= total[most] - total[begin] else most

    def back(self, begin: int, end: int, overlap: int) -> int:
        """Where the passage after [begin, end) begins: up to `overlap` tokens before `end`.

        At the beginning of a sentence, unless that gives away more than half of the overlap.
        """
        before, total = self.total[end] - overlap, self.total
        first = min(max(bisect_left(total, before), begin + 1), end)
        nearest = bisect_left(self.ends, first)
        start = self.ends[nearest] if nearest < len(self.ends) else end
        return start if start < end and 2 * (total[end] - total[start]) >= overlap else first

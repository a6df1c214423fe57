"""Hashes of runs of 13 words, for many texts at once: what copied text is found by.

Runs of 13 words are how GPT-3's authors looked for test questions in what they trained on (Brown et al. 2020,
appendix C). In scripts without spaces between words every character counts as one. Numpy hashes a thousand texts in
the time in which Python would hash twenty.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from components.corpus.text import code_points
from components.pairs.wording import UNSPACED

Hashes = npt.NDArray[np.uint64]
Integers = npt.NDArray[np.int64]

N = 13
"""Words in a run."""
WINDOW = 100
"""Words of a section from which on it is divided: about what a passage holds."""
SHORT = 32
"""Words of a section below which it is taken together with the next: twenty runs are the least that say something."""
LONGEST = 64
"""Characters of a word whose order counts."""

_TEXT, _SECTION = 0, 1
"""Characters that stand between texts, and between the sections of one: no text holds them."""
_BETWEEN, _LETTER, _WORD = 0, 1, 2
_END = 0x40000
"""Beyond are no letters."""


class Batch(NamedTuple):
    """The runs of words of some texts.

    Attributes:
        hashes: One for each run (n).
        windows: The window in which each run begins (n), counted from 0.
        texts: The text that each window is in (one for each window).
    """

    hashes: Hashes
    windows: Integers
    texts: Integers


def batch(texts: Sequence[Sequence[str]]) -> Batch:
    """The runs of texts, each given as its sections; a window is a section, a part of one, or a few short ones.

    Only runs within a section are taken: what follows it elsewhere is something else.
    """
    whole = chr(_TEXT).join(chr(_SECTION).join(sections) for sections in texts).casefold()
    points = code_points(whole)
    words, begins = _words(points)
    text_of = np.searchsorted(np.flatnonzero(points == _TEXT), begins)
    section_of = np.searchsorted(np.flatnonzero(points <= _SECTION), begins)
    window_of, owners = _windows(section_of, text_of)
    count = max(0, len(words) - N + 1)
    inside = np.flatnonzero(section_of[:count] == section_of[N - 1 :]) if count else np.empty(0, np.int64)
    runs = np.zeros(count, np.uint64)
    for place, factor in enumerate(_factors()):
        runs += words[place : place + count] * factor
    return Batch(_mixed(runs[inside]), window_of[inside], owners)


def _windows(section_of: Integers, text_of: Integers) -> tuple[Integers, Integers]:
    """The window of each word, and the text of each window."""
    changes = np.flatnonzero(np.diff(section_of, prepend=-1))
    sizes = np.diff(np.append(changes, len(section_of)))
    cut = list(_cut(sizes.tolist(), text_of[changes].tolist()))
    windows = np.array([size for size, _ in cut], np.int64)
    return np.repeat(np.arange(len(cut)), windows), np.array([text for _, text in cut], np.int64)


def _cut(sizes: list[int], texts: list[int]) -> Iterator[tuple[int, int]]:
    """Words of each window and its text, from the words of each section and its text."""
    held = 0
    for number, (size, text) in enumerate(zip(sizes, texts, strict=True)):
        held += size
        last = number + 1 == len(texts) or texts[number + 1] != text
        if held < SHORT and not last:
            continue
        parts = max(1, held // WINDOW)
        for part in range(parts):
            yield held // parts + (part < held % parts), text
        held = 0


def _words(points: npt.NDArray[np.unsignedinteger]) -> tuple[Hashes, Integers]:
    """A hash of each word, and where it begins."""
    kinds, values = _tables()
    if points.dtype != np.uint8:
        points = np.minimum(points, _END)
    kind = kinds[points]
    before = np.concatenate([[_BETWEEN], kind[:-1]]) if len(kind) else kind
    begins = np.flatnonzero((kind != _BETWEEN) & ((before != _LETTER) | (kind == _WORD)))
    if not len(begins):
        return np.empty(0, np.uint64), begins
    first = np.zeros(len(points), np.int64)
    first[begins] = begins
    place = np.minimum(np.arange(len(points)) - np.maximum.accumulate(first), LONGEST - 1)
    return _mixed(np.add.reduceat(values[points] * _powers()[place], begins)), begins


@cache
def _tables() -> tuple[npt.NDArray[np.uint8], Hashes]:
    """What each character is, and a number for each that is part of a word."""
    kinds = np.zeros(_END + 1, np.uint8)
    kinds[:_END] = [unicodedata.category(chr(point))[0] in "LNM" for point in range(_END)]
    kinds[ord("_")] = _LETTER
    for first, last in UNSPACED:
        kinds[first : last + 1] *= _WORD
    values = _mixed(np.arange(1, _END + 2, dtype=np.uint64))
    return kinds, np.where(kinds, values, np.uint64(0))


@cache
def _powers() -> Hashes:
    return _mixed(np.arange(1 << 32, (1 << 32) + LONGEST, dtype=np.uint64)) | np.uint64(1)


@cache
def _factors() -> Hashes:
    return _mixed(np.arange(1 << 33, (1 << 33) + N, dtype=np.uint64)) | np.uint64(1)


def _mixed(values: Hashes) -> Hashes:
    """Each number scattered over all 64 bits (splitmix64; Steele, Lea, Flood 2014)."""
    mixed = values * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    scattered: Hashes = mixed ^ (mixed >> np.uint64(31))
    return scattered

"""Passages that stand in another document too: by the share of their runs of 13 words that are found there.

What stands in many documents is boilerplate and left out, or half of all pages would match. A run is counted by
documents, and again by groups of near-duplicates: ten versions of a page do not make its words boilerplate. The runs
lie on disk, divided by their hashes, and are sorted a part at a time (as in an external hash join).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from components.pairs.ngrams import Batch, Hashes, Integers, batch

COVERED = 0.8
"""The share of a passage's runs from which on it is taken to stand in the other document."""
FLOOR = 0.25
"""Smaller shares are not told."""
COMMON = 5
"""A run of words that stands in more documents is boilerplate."""
PARTS = 64
"""Files; a million documents of 600 words have ten million runs in each."""

WAITING = 1 << 20
"""Runs kept in memory before they are written."""

_RUN = np.dtype([("hash", "<u8"), ("window", "<u4")])
Shares = npt.NDArray[np.float64]


class Matches(NamedTuple):
    """Where passages of one text are found in another: `share` of a passage of `text` stands in `other` (k each)."""

    text: Integers
    other: Integers
    share: Shares


class Coverage:
    """The runs of words of a corpus, and what its texts have in common."""

    def __init__(self, folder: Path) -> None:
        """Room for the runs in `folder`: 12 bytes a word."""
        self._files = [folder / f"runs-{part:02}" for part in range(PARTS)]
        self._waiting: list[npt.NDArray[np.void]] = []
        self._owners = [np.empty(0, np.int64)]
        self._texts = self._windows = 0

    def add(self, texts: Sequence[Sequence[str]]) -> None:
        """Append texts, each as its sections; they are numbered in the order in which they come."""
        self.insert(batch(texts), len(texts))

    def insert(self, found: Batch, texts: int) -> None:
        """Append so many texts by their runs."""
        runs = np.empty(len(found.hashes), _RUN)
        runs["hash"], runs["window"] = found.hashes, found.windows + self._windows
        self._waiting.append(runs)
        self._owners.append(found.texts + self._texts)
        self._texts, self._windows = self._texts + texts, self._windows + len(found.texts)
        if sum(map(len, self._waiting)) > WAITING:
            self._write()

    def _write(self) -> None:
        """Append what waits to the files, by the first six bits of the hashes."""
        runs = np.concatenate([np.empty(0, _RUN), *self._waiting])
        part = (runs["hash"] >> np.uint64(58)).astype(np.uint8)
        ordered = runs[np.argsort(part, kind="stable")]
        ends = np.cumsum(np.bincount(part, minlength=PARTS))
        for path, some in zip(self._files, np.split(ordered, ends[:-1]), strict=True):
            with path.open("ab") as file:
                some.tofile(file)
        self._waiting = []

    def matches(self, groups: Integers) -> Matches:
        """Every text and other text of which a passage's share is at least `FLOOR`; the largest share of each.

        Args:
            groups: A number for each text (below the number of texts), equal for near-duplicates. Between texts of a
                group nothing is told; of a group of several `other` is the first.
        """
        self._write()
        owners = np.concatenate(self._owners)
        found = [_shares(self._files, owners, np.arange(self._texts))]
        if len(np.unique(groups)) < self._texts:
            found.append(_shares(self._files, owners, groups))
        windows, others, shares = (np.concatenate(columns) for columns in zip(*found, strict=True))
        first = np.unique(groups, return_index=True)
        leader = np.empty(self._texts, np.int64)
        leader[first[0]] = first[1]
        texts, others = owners[windows], leader[groups[others]]
        kept = groups[texts] != groups[others]
        return _largest(texts[kept], others[kept], shares[kept])


def _shares(files: Sequence[Path], owners: Integers, labels: Integers) -> tuple[Integers, Integers, Shares]:
    """Window, a text of another label, and the share of the window's runs that stand in texts of that label."""
    wholes, keys, counts = np.zeros(len(owners), np.int64), [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for path in files:
        runs = np.fromfile(path, _RUN)
        whole, pairs = _common(runs["hash"], runs["window"].astype(np.int64), labels[owners])
        wholes += np.bincount(whole, minlength=len(owners))
        key, count = np.unique(pairs, return_counts=True)
        keys.append(key)
        counts.append(count)
    key, place = np.unique(np.concatenate(keys), return_inverse=True)
    found = np.bincount(place, np.concatenate(counts), minlength=len(key))
    window, label = key >> 32, key & 0xFFFFFFFF
    share = found / np.maximum(wholes[window], 1)
    kept = share >= FLOOR
    text_of = np.empty(int(labels.max(initial=-1)) + 1, np.int64)
    text_of[labels] = np.arange(len(labels))
    return window[kept], text_of[label[kept]], share[kept]


def _common(hashes: Hashes, windows: Integers, labels: Integers) -> tuple[Integers, Integers]:
    """The window of each run that is no boilerplate; and window and other label (window << 32 | label) of the shared.

    Args:
        hashes: Of the runs (n).
        windows: In which each begins.
        labels: One for each window.
    """
    order = np.lexsort((labels[windows], hashes))
    hashes, windows = hashes[order], windows[order]
    mine = labels[windows]
    fresh = np.append(True, hashes[1:] != hashes[:-1]) if len(hashes) else np.empty(0, bool)
    another = fresh | np.append(True, mine[1:] != mine[:-1]) if len(hashes) else fresh
    run = np.cumsum(fresh) - 1
    many = np.bincount(run[another])  # labels that have the run
    kept = np.flatnonzero(many[run] <= COMMON)
    shared = np.flatnonzero((many[run] > 1) & (many[run] <= COMMON))
    lists, first = mine[another], np.cumsum(many) - many
    return windows[kept], np.concatenate(list(_others(windows[shared], mine[shared], run[shared], many, lists, first)))


def _others(
    windows: Integers, mine: Integers, run: Integers, many: Integers, lists: Integers, first: Integers
) -> Iterator[Integers]:
    """Each run's window with each other label of the run; run r has the labels lists[first[r] : first[r] + many[r]]."""
    for place in range(COMMON):
        there = np.flatnonzero(many[run] > place)
        label = lists[first[run[there]] + place]
        strange = label != mine[there]
        yield windows[there][strange] << 32 | label[strange]


def _largest(texts: Integers, others: Integers, shares: Shares) -> Matches:
    """The largest share of every text and other text, in their order."""
    order = np.lexsort((-shares, others, texts))
    texts, others, shares = texts[order], others[order], shares[order]
    first = np.append(True, (texts[1:] != texts[:-1]) | (others[1:] != others[:-1])) if len(texts) else texts > 0
    return Matches(texts[first], others[first], np.minimum(shares[first], 1.0))

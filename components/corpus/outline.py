"""Headings and the text below them, gathered into sections with heading paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from components.corpus.document import Section


class Block(NamedTuple):
    """A heading and the text up to the next one.

    Attributes:
        level: 1 to 6, or 0 for text before any heading.
        source: Where it stands, as in `Section`; a heading without one stands where the one above it does.
    """

    level: int
    heading: str
    text: str
    source: str = ""


def sections(blocks: Iterable[Block]) -> Iterator[Section]:
    """The blocks that have text; headings without are part of the paths of those below them."""
    path: list[Block] = []
    for block in blocks:
        if block.level:
            while path and path[-1].level >= block.level:
                path.pop()
            path.append(block)
        if block.text:
            source = block.source or next((above.source for above in reversed(path) if above.source), "")
            yield Section(tuple([above.heading for above in path if above.heading]), block.text, source)

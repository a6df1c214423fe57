"""Passages: what is retrieved. Sections packed along their headings up to a number of the base's tokens."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from components.corpus import documents
from components.corpus.document import Document, Section
from components.corpus.tokens import Tokens
from components.corpus.units import Units
from components.store.artifact import Artifact
from components.store.errors import UserError

PASSAGE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("document", pa.string()),
        ("path", pa.string()),
        ("text", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Passage:
    """A retrievable piece of a document.

    Attributes:
        path: The headings above its first section, joined by " > ".
        text: What is encoded: the title, then each heading with its text.
        start: Where the piece begins in the document's text (characters).
        end: Where it ends.
    """

    id: str
    document: str
    path: str
    text: str
    start: int
    end: int


class _Piece(NamedTuple):
    """A stretch of one section, below the line that shows its headings.

    Attributes:
        new: Characters at its end that the piece before does not hold.
        counted: Its tokens are the sum over its words, not an estimate.
    """

    section: Section
    heading: str
    text: str
    start: int
    new: int
    tokens: int
    counted: bool

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def part(self, start: int, end: int) -> _Piece:
        """What is between two of its characters; it may begin a line with a word that counts more there."""
        text = self.text[start:end].rstrip()
        kept = text.lstrip()
        place, new = self.start + start + len(text) - len(kept), min(self.new, len(kept))
        return self._replace(text=kept, start=place, new=new, counted=False)

    def smaller(self) -> list[_Piece]:
        """The piece without what it repeats; if that is nothing, its halves, cut between words if it can be."""
        text, half = self.text, len(self.text) // 2
        if self.new < len(text):
            return [self.part(len(text) - self.new, len(text))]
        middle = max(text.rfind(" ", 1, half + 1), text.rfind("\n", 1, half + 1))
        middle = middle if middle > 0 else half
        return [self.part(0, middle), self.part(middle, len(text))]


class Cutter:
    """Cuts documents with the tokenizer of a model folder (no torch needed).

    Attributes:
        rejected: Characters in no passage, since one alone makes more tokens than a passage may have.
    """

    def __init__(self, model: Path, limit: int, overlap: int = 0, prompt: str = "") -> None:
        """Take a model's tokenizer.

        Args:
            model: A sentence-transformers folder.
            limit: The longest passage in tokens, with title, headings and what the model adds.
            overlap: About how many tokens of a long section's passage its next one repeats.
            prompt: What is put before a passage if the folder names no prompt.

        Raises:
            UserError: NOT_A_MODEL when the folder has no fast tokenizer, PASSAGE_TOO_LONG when the model would cut
                passages off, OVERLAP_TOO_LARGE.
        """
        if 2 * overlap >= limit:
            wanted = f"less than half of corpus.passage_tokens, {limit}"
            raise UserError("OVERLAP_TOO_LARGE", f"corpus.passage_overlap is {overlap} tokens", expected=wanted)
        self._tokens = Tokens(model)
        self._tokens.check(limit, prompt)
        self.limit, self.overlap = limit, overlap
        self.rejected = 0

    def passages(self, document: Document) -> Iterator[Passage]:
        """The document's passages, in order; together they hold all of its text."""
        tokens, quarter = self._tokens, self.limit // 4
        headings = [" > ".join(_headings(document, section)) for section in document.sections]
        tokens.costs(tokens.words("\n".join(["", document.title, *headings])))  # at once what is asked one by one below
        units = Units.of(document.text, tokens, self.limit - tokens.special - 2 * quarter)
        title = tokens.clip(document.title, quarter)
        budget = self.limit - tokens.special - tokens.encoded(title)
        budget -= bool(units.parts)  # a part may begin with one more
        packs = _packed(self._pieces(document, headings, units, budget), budget)
        for number, pack in enumerate(self._fitting(title, packs, budget if title and tokens.sums else 0)):
            path, text = " > ".join(pack[0].section.path) or document.title, _shown(title, pack)
            yield Passage(f"{document.id}-{number}", document.id, path, text, pack[0].start, pack[-1].end)

    def _pieces(self, document: Document, headings: list[str], units: Units, budget: int) -> Iterator[_Piece]:
        """Every section, cut where it is too long for one passage."""
        text, first, offset = document.text, 0, 0
        for section, whole in zip(document.sections, headings, strict=True):
            offset += len(section.text) + 1
            last = bisect_left(units.starts, offset, first)
            heading = self._tokens.clip(whole, self.limit // 4)
            fixed = self._tokens.count(heading) if heading else 0
            for begin, fresh, end in self._stretches(units, first, last, budget - fixed):
                start = units.starts[begin]
                found = text[start : units.starts[end]].rstrip()
                kept = found.lstrip()
                new = len(found) - units.starts[fresh] + start if begin < fresh else len(kept)
                if kept and new > 0:
                    count = fixed + units.more(begin) + units.total[end] - units.total[begin]
                    place, counted = start + len(found) - len(kept), units.counted(begin, end)
                    yield _Piece(section, heading, kept, place, new, count, counted)
            first = last

    def _stretches(self, units: Units, first: int, last: int, room: int) -> Iterator[tuple[int, int, int]]:
        """The first unit of each passage of a section, the first that the one before has not, and the end."""
        overlap = min(self.overlap, room // 2)
        begin = fresh = first
        while fresh < last:
            end = units.reach(begin, fresh, last, room)
            yield begin, fresh, end
            begin, fresh = units.back(begin, end, overlap) if overlap > 0 and end < last else end, end

    def _fitting(self, title: str, packs: Iterable[list[_Piece]], known: int) -> Iterator[list[_Piece]]:
        """The packs; those that may count more than `known` are encoded, and made smaller until they fit."""
        start = -1
        for pack in packs:
            again = pack[0].start <= start  # the one before was made smaller, and this one would repeat all of it
            pack = [*pack[0].smaller(), *pack[1:]] if again else pack
            fits = sum(piece.tokens for piece in pack) <= known and all(piece.counted for piece in pack)
            for small in [pack] if fits else self._small(title, pack):
                start = small[0].start
                yield small

    def _small(self, title: str, pack: list[_Piece]) -> Iterator[list[_Piece]]:
        if self._tokens.encoded(_shown(title, pack), special=True) <= self.limit:
            yield pack
        elif len(pack) == len(pack[0].text) == 1:
            self.rejected += 1
        else:
            half = len(pack) // 2
            for part in (pack[:half], pack[half:]) if half else ([piece] for piece in pack[0].smaller()):
                yield from self._small(title, part)


def _packed(pieces: Iterable[_Piece], budget: int) -> Iterator[list[_Piece]]:
    """Neighbouring pieces that fit in one passage together; of one section, each has its own."""
    pack: list[_Piece] = []
    filled = 0
    for piece in pieces:
        if pack and (filled + piece.tokens > budget or piece.section is pack[-1].section):
            yield pack
            pack, filled = [], 0
        pack.append(piece)
        filled += piece.tokens
    if pack:
        yield pack


def _headings(document: Document, section: Section) -> tuple[str, ...]:
    """The headings to show above a section: the title stands above them already."""
    return section.path[1:] if section.path[:1] == (document.title,) else section.path


def _shown(title: str, pack: list[_Piece]) -> str:
    """The title, then each heading with the text below it."""
    lines = [title]
    shown = ""
    for piece in pack:
        if piece.heading != shown:
            lines.append(piece.heading)
            shown = piece.heading or shown
        lines.append(piece.text)
    return "\n".join(line for line in lines if line)


def cut(artifact: Artifact, cutter: Cutter) -> Iterator[Passage]:
    """The passages of every document of the artifact `documents`, but of its duplicates."""
    for document in documents.read(artifact):
        yield from cutter.passages(document)


def read(artifact: Artifact) -> list[Passage]:
    """All passages of an artifact that holds the table `passages`."""
    return [Passage(**row) for row in artifact.rows("passages")]


def rows(passages: Iterable[Passage]) -> Iterator[dict[str, object]]:
    """Passages as rows of `PASSAGE_SCHEMA`."""
    return (dict(vars(passage)) for passage in passages)

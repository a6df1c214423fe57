"""Passages: what is retrieved. Sections packed along their headings up to a number of the base's tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pyarrow as pa
from tokenizers import Tokenizer

from components.corpus.document import Document, Section
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
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")
_WORD = re.compile(r"\S+")


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


@dataclass(frozen=True)
class _Piece:
    """A run of sentences of one section, below the line that shows its headings."""

    section: Section
    heading: str
    text: str
    start: int
    end: int
    tokens: int


class Cutter:
    """Cuts documents with the tokenizer of a model folder (no torch needed)."""

    def __init__(self, model: Path, limit: int) -> None:
        """Load `tokenizer.json` of the folder `model`; `limit` is the longest passage in tokens.

        Raises:
            UserError: NOT_A_MODEL when the folder has no fast tokenizer.
        """
        try:
            self._tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        except Exception as error:  # the library raises bare Exception
            raise UserError("NOT_A_MODEL", f"{model.name} has no readable tokenizer.json", found=str(error)) from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.limit = limit

    def passages(self, document: Document) -> Iterator[Passage]:
        """The document's passages, in order; together they hold all of its text."""
        title = self._clip(document.title)
        budget = self.limit - self._tokenizer.num_special_tokens_to_add(False) - self._count([title])[0]
        pack: list[_Piece] = []
        number = 0
        for piece in self._pieces(document, budget):
            if pack and sum(p.tokens for p in pack) + piece.tokens > budget:
                yield _passage(document, title, number, pack)
                pack, number = [], number + 1
            pack.append(piece)
        if pack:
            yield _passage(document, title, number, pack)

    def _pieces(self, document: Document, budget: int) -> Iterator[_Piece]:
        """Every section, cut at sentence ends (then at words) where it is too long for one passage."""
        offset = 0
        for section in document.sections:
            heading = self._clip(" > ".join(_headings(document, section)))
            fixed = self._count([f"\n{heading}\n"])[0]
            start, tokens = 0, fixed
            for a, count in self._spans(section.text, budget - fixed):
                if tokens > fixed and tokens + count > budget:
                    yield _piece(section, heading, offset, start, a, tokens)
                    start, tokens = a, fixed
                tokens += count
            yield _piece(section, heading, offset, start, len(section.text), tokens)
            offset += len(section.text) + 1

    def _spans(self, text: str, room: int) -> Iterator[tuple[int, int]]:
        """Where each sentence begins and its tokens; one of more than `room` tokens comes word by word."""
        spans = list(_sentences(text))
        for (a, b), count in zip(spans, self._count([text[a:b] for a, b in spans]), strict=True):
            words = [word.start() for word in _WORD.finditer(text, a, b)] if count > room else []
            cuts = [a, *words[1:], b]
            counts = self._count([text[c:d] for c, d in pairwise(cuts)]) if words else [count]
            yield from zip(cuts[:-1], counts, strict=True)

    def _clip(self, text: str) -> str:
        """As much of a title or headings as fits in a quarter of a passage: the text needs the room."""
        most = self.limit // 4
        found = self._tokenizer.encode(text, add_special_tokens=False)
        return text if len(found.ids) <= most else text[: found.offsets[most - 1][1]]

    def _count(self, texts: list[str]) -> list[int]:
        return [len(e.ids) for e in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    """Sentences as offsets that cover the text; one of over 60 words is cut every 40."""
    cuts = [0, *(match.end() for match in _SENTENCE.finditer(text)), len(text)]
    for a, b in pairwise(cuts):
        words = [word.start() for word in _WORD.finditer(text, a, b)]
        starts = words[40::40] if len(words) > 60 else []
        yield from zip([a, *starts], [*starts, b], strict=True)


def _headings(document: Document, section: Section) -> tuple[str, ...]:
    """The headings to show above a section: the title stands above them already."""
    return section.path[1:] if section.path[:1] == (document.title,) else section.path


def _piece(section: Section, heading: str, offset: int, start: int, end: int, tokens: int) -> _Piece:
    text = section.text[start:end]
    kept = text.strip()
    begin = offset + start + (len(text) - len(text.lstrip()))
    return _Piece(section, heading, kept, begin, begin + len(kept), tokens)


def _passage(document: Document, title: str, number: int, pack: list[_Piece]) -> Passage:
    lines = [title]
    shown = ""
    for piece in pack:
        if piece.heading != shown:
            lines.append(piece.heading)
            shown = piece.heading or shown
        lines.append(piece.text)
    path = " > ".join(pack[0].section.path) or document.title
    text = "\n".join(line for line in lines if line)
    return Passage(f"{document.id}-{number}", document.id, path, text, pack[0].start, pack[-1].end)


def cut(documents: Artifact, cutter: Cutter) -> Iterator[Passage]:
    """The passages of every document, document by document."""
    for row in documents.rows("documents"):
        yield from cutter.passages(Document.from_row(row))


def read(artifact: Artifact) -> list[Passage]:
    """All passages of an artifact that holds the table `passages`."""
    return [Passage(**row) for row in artifact.rows("passages")]


def rows(passages: Iterable[Passage]) -> Iterator[dict[str, object]]:
    """Passages as rows of `PASSAGE_SCHEMA`."""
    return (dict(vars(passage)) for passage in passages)

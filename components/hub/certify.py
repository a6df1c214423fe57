"""Does a running server make the vectors that were tested? Asked with the texts of `parity.json`.

Whoever uses the model puts its prompts before the texts, as few servers know what is a query and what a document; so
does this. Where a server makes other vectors, a few more questions tell what is likely wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from components.corpus.tokens import PROMPTS
from components.evaluation.parity import KINDS, Parity, Text, Vectors
from components.hub.serving import Server
from components.store.errors import TouchstoneError

UNIT = 1e-2
"""How far from 1 the length of a unit vector may be: more than 16 bits change, less than any model leaves."""
SAME = 0.999
"""A cosine from which on it is the same model: 16 bits change the fourth digit, other poolings the first."""
Kind = Literal["queries", "documents"]
NAMES: dict[Kind, tuple[str, ...]] = {"queries": ("query",), "documents": PROMPTS}
"""What a model's folder may call its prompts; a server that knows them takes them by these names."""


@dataclass(frozen=True)
class Compared:
    """Vectors of some texts beside those that were tested (each n x dimension)."""

    texts: list[Text]
    known: Vectors
    found: Vectors

    @property
    def directions(self) -> Vectors:
        """What was found, made unit vectors as the evaluation made them."""
        lengths = np.linalg.norm(self.found, axis=1, keepdims=True)
        unit: Vectors = self.found / np.maximum(lengths, np.finfo(np.float32).tiny)
        return unit

    @property
    def apart(self) -> Vectors:
        """The largest difference of a number, of each text."""
        found: Vectors = np.abs(self.directions - self.known).max(axis=1)
        return found

    @property
    def cosine(self) -> float:
        """The lowest of all texts."""
        return float((self.directions.astype(float) * self.known).sum(axis=1).min())

    @property
    def unit(self) -> bool:
        """Whether the server itself makes unit vectors."""
        return bool((np.abs(np.linalg.norm(self.found, axis=1) - 1) < UNIT).all())


def certify(server: Server, known: Parity) -> Iterator[tuple[str, str]]:
    """Compare, and tell it line by line as label and text.

    Raises:
        UserError, TransientError: what `Server` raises.
        TouchstoneError: SERVED_DIFFERENTLY, with what is likely wrong.
    """
    yield "server", f"{server.host}: {server.about.told}"
    long = _refuses_long(server, known)
    found = [_ask(server, known, kind, known.prompt(kind), long=not long) for kind in KINDS]
    both = Compared(
        [text for one in found for text in one.texts],
        np.concatenate([one.known for one in found]),
        np.concatenate([one.found for one in found]),
    )
    difference = f"largest difference {both.apart.max():.2g}, tolerance {known.tolerance:g}"
    yield "vectors", f"{len(both.texts)} texts, {difference}; lowest cosine {both.cosine:.7f}"
    if fault := _fault(server, known, both):
        raise _differs(server, *fault)
    if long:
        yield "length", f"refuses more than {known.max_length} tokens, which the model cuts off: {long} texts not asked"
    yield "unit", "its vectors have length 1" if both.unit else "its vectors have other lengths: compare by cosine"
    yield "prompts", _prompts(server, known)


def _ask(server: Server, known: Parity, kind: Kind, before: str, name: str = "", *, long: bool = False) -> Compared:
    """The vectors of one kind of texts, `before` before each; those that the model cuts only if asked for."""
    texts, tested = known.of(kind), known.vectors(kind)
    chosen = [number for number, text in enumerate(texts) if long or not text.cut]
    found = server.embed([before + texts[number].text for number in chosen], name)
    if found.shape[1] != known.dimension:
        raise _shorter(server, known, tested[chosen], found)
    return Compared([texts[number] for number in chosen], tested[chosen], found)


def _refuses_long(server: Server, known: Parity) -> int:
    """How many texts the server does not take because it does not cut; 0 where it does."""
    cut = [known.prompt(kind) + text.text for kind in KINDS for text in known.of(kind) if text.cut]
    try:
        if cut:
            server.embed(cut)
    except TouchstoneError as error:
        if error.code != "SERVER_REFUSED":
            raise
        return len(cut)
    return 0


def _fault(server: Server, known: Parity, both: Compared) -> tuple[str, str] | None:
    """What is wrong and what to do about it; None where it is the same model."""
    right = both.apart <= known.tolerance
    if right.all():
        if both.unit or not known.normalized:
            return None
        fix = "Have the server normalize, or whoever asks it."
        return "vectors of other lengths than 1, which the model makes them", fix
    if any(_same_without(server, known, kind) for kind in KINDS if known.prompt(kind)):
        fix = "Start it without a default prompt, or send it texts without one."
        return "that it puts a prompt before each text by itself, and so a second one", fix
    return _likely(server, known, both)


def _likely(server: Server, known: Parity, both: Compared) -> tuple[str, str]:
    """The same of vectors that differ, from what they look like."""
    right, sizes = both.apart <= known.tolerance, np.array([len(text.text) for text in both.texts])
    worst = f"a difference of {both.apart.max():.2g}"
    pooling = server.about.pooling.replace("_", "")
    if pooling and known.pooling and pooling != known.pooling:
        return f"{pooling} pooling instead of {known.pooling}", "Start it with the model's own pooling."
    if right.any() and sizes[~right].min() > sizes[right].max():
        fix = f"Have it cut texts after {known.max_length} tokens, as the model does."
        return f"{worst} in the longest texts alone: it cuts them elsewhere", fix
    if both.cosine >= SAME:
        fix = "Serve it in float32: what was judged was not what this makes."
        return f"{worst} at a cosine of {both.cosine:.6f}: less precision, such as 16 bits", fix
    fix = "Compare the served folder with the promoted one: `touchstone history` tells its revision."
    return f"{worst}: another model or revision, or another pooling than {known.pooling or 'the model has'}", fix


def _same_without(server: Server, known: Parity, kind: Kind) -> bool:
    """Whether the vectors are right if the texts come without their prompt."""
    return bool((_ask(server, known, kind, "").apart <= known.tolerance).all())


def _prompts(server: Server, known: Parity) -> str:
    """Who has to put the prompts before the texts.

    Raises:
        TouchstoneError: SERVED_DIFFERENTLY when the server takes a prompt's name and does something else.
    """
    kinds = [kind for kind in KINDS if known.prompt(kind)]
    names = [_by_name(server, known, kind) for kind in kinds] if server.named else []
    if not kinds:
        return "the model has none"
    if names and all(names):
        return f"right before each text, and right by name (prompt_name: {', '.join(names)})"
    return "right before each text; whoever asks must put them there, as the server does not know them by name"


def _by_name(server: Server, known: Parity, kind: Kind) -> str:
    """The name by which the server puts the right prompt before texts, "" where it refuses all names."""
    for name in NAMES[kind]:
        try:
            found = _ask(server, known, kind, "", name)
        except TouchstoneError as error:
            if error.code != "SERVER_REFUSED":
                raise
            continue
        if (found.apart > known.tolerance).any():
            ignored = np.allclose(found.found, _ask(server, known, kind, "").found, atol=known.tolerance)
            wrong = "ignores prompts: asked by name, it puts none before the texts" if ignored else "has another prompt"
            fix = "Give it the promoted folder with its config_sentence_transformers.json, or name no prompt there."
            raise _differs(server, f"that it {wrong} (prompt_name: {name})", fix)
        return name
    return ""


def _shorter(server: Server, known: Parity, tested: Vectors, found: Vectors) -> TouchstoneError:
    """The error for vectors of another dimension; are they the first numbers of the right ones?"""
    size, told = found.shape[1], f"{found.shape[1]} numbers instead of {known.dimension}"
    if size < known.dimension:
        begun = Compared([], tested[:, :size] / np.linalg.norm(tested[:, :size], axis=1, keepdims=True), found)
        if (begun.apart <= known.tolerance * 10).all():
            told = f"the first {told}"
    return _differs(server, told, "Have it give whole vectors, or shorten them where they are compared.")


def _differs(server: Server, found: str, fix: str) -> TouchstoneError:
    what = f"{server.host} does not serve this model as it was tested"
    return TouchstoneError("SERVED_DIFFERENTLY", what, found=found, fix=fix)

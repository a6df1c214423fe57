"""The detector on real pages: copies of AWS reference pages, exact, with some words edited, or told in other words.

Two questions, to the product's own code. A copy that comes in as a document: does the split put it into the group of
the page it was made of, so that the two never lie on different sides? A passage that comes in as a training text: does
the proof find it in its page (share of `COVERED` or more), or at least so much of it that its queries no more count as
far from training (`FLOOR`)?
"""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from components.corpus import snapshot
from components.corpus.config import ReadingConfig, Source
from components.corpus.document import Document
from components.corpus.documents import read
from components.corpus.gather import gather
from components.corpus.load import load
from components.pairs.config import Side
from components.pairs.coverage import COVERED, FLOOR
from components.pairs.overlap import overlap
from components.pairs.pair import Pair
from components.pairs.proof import compare
from components.pairs.split import assign
from components.store.artifact import Artifact
from components.store.s3 import Folder
from components.store.state import State
from pipelines import demo, demo_questions, demo_reference
from pipelines.s3_server import running

SERVICES, COPIES, WORDS, LEAST = 30, 150, 100, 30
"""How many services' pages; copies of each kind; words of a training text, at most and at least."""
SHARES: dict[Side, float] = {"train": 0.6, "dev": 0.1, "sealed": 0.3}
BUCKET = "s3://gate"
_COMMON = """
    the:this a:one an:one specify:state specifies:states returns:gives returned:given information:details request:call
    requests:calls creates:makes create:make created:made uses:employs use:employ used:employed must:should can:may
    you:users your:their and:plus or:otherwise for:concerning to:towards of:belonging when:if is:gets are:become
    in:within with:having by:through from:out on:upon that:which this:the only:just list:enumeration value:figure
    values:figures name:label contains:holds following:subsequent example:instance default:preset more:further
    delete:remove deletes:removes update:change updates:changes new:fresh
"""
SYNONYMS = dict(pair.split(":") for pair in _COMMON.split())
_TEXT = re.compile(r"(?<=>)[^<>]+(?=<)")
_WORD = re.compile(r"[A-Za-z]{2,}")


def edited(text: str, words: int, rng: random.Random) -> str:
    """The text with so many words replaced, left out or doubled."""
    for number in range(words):
        found = list(_WORD.finditer(text))
        if not found:
            return text
        one = rng.choice(found)
        text = text[: one.start()] + ("otherwise", "", f"{one[0]} {one[0]}")[number % 3] + text[one.end() :]
    return text


def retold(text: str) -> str:
    """The text with its sentences in another order and its commonest words replaced."""
    sentences = re.split(r"(?<=[.])\s+", text.strip())
    swapped = " ".join(sentences[1::2] + sentences[::2])
    return _WORD.sub(lambda one: SYNONYMS.get(one[0].lower(), one[0]), swapped)


KINDS: dict[str, Callable[[str, random.Random], str]] = {
    "exact": lambda text, _: text,
    "1 word edited": lambda text, rng: edited(text, 1, rng),
    "2 words edited": lambda text, rng: edited(text, 2, rng),
    "3 words edited": lambda text, rng: edited(text, 3, rng),
    "told in other words": lambda text, _: retold(text),
}


def _page(page: bytes, kind: str, rng: random.Random) -> bytes:
    """The page, changed in one of its paragraphs; told in other words in all of them."""
    text = page.decode()
    start = text.index("<main>")
    places = [one for one in _TEXT.finditer(text, start) if len(_WORD.findall(one[0])) > 1]
    if kind == "told in other words":
        return (text[:start] + _TEXT.sub(lambda one: f" {retold(one[0])} ", text[start:])).encode()
    for _ in range(0 if kind == "exact" else int(kind[0])):
        one = rng.choice(places)
        text = text[: one.start()] + edited(one[0], 1, rng) + text[one.end() :]
        places = [one for one in _TEXT.finditer(text, start) if len(_WORD.findall(one[0])) > 1]
    return text.encode()


@dataclass
class Found:
    """What the detector found.

    Attributes:
        grouped: Kind -> share of the copies that are in the group of their page.
        covered: Kind -> share of the training texts found in their page.
        noticed: Kind -> share of those of which at least `FLOOR` is found.
        pages: How many pages there are.
        texts: How many training texts of each kind there are.
        apart: Pages in a group with a page of another service.
        others: Pages that are in no group with a page that a text was copied from.
        claimed: How many of them hold such a text, by the proof.
    """

    pages: int
    texts: int = 0
    others: int = 0
    grouped: dict[str, float] = field(default_factory=dict)
    covered: dict[str, float] = field(default_factory=dict)
    noticed: dict[str, float] = field(default_factory=dict)
    apart: int = 0
    claimed: int = 0


def measure() -> Found:
    """Plant the copies and look for them."""
    rng = random.Random(20)
    services = demo_questions.ranked_services()[:SERVICES]
    pages = {one.key: one.page for service in services for one in demo_reference.operations(service)}
    chosen = rng.sample(sorted(pages), COPIES * len(KINDS))
    copies = {
        f"copies/{number:04}.html": (key, kind, _page(pages[key], kind, rng))
        for number, (key, kind) in enumerate((key, _kind(i)) for i, key in enumerate(chosen))
    }
    with tempfile.TemporaryDirectory() as work:
        documents, ids, groups = _loaded(Path(work), pages | {name: page for name, (_, _, page) in copies.items()})
    found = Found(len(pages))
    _documents(found, {name: (key, kind) for name, (key, kind, _) in copies.items()}, ids, groups)
    originals = {ids[name] for name in pages if name in ids}
    _texts(found, [one for one in documents if one.id in originals], groups, rng)
    return found


def _kind(number: int) -> str:
    return list(KINDS)[number % len(KINDS)]


def _loaded(work: Path, pages: dict[str, bytes]) -> tuple[list[Document], dict[str, str], dict[str, str]]:
    """The documents of the pages, the id of each page, and each id's group: the product's steps on a real S3 server."""
    (work / "s3").mkdir()
    reading, state = ReadingConfig(sources=[Source(uri=f"{BUCKET}/docs")]), f"{BUCKET}/state"
    with running(work / "s3") as server, server.applied():
        Folder(BUCKET).ensure_bucket()
        demo.upload(Folder(f"{BUCKET}/docs"), pages.items())
        digest = snapshot.take(state, {"documents": reading.sources}).digest
        load(state, digest, 0, reading, work / "part")
        gather(state, [work / "part"], reading, work / "documents")
        artifact = Artifact.open(work / "documents", "documents")
        known, matches = overlap(artifact)
        groups = dict(assign(State(state), known, matches, [], SHARES).groups)
    ids = {row["uri"].removeprefix(f"{BUCKET}/docs/"): row["id"] for row in artifact.rows("documents", ["id", "uri"])}
    return list(read(artifact)), ids, groups


def _documents(found: Found, copies: dict[str, tuple[str, str]], ids: dict[str, str], groups: dict[str, str]) -> None:
    """Copies that came in as documents."""
    alike: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    for name, (page, kind) in copies.items():
        alike[kind].append(groups[ids[name]] == groups[ids[page]])
    found.grouped = {kind: sum(of) / len(of) for kind, of in alike.items()}
    services: dict[str, set[str]] = {}
    for name, one in ids.items():
        if name not in copies:
            services.setdefault(groups[one], set()).add(name.partition("/")[0])
    found.apart = sum(len(services[groups[one]]) > 1 for name, one in ids.items() if name not in copies)


def _texts(found: Found, documents: list[Document], groups: dict[str, str], rng: random.Random) -> None:
    """Copies that came in as training texts, one kind at a time, so that they do not make each other boilerplate."""
    passages = {one.id: text for one in documents if (text := _passage(one))}
    chosen = rng.sample(sorted(passages), min(len(passages), 5 * COPIES))
    for kind, change in KINDS.items():
        texts = {one: change(passages[one], rng) for one in chosen}
        pairs = [Pair("", text, "general", "", "", 0, len(text)) for text in texts.values()]
        shares = compare(documents, pairs, groups).shares
        found.covered[kind] = sum(shares[one] >= COVERED for one in chosen) / len(chosen)
        found.noticed[kind] = sum(shares[one] >= FLOOR for one in chosen) / len(chosen)
        if kind == "exact":
            held = {groups[one] for one in chosen}
            found.others = sum(groups[one.id] not in held for one in documents)
            found.claimed = sum(shares[one.id] >= COVERED for one in documents if groups[one.id] not in held)
    found.texts = len(chosen)


def _passage(document: Document) -> str:
    """About a hundred words of its longest section, as a training text has; nothing where it says less than 30."""
    words = max((section.text for section in document.sections), key=len, default="").split()[:WORDS]
    return " ".join(words) if len(words) >= LEAST else ""


def table(found: Found) -> None:
    """Print what was found."""
    print(f"\n## Detector: {found.pages:,} pages of {SERVICES} services, {COPIES} copied pages of each kind, ", end="")
    print(f"{found.texts} copied training texts\n")
    print(
        "| copies | same group as their page (split) | training text found in its page (proof) | at least a quarter |"
    )
    print("|---|---|---|---|")
    for kind in KINDS:
        print(f"| {kind} | {found.grouped[kind]:.1%} | {found.covered[kind]:.1%} | {found.noticed[kind]:.1%} |")
    print(f"false: {found.claimed} of {found.others:,} pages of other groups hold a copied text by the proof;")
    print(
        f"asked: exact 100%, {_met(found, ['exact'], 1.0)}; 1 to 3 words >= 99%, {_met(found, list(KINDS)[1:4], 0.99)}"
    )
    print(f"{found.apart} of {found.pages:,} pages are grouped with another service's page (some are told alike)")


def _met(found: Found, kinds: list[str], share: float) -> str:
    """Whether both the split and the proof find that share of these kinds."""
    return "met" if all(min(found.grouped[kind], found.covered[kind]) >= share for kind in kinds) else "MISSED"

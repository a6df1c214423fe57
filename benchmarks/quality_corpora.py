"""The corpora of the benchmark of quality, made by the product's own steps on a real S3 server.

    aws        the AWS API reference, judged by the titles of AWS CLI examples (the demo's sources)
    django     Django's documentation, judged by the headings of held-out chapters
    openstack  the documentation of Nova, Neutron and Cinder, judged likewise

Where headings judge, nothing that is searched shows one: titles and headings are left out of those passages. A corpus
is made once; remove its folder to make it again.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from benchmarks import quality_packages as packages
from benchmarks import quality_pages
from components.corpus import documents, passages, snapshot
from components.corpus.config import ReadingConfig, Source
from components.corpus.document import Document
from components.corpus.gather import gather
from components.corpus.load import load
from components.corpus.passages import PASSAGE_SCHEMA, Cutter, Passage
from components.pairs import headings, judged, mine, sealed
from components.pairs.config import PairsConfig, Side
from components.pairs.judged import Query
from components.pairs.pair import Pair
from components.pairs.wording import plain
from components.store.artifact import Artifact, ArtifactWriter
from components.store.s3 import Folder
from pipelines import demo, demo_questions, demo_reference
from pipelines.s3_server import running

SERVICES = 60
"""Of the AWS reference, those with most judged queries."""
PASSAGES = 2_500
"""Searched at most: every relevant document, and others by hash."""
TOKENS = 160
"""Of a passage."""
WORDS = 2
"""Of a heading that asks, at least."""

BUCKET = "s3://quality"

Objects = Iterable[tuple[str, bytes]]


@dataclass(frozen=True)
class Recipe:
    """How a corpus is made.

    Attributes:
        pages: Its documents; gets the cache.
        questions: Its judged queries in BEIR layout, or nothing where headings judge.
        shares: Parts of the documents.
    """

    pages: Callable[[Path], Objects]
    questions: Callable[[], Objects] | None
    shares: dict[Side, float]


@dataclass(frozen=True)
class Corpus:
    """A corpus as it lies in the cache: artifacts `pairs`, `dev`, `sealed` and `passages`."""

    name: str
    folder: Path

    @property
    def digest(self) -> str:
        """Names its content."""
        found = [Artifact.open(self.folder / name, kind).digest for name, kind in KINDS.items()]
        return sha256("".join(found).encode()).hexdigest()

    def queries(self, side: str) -> list[Query]:
        """The judged queries of `dev` or `sealed`, in a fixed order."""
        return judged.read(Artifact.open(self.folder / side, "judged"))

    def passages(self) -> list[Passage]:
        """What is searched."""
        return passages.read(Artifact.open(self.folder / "passages", "passages"))

    def counts(self) -> dict[str, int]:
        """How many of what."""
        pairs, found = Artifact.open(self.folder / "pairs", "pairs"), self.passages()
        sides = {side: self.queries(side) for side in ("dev", "sealed")}
        return {
            "documents": int(Artifact.open(self.folder / "passages", "passages").facts["documents"]),
            "searched": len({one.document for one in found}),
            "passages": len(found),
            "pairs": pairs.count("pairs"),
            **{f"{side} queries": len(queries) for side, queries in sides.items()},
            "sealed clusters": len({query.cluster for query in sides["sealed"]}),
        }


KINDS = {"pairs": "pairs", "dev": "judged", "sealed": "judged", "passages": "passages"}


def _reference(_: Path) -> Objects:
    chosen = demo_questions.ranked_services()[:SERVICES]
    return ((page.key, page.page) for service in chosen for page in demo_reference.operations(service))


def _examples() -> Objects:
    return demo_questions.beir(demo_questions.queries(demo_questions.ranked_services()[:SERVICES]))


CORPORA = {
    "aws": Recipe(_reference, _examples, {"train": 0.55, "dev": 0.1, "sealed": 0.35}),
    "django": Recipe(
        lambda cache: quality_pages.pages(packages.DJANGO, cache), None, {"train": 0.6, "dev": 0.1, "sealed": 0.3}
    ),
    "openstack": Recipe(
        lambda cache: quality_pages.pages(packages.OPENSTACK, cache), None, {"train": 0.7, "dev": 0.1, "sealed": 0.2}
    ),
}


def corpora(names: Sequence[str], cache: Path) -> list[Corpus]:
    """The corpora of those names; those that are not there are made, each whole or not at all."""
    found = [Corpus(name, cache / "corpora" / name) for name in names]
    missing = [one for one in found if not one.folder.exists()]
    if missing:
        (cache / "corpora").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as data, running(Path(data)) as server, server.applied():
            Folder(BUCKET).ensure_bucket()
            for one in missing:
                with tempfile.TemporaryDirectory(dir=cache / "corpora") as work:
                    _make(CORPORA[one.name], f"{BUCKET}/{one.name}", cache, Path(work))
                    os.replace(Path(work) / "made", one.folder)
    return found


def _make(recipe: Recipe, place: str, cache: Path, work: Path) -> None:
    """Load and mine as the pipeline does, then keep what the benchmark needs in `made`."""
    docs, asked, state = f"{place}/docs", f"{place}/judged", f"{place}/state"
    demo.upload(Folder(docs), recipe.pages(cache))
    _load(docs, state, work)
    read = list(documents.read(Artifact.open(work / "documents", "documents")))
    demo.upload(Folder(asked), recipe.questions() if recipe.questions else _headings(read))
    digest = snapshot.take(state, {"documents": [Source(uri=docs)], "judged": [Source(uri=asked)]}).digest
    out = mine.Outputs(work / "cut", work / "made/pairs", work / "made/dev", work / "leakage")
    base, config = packages.base("minilm", cache), PairsConfig(judged=asked, shares=recipe.shares)
    mine.mine(state, digest, work / "documents", base, [docs], (TOKENS, 0), config, out)
    queries = _unseal(state, work, by_page=not recipe.questions)
    needed = {document for query in queries for document in query.relevant}
    _search(work / "made/passages", read, needed, Cutter(base, TOKENS), bare=not recipe.questions)


def _load(docs: str, state: str, work: Path) -> None:
    """List, fetch, parse and gather the documents."""
    reading = ReadingConfig(sources=[Source(uri=docs)])
    digest = snapshot.take(state, {"documents": reading.sources}).digest
    load(state, digest, 0, reading, work / "part")
    gather(state, [work / "part"], reading, work / "documents")


def _headings(read: list[Document]) -> Objects:
    """Every heading that the miner would ask, of one document alone, as a judged query about that document."""
    common = headings.count_headings(read)
    found = [one for document in read for one in headings.pairs(document, document.id, common) if isinstance(one, Pair)]
    said = Counter(plain(one.anchor) for one in found)
    addresses = {document.id: document.uri for document in read}
    asked = {
        sha256(plain(one.anchor).encode()).hexdigest()[:16]: one
        for one in found
        if said[plain(one.anchor)] == 1 and len(plain(one.anchor).split()) >= WORDS
    }
    lines = (json.dumps({"_id": name, "text": one.anchor}) for name, one in sorted(asked.items()))
    yield "queries.jsonl", "".join(f"{line}\n" for line in lines).encode()
    rows = (f"{name}\t{addresses[one.document]}\t1\n" for name, one in sorted(asked.items()))
    yield "qrels/test.tsv", ("query-id\tcorpus-id\tscore\n" + "".join(rows)).encode()


def _unseal(state: str, work: Path, *, by_page: bool) -> list[Query]:
    """Put the sealed queries beside the dev ones; both are returned. Chapters of one page are one cluster."""
    digest = Artifact.open(work / "made/dev", "judged").facts["sealed"]
    (work / "fetched").mkdir()
    kept = sealed.fetch(state, digest, work / "fetched")
    kept = [replace(query, cluster=query.source) for query in kept] if by_page else kept
    judged.write(work / "made/sealed", "judged", kept, {}, {})
    return [*kept, *judged.read(Artifact.open(work / "made/dev", "judged"))]


def _search(out: Path, read: list[Document], needed: set[str], cutter: Cutter, *, bare: bool) -> None:
    """Write the passages that are searched."""
    with ArtifactWriter(out, "passages") as writer:
        found = _cut(read, needed, cutter, bare=bare)
        writer.table("passages", PASSAGE_SCHEMA, passages.rows(found))
        writer.facts |= {"documents": len(read)}


def _cut(read: list[Document], needed: set[str], cutter: Cutter, *, bare: bool) -> Iterator[Passage]:
    """The passages of the documents that are needed, then of others as long as there is room."""
    room = PASSAGES
    for document in sorted(read, key=lambda one: (one.id not in needed, sha256(one.id.encode()).digest())):
        found = list(cutter.passages(_bare(document) if bare else document))
        if document.id not in needed and len(found) > room:
            return
        room -= len(found)
        yield from found


def _bare(document: Document) -> Document:
    """The document without its title and headings."""
    return replace(document, title="", sections=tuple(replace(section, path=()) for section in document.sections))

"""The demo's judged queries: titles of the worked examples that awscli carries.

People wrote them as tasks ("To stop finding aggregation"), each in the file of the operation that does it: queries
with known answers that nobody here made up.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256

import Stemmer

from pipelines import demo_reference as reference

WORDS = 3
"""Words of a title at least: shorter ones ("Example 1", "Basic Syntax") are no questions."""

NAMES_OPERATION = "names-operation"
"""The slice of titles that say no more than the operation's name: any model finds those."""

RENAMED = {"s3api": "s3", "configservice": "config", "deploy": "codedeploy"}
"""awscli's commands that have another name in botocore; all others share theirs."""

_TITLE = re.compile(r"^\*\*(.+?)\*\*[ \t]*:*[ \t]*$", re.MULTILINE)
_NUMBER = re.compile(r"^(?:example\s*\d*\s*[-:.)]+|example\s+\d+|\(?\d+[.:)]+)\s*", re.IGNORECASE)
_NAME_WORDS = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")
_FILLER = "a all an and any are as at by for from in into is it its of on or that the their this to with your"


@dataclass(frozen=True)
class Query:
    """A question and the operations that answer it, as keys of their pages."""

    text: str
    answers: tuple[str, ...]

    @property
    def identity(self) -> str:
        """Depends on the text alone, so that a query keeps its side of the split from run to run."""
        return f"q{sha256(self.text.casefold().encode()).hexdigest()[:16]}"

    @property
    def slices(self) -> list[str]:
        """The services that it is about, and whether it merely repeats an operation's name."""
        services = sorted({f"service:{key.partition('/')[0]}" for key in self.answers})
        return [*services, NAMES_OPERATION] if any(_repeats(self.text, key) for key in self.answers) else services


@cache
def ranked_services() -> tuple[str, ...]:
    """Every service with judged queries, the one with most first, ties by name."""
    counts: dict[str, int] = defaultdict(int)
    for query in _all():
        for service in {key.partition("/")[0] for key in query.answers}:
            counts[service] += 1
    return tuple(sorted(counts, key=lambda service: (-counts[service], service)))


def queries(services: Collection[str]) -> list[Query]:
    """The judged queries of these services, by identity; operations of other services are no answers."""
    kept = set(services)
    narrowed = (
        Query(query.text, tuple(key for key in query.answers if key.partition("/")[0] in kept)) for query in _all()
    )
    return sorted((query for query in narrowed if query.answers), key=lambda query: query.identity)


def beir(judged: Collection[Query]) -> Iterator[tuple[str, bytes]]:
    """The queries and judgments as the files of a BEIR data set."""
    records = ({"_id": q.identity, "text": q.text, "metadata": {"slices": q.slices}} for q in judged)
    yield "queries.jsonl", "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records).encode()
    rows = (f"{query.identity}\t{key}\t1\n" for query in judged for key in query.answers)
    yield "qrels/test.tsv", ("query-id\tcorpus-id\tscore\n" + "".join(rows)).encode()


@cache
def _all() -> tuple[Query, ...]:
    """Every title with all operations that it stands for: "To tag a resource" is a task of many services."""
    texts: dict[str, str] = {}
    answers: dict[str, set[str]] = defaultdict(set)
    for title, key in _titles():
        texts.setdefault(title.casefold(), title)
        answers[title.casefold()].add(key)
    return tuple(Query(texts[folded], tuple(sorted(keys))) for folded, keys in answers.items())


def _titles() -> Iterator[tuple[str, str]]:
    """(title, key of the operation's page) of every example whose operation is documented, file by file."""
    for file in sorted((reference.package_folder("awscli") / "examples").glob("*/*.rst")):
        service = RENAMED.get(file.parent.name, file.parent.name)
        operation = _operations(service).get(file.stem.replace("-", ""))
        for title in map(clean, _TITLE.findall(file.read_text("utf-8")) if operation else ()):
            if len(title.split()) >= WORDS:
                yield title, f"{service}/{operation}.html"


@cache
def _operations(service: str) -> dict[str, str]:
    """The documented operations by the name that awscli gives them, without its hyphens."""
    return {name.lower(): name for name in reference.names(service)}


def clean(title: str) -> str:
    """The title without its number, markup and trailing punctuation."""
    return " ".join(re.sub(r"[`*]", "", _NUMBER.sub("", title)).split()).rstrip(" .:;,")


def _repeats(text: str, key: str) -> bool:
    """Whether the content words of the title are exactly the words of the operation's name."""
    name = key.partition("/")[2].removesuffix(".html")
    return _stems(re.findall(r"[A-Za-z0-9]+", text)) == _stems(_NAME_WORDS.findall(name))


def _stems(words: Collection[str]) -> set[str]:
    kept = {word.lower() for word in words} - set(_FILLER.split())
    return set(_stemmer().stemWords(list(kept)))


@cache
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")

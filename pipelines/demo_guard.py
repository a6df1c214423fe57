"""The demo's guard: docstrings of installed scientific packages, a domain that the demo never trains on.

A query is a docstring's first sentence, its one relevant passage the rest. A model that gained on API references by
forgetting everything else gets worse here.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing import get_context
from types import ModuleType

from components.store.errors import UserError

SIZE = 1_100
"""Texts of the guard: a margin of .03 needs about 1,050."""

BODY = range(80, 351)
"""Characters of a passage."""

SUMMARY_WORDS = range(4, 41)
SHINGLE = 5
"""Words of a shingle; a body that shares half of its shingles with bodies before it is nearly one of them."""

MODULES = {
    "numpy": " .linalg .fft .random .ma .polynomial .char .lib.stride_tricks .testing",
    "scipy": ".stats .optimize .signal .linalg .sparse .sparse.linalg .sparse.csgraph .special .spatial .interpolate "
    ".integrate .ndimage .fft .cluster.hierarchy .cluster.vq .spatial.distance .io .stats.qmc .constants",
    "pandas": " .api.types .api.extensions .api.indexers .tseries.offsets .plotting",
    "torch": " .nn .nn.functional .nn.init .nn.utils .optim .optim.lr_scheduler .linalg .fft .special .distributions "
    ".utils.data .autograd .sparse .amp",
}
"""Public modules by package: a list, because walking a package would import everything in it."""

_PASSED_OVER = re.compile(r"_|\w+(Tensor|Storage)$")
"""Private names, and torch's legacy tensor types, which repeat each other's methods."""

_SIGNATURE = re.compile(r"^[\w.]+\(.*?\)(?:\s*->\s*[^\n]+)?\s*\n", re.DOTALL)
_SENTENCE = re.compile(r".+?[.!?](?=\s|$)", re.DOTALL)


@dataclass(frozen=True)
class Text:
    """A docstring in two."""

    name: str
    summary: str
    body: str


def texts() -> list[Text]:
    """Exactly `SIZE` docstrings, the same ones for the same packages.

    They are collected in a process of their own, which takes what it imported with it when it ends (half a GB).

    Raises:
        UserError: DEMO_PACKAGE_MISSING, or DEMO_GUARD_TOO_SMALL when the packages hold fewer.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(collect).result()


def collect() -> list[Text]:
    """The same, in this process."""
    found = list(_distinct(_documented()))
    if len(found) < SIZE:
        raise UserError(
            "DEMO_GUARD_TOO_SMALL",
            "the installed packages have too few documented functions for the guard",
            found=str(len(found)),
            expected=f"at least {SIZE}",
            fix="Install the pinned versions, and run Python without -OO: pip install -c constraints.txt .[demo]",
        )
    return sorted(found, key=_identity)[:SIZE]


def beir(guard: list[Text]) -> Iterator[tuple[str, bytes]]:
    """Corpus, queries and judgments as the files of a BEIR data set."""
    corpus = ({"_id": f"d{_identity(text)}", "title": "", "text": text.body} for text in guard)
    queries = ({"_id": f"q{_identity(text)}", "text": text.summary} for text in guard)
    for name, records in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
        yield name, "".join(f"{json.dumps(record, ensure_ascii=False)}\n" for record in records).encode()
    rows = (f"q{_identity(text)}\td{_identity(text)}\t1\n" for text in guard)
    yield "qrels/test.tsv", ("query-id\tcorpus-id\tscore\n" + "".join(rows)).encode()


def _identity(text: Text) -> str:
    return sha256(text.name.encode()).hexdigest()[:16]


def _documented() -> Iterator[Text]:
    """Every public function and class, and the methods of those classes, module by module."""
    for package, modules in MODULES.items():
        for suffix in modules.split(" "):
            module = _module(f"{package}{suffix}")
            for name, member in _public(module):
                yield from _split(f"{module.__name__}.{name}", member)
                if inspect.isclass(member):
                    for method, function in _public(member):
                        yield from _split(f"{module.__name__}.{name}.{method}", function)


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError:
        what = f"the demo's guard needs {name}, which is not installed"
        raise UserError("DEMO_PACKAGE_MISSING", what, fix="pip install -c constraints.txt .[demo]") from None


def _public(owner: ModuleType | type) -> Iterator[tuple[str, object]]:
    """What is in the owner's own dictionary: nothing is computed, so no property or lazy import runs."""
    own = getattr(owner, "__module__", owner.__name__)
    for name, member in sorted(vars(owner).items()):
        home = str(getattr(member, "__module__", None) or own).partition(".")[0]
        if not _PASSED_OVER.match(name) and (callable(member) or isinstance(member, classmethod)) and home in MODULES:
            yield name, member


def _split(name: str, documented: object) -> Iterator[Text]:
    """The docstring's first sentence and what follows, if both are long enough and neither gives away the other.

    What names an address in memory differs from process to process and is left out.
    """
    raw = getattr(documented, "__doc__", None)
    doc = _SIGNATURE.sub("", inspect.cleandoc(raw), count=1).strip() if isinstance(raw, str) else ""
    paragraph, _, rest = doc.partition("\n\n")
    sentence = _SENTENCE.match(paragraph)
    end = sentence.end() if sentence else len(paragraph)
    summary = " ".join(paragraph[:end].split())
    body = _cut(f"{paragraph[end:]}\n\n{rest}".strip())
    given_away = summary.casefold().rstrip(".") in " ".join(body.casefold().split())
    if len(summary.split()) in SUMMARY_WORDS and len(body) in BODY and not given_away and " at 0x" not in doc:
        yield Text(name, summary, body)


def _cut(body: str) -> str:
    """The body up to the last sentence or line that ends within the limit."""
    if len(body) < BODY.stop:
        return body
    start = body[: BODY.stop - 1]
    ends = [found.start() + 1 for found in re.finditer(r"[.!?](?=\s)", start)] + [start.rfind("\n")]
    return start[: max(ends)].strip()


def _distinct(found: Iterator[Text]) -> Iterator[Text]:
    """The texts whose summary is new and whose body is not nearly one that came before."""
    summaries: set[str] = set()
    known: set[tuple[str, ...]] = set()
    for text in found:
        words = re.findall(r"\w+", text.body.lower())
        shingles = {tuple(words[at : at + SHINGLE]) for at in range(len(words) - SHINGLE + 1)}
        if text.summary.casefold() in summaries or not shingles or len(shingles & known) * 2 > len(shingles):
            continue
        summaries.add(text.summary.casefold())
        known |= shingles
        yield text

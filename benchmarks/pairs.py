"""How fast pairs are made and documents grouped: `make bench-pairs` (this, logs and negatives).

Pages of the AWS API reference, one core, processor time.
"""

from __future__ import annotations

import io
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.corpus import operations
from components.corpus import formats
from components.corpus.config import Fields
from components.corpus.document import Document, Parsed
from components.corpus.duplicates import Signatures, signature, sketches
from components.pairs import headings
from components.pairs.coverage import Coverage
from components.pairs.overlap import AT_ONCE
from components.pairs.pair import Pair

ROUNDS = 7


def documents() -> list[Document]:
    """The pages, parsed."""
    found = []
    for number, page in enumerate(operations()):
        body = f"<html><body><main><h1>Page {number}</h1>{page}</main></body></html>".encode()
        parsed = next(formats.parse(io.BytesIO(body), len(body), "s3://b/page.html", Fields()))
        if isinstance(parsed, Parsed) and parsed.sections:
            found.append(Document.of(parsed, uri=f"s3://b/{number}.html", version="1"))
    return found


def mined(pages: list[Document]) -> int:
    """Pairs from headings; how many."""
    common = headings.count_headings(pages)
    found = itertools.chain.from_iterable(headings.pairs(page, page.id, common) for page in pages)
    return sum(isinstance(one, Pair) for one in found)


def covered(pages: list[Document]) -> int:
    """Passages that stand in other pages; how many pages were compared."""
    with tempfile.TemporaryDirectory() as folder:
        coverage = Coverage(Path(folder))
        for start in range(0, len(pages), AT_ONCE):
            coverage.add([[section.text for section in page.sections] for page in pages[start : start + AT_ONCE]])
        coverage.matches(np.arange(len(pages)))
    return len(pages)


def grouped(made: np.ndarray) -> int:
    """Near-duplicates by sketches; how many pages were compared."""
    with tempfile.TemporaryDirectory() as folder:
        near = Signatures(len(made), Path(folder))
        near.add(made)
        near.groups()
    return len(made)


def main() -> None:
    """Print the table."""
    pages = documents()
    made = sketches(np.array([list(signature(page)) for page in pages], np.uint8))
    contenders: dict[str, Callable[[], int]] = {
        "headings, pairs": lambda: mined(pages),
        "passages in other documents, documents": lambda: covered(pages),
        "near-duplicates from sketches, documents": lambda: grouped(made),
    }
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, contender in contenders.items():
            start = time.process_time()
            rates[name].append(contender() / (time.process_time() - start))
    both = [1 / (1 / one + 1 / other) for one, other in zip(*list(rates.values())[1:], strict=True)]
    rates["grouping, both together, documents"] = both
    words = statistics.mean(len(page.text.split()) for page in pages)
    print(f"{len(pages):,} pages of {words:.0f} words, one core, {ROUNDS} rounds; a second of processor time")
    for name, found in rates.items():
        print(f"  {name:<44} {statistics.median(found):>9,.0f} ({min(found):,.0f} to {max(found):,.0f})")


if __name__ == "__main__":
    main()

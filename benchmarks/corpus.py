"""How fast and in how much memory a corpus is loaded: `make bench-corpus`.

Real SeaweedFS on loopback, the real DAG (`touchstone run --until corpus`) in processes. Pages are made of the AWS API
reference with the furniture of a documentation site, each different. Prints tables; takes about 20 minutes.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import obstore
from obstore.store import S3Store

from components.store.s3 import Folder
from pipelines import demo_questions, demo_reference, local
from pipelines.recipe import Recipe
from pipelines.s3_server import running
from pipelines.screen import Screen

NAV = "".join(f'<li><a href="/p{n}">Section {n} of the guide</a></li>' for n in range(40))
PAGE = (
    "<!DOCTYPE html><html lang='en'><head><title>{title}</title><script>track({number})</script></head><body>"
    "<nav><ul>" + NAV + "</ul></nav><main><article>{body}</article></main><footer>Terms</footer></body></html>"
)


def operations() -> list[str]:
    """The bodies of the reference's operations."""
    services = demo_questions.ranked_services()[:100]
    pages = (one.page.decode() for service in services for one in demo_reference.operations(service))
    return [page.partition("<main>")[2].partition("</main>")[0] or page for page in pages]


def pages(count: int, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Key and body of `count` pages, of three operations each."""
    bodies, rng = operations(), random.Random(seed)
    for number in range(count):
        body = "".join(rng.sample(bodies, 3))
        page = PAGE.format(title=f"Page {number}", number=number, body=f"<h1>Page {number}</h1>{body}")
        yield f"{number % 97:02}/{number:07}.html", page.encode()


def upload(place: str, made: Iterator[tuple[str, bytes]]) -> None:
    """Put the pages below `docs`, a thousand in memory at once."""
    store = S3Store("bench", virtual_hosted_style_request=False, client_options={"allow_http": True})
    prefix = f"{place.removeprefix('s3://bench/')}/docs"
    with ThreadPoolExecutor(16) as pool:
        while part := list(itertools.islice(made, 1000)):
            list(pool.map(lambda page: obstore.put(store, f"{prefix}/{page[0]}", page[1]), part))


def recipe(place: str) -> Recipe:
    """A recipe of the place's documents."""
    values = {"name": "bench", "state": f"{place}/state", "target": f"{place}/hub"}
    values |= {"base_model": f"{place}/base@{'0' * 40}"}
    sections = {"corpus": {"sources": [f"{place}/docs"]}, "pairs": {"judged": f"{place}/judged"}}
    return Recipe.parse(values | sections, where="bench")


def loads(line: Recipe, times: int = 1) -> list[dict[str, Any]]:
    """Runs until the documents, in one folder that was empty: of earlier ones nothing but the state is left."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        return [local.run_until(line, Screen(io.StringIO()), until="corpus", servers=[]) for _ in range(times)]


def scale(counts: list[int]) -> None:
    """Peak memory and time by the number of documents, then again with nothing changed, then with 1% changed."""
    print(f"{'documents':>10} {'run':<34} {'seconds':>8} {'objects/s':>10} {'parsed':>8} {'peak MB':>8}")
    for count in counts:
        place = f"s3://bench/{count}"
        upload(place, pages(count))
        Folder(f"{place}/judged").write("queries.jsonl", b"{}")
        first, again = loads(recipe(place), 2)
        row(count, "first", first)
        row(count, "nothing changed", again)
        row(count, "nothing changed, elsewhere", *loads(recipe(place)))
        upload(place, itertools.islice(pages(count, seed=2), 0, None, 100))
        (after,) = loads(recipe(place))
        row(count, "1% changed", after)
        if count > 50_000:  # a quarter of an hour for what the smaller one has shown
            continue
        (whole,) = loads(recipe(place).model_copy(update={"state": f"{place}/other"}))
        row(count, "1% changed, all from the start", whole)
        print(f"{'':>10} the last two are equal in digest: {whole['found']['digest'] == after['found']['digest']}")


def row(count: int, name: str, record: dict[str, Any]) -> None:
    """One line of the table."""
    parsed = sum(one["parsed"] for one in record["loads"])
    rate = count / record["seconds"]
    peak = record["peak_memory_bytes"] / 1e6
    print(f"{count:>10,} {name:<34} {record['seconds']:>8.1f} {rate:>10,.0f} {parsed:>8,} {peak:>8,.0f}", flush=True)


def parsing(rounds: int = 7) -> None:
    """Documents and bytes a second of one core: parsed into sections, and those cut into passages."""
    from components.corpus import formats
    from components.corpus.config import Fields
    from components.corpus.document import Document, Parsed
    from components.corpus.passages import Cutter

    spec = importlib.util.find_spec("cognition")  # BERT-tiny: WordPiece, as most bases have
    assert spec and spec.submodule_search_locations
    tokenizer = Path(spec.submodule_search_locations[0]) / "model"
    rng, bodies = random.Random(3), operations()
    made = [page.encode() for page in (PAGE.format(title="T", number=n, body=long(rng, bodies)) for n in range(400))]
    size = sum(map(len, made))
    rates: dict[str, list[float]] = {"parse and section": [], "parse, section and cut": []}
    cutter = Cutter(tokenizer, 128, 16)
    for _ in range(rounds):
        for name in rates:
            start = time.process_time()
            for body in made:
                found = next(formats.parse(io.BytesIO(body), len(body), "s3://b/page.html", Fields()))
                assert isinstance(found, Parsed)
                if name.endswith("cut"):
                    list(cutter.passages(Document.of(found, uri="s3://b/page.html", version="1")))
            rates[name].append(len(made) / (time.process_time() - start))
    print(f"\n{len(made)} pages of {size / len(made) / 1000:.1f} kB, one core, {rounds} rounds")
    for name, found in rates.items():
        middle = statistics.median(found)
        print(
            f"  {name:<24} {middle:>6,.0f} documents/s ({min(found):,.0f} to {max(found):,.0f}), "
            f"{middle * size / len(made) / 1e6:.1f} MB/s"
        )


def long(rng: random.Random, bodies: list[str]) -> str:
    """A body of about 30 kB."""
    parts: list[str] = []
    while sum(map(len, parts)) < 26_000:
        parts.append(rng.choice(bodies))
    return "".join(parts)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, nargs="*", default=[20_000, 200_000])
    asked = parser.parse_args()
    parsing()
    if not asked.documents:
        return
    with tempfile.TemporaryDirectory() as data, running(Path(data)) as server, server.applied():
        Folder("s3://bench").ensure_bucket()
        scale(asked.documents)


if __name__ == "__main__":
    main()

"""The long campaigns, whole: `make campaign`. Counts and violations go to docs/results.md; violations exit with 1.

python -m tests.campaign [NAME...]     bad-inputs, bad-bucket, faults, shards, histories, training, selftest, races,
                               sweep; all of them without a name
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

from components.corpus import snapshot
from components.corpus.config import ReadingConfig
from components.corpus.gather import gather
from components.corpus.load import load
from components.store.artifact import Artifact
from components.store.s3 import Folder
from components.store.stores import open_models
from pipelines import local
from pipelines.recipe import Recipe
from pipelines.s3_server import running
from pipelines.screen import Screen
from tests.corpus.bad_inputs import bad_files
from tests.corpus.bad_inputs_campaign import SEED, campaign, table, upload

RESULTS = Path(__file__).parents[1] / "docs/results.md"
HISTORIES = 200
ROUNDS = 1_000
Told = tuple[list[str], list[str]]
"""Lines of Markdown, and violations."""


def bad_inputs() -> Told:
    """Every bad file, each parsed in a process of its own."""
    rows = campaign()
    return list(table(rows)), [wrong for row in rows for wrong in row.violations]


def bad_bucket() -> Told:
    """Every bad file but the largest in a bucket, under its hostile key, through snapshot, load and gather."""
    place = "s3://hostile"
    Folder(place).ensure_bucket()
    with tempfile.TemporaryDirectory() as work:
        files = list(bad_files(Path(work), SEED))
        refused = upload(files, place)
        listed = {entry.uri for entry in Folder(place).list()}
        taken, rows = _loaded(place, Path(work) / "run")
    ended = {str(row["uri"]).removesuffix(f"#{row['record']}" if row["record"] else "") for row in rows}
    skipped = sum(taken.skipped.values())
    wrong = [f"{uri!r} was listed and is lost" for uri in sorted(listed - ended) if not uri.endswith("/")]
    wrong += [] if taken.objects + skipped == len(listed) else [f"{len(listed)} listed, {taken.objects} + {skipped}"]
    wrong += [] if len(ended) == taken.objects else [f"{taken.objects} objects, {len(ended)} ended somewhere"]
    reasons = Counter(str(row.get("reason", "document")) for row in rows)
    counts = ", ".join(f"{reason} {count:,}" for reason, count in sorted(reasons.items()))
    keys = f"{len(files)} files; {len(refused)} keys that the server itself refuses; {len(listed)} objects listed"
    return [f"{keys}, {skipped} of them folder markers. Rows: {counts}."], wrong


def _loaded(place: str, out: Path) -> tuple[snapshot.Taken, list[dict[str, object]]]:
    """Snapshot, load, gather; every row of documents and rejected."""
    # The server lists keys that end with a slash and cannot give them back: such a load ends with OBJECT_DAMAGED.
    config = ReadingConfig.parse({"sources": [{"uri": place, "exclude": ["*/"]}]}, where="campaign")
    state = "s3://campaign/hostile"
    Folder(state).ensure_bucket()
    taken = snapshot.take(state, {"documents": config.sources})
    load(state, taken.digest, 0, config.model_copy(update={"shard_bytes": 8_000_000_000}), out / "part")
    gather(state, [out / "part"], config, out / "documents")
    made = Artifact.open(out / "documents", "documents")
    rows = list(made.rows("documents", ["uri", "record"]))
    return taken, rows + list(made.rows("rejected", ["uri", "record", "reason"]))


def faults() -> Told:
    """Every fault of the S3 door in every phase, once and always."""
    from tests.store.faults import faults_campaign

    place = "s3://campaign/faults"
    Folder(place).ensure_bucket()
    found = faults_campaign(os.environ["AWS_ENDPOINT_URL_S3"], place)
    outcomes = Counter(one.outcome for one in found)
    kinds, phases = ({getattr(one, name) for one in found} for name in ("fault", "phase"))
    counts = ", ".join(f"{outcome} {count}" for outcome, count in sorted(outcomes.items()))
    lines = [f"{len(found)} runs: {len(kinds)} kinds of fault in {len(phases)} phases, once and always. {counts}."]
    return lines, [f"{one.fault}, {one.phase}, {one.often}: {one.violation}" for one in found if one.violation]


def shards() -> Told:
    """The documents of 1, 3, 7 and 128 shards, through the compiled DAG; each with an empty state."""
    place = "s3://campaign/shards"
    docs = Folder(f"{place}/docs")
    docs.ensure_bucket()
    for number in range(400):
        docs.write(f"{number:03}.md", f"# Page {number}\n\nTurn valve {number} left, then wait.\n".encode() * 20)
    Folder(f"{place}/judged").write("queries.jsonl", b"{}")
    size = sum(entry.size for entry in docs.list())
    found = {count: _digest(place, count, -(-size // count)) for count in (1, 3, 7, 128)}
    lines = [f"{count} shards: {loads} loads, documents {digest[:16]}" for count, (loads, digest) in found.items()]
    wrong = [f"{count} shards were {loads}" for count, (loads, _) in found.items() if loads != count]
    return lines, wrong + (["the digests differ"] if len({digest for _, digest in found.values()}) > 1 else [])


def histories() -> Told:
    """Two hundred lines whose corpora grow: no match across sides, no silent move."""
    from tests.pairs.growing import violations

    place = "s3://campaign/histories"
    Folder(place).ensure_bucket()
    wrong = [one for seed in range(HISTORIES) for one in violations(f"{place}/{seed}", seed)]
    lines = [f"{HISTORIES} histories of four runs each: pages written, edited, renamed, copied, bridged, deleted."]
    return lines, wrong


def training(only: str = "") -> Told:
    """Every fault of a training at every step, in real processes, one and two; ZeRO-2 too."""
    from tests.training.faults_campaign import faults_campaign

    place = "s3://campaign/training"
    Folder(place).ensure_bucket()
    with tempfile.TemporaryDirectory() as work:
        found = list(faults_campaign(Path(work), place, only))
    lines = ["| fault | trainings | ended | seconds at most | violations |", "|---|---|---|---|---|"]
    for kind in dict.fromkeys(one.case.kind for one in found):
        some = [one for one in found if one.case.kind == kind]
        ends = ", ".join(f"{outcome} {count}" for outcome, count in sorted(Counter(o.outcome for o in some).items()))
        wrong = sum(len(one.violations) for one in some)
        lines.append(f"| {kind} | {len(some)} | {ends} | {max(one.seconds for one in some):.0f} | {wrong} |")
    return lines, [f"{one.case.name}: {violation}" for one in found for violation in one.violations]


def _digest(place: str, count: int, shard_bytes: int) -> tuple[int, str]:
    """How many loads there were, and the digest of the documents."""
    known = {
        "name": "shards",
        "state": f"{place}/state-{count}",
        "target": f"{place}/hub",
        "base_model": f"{place}/base@{'0' * 40}",
    }
    corpus = {"sources": [f"{place}/docs"], "shard_bytes": shard_bytes}
    recipe = Recipe.parse(known | {"corpus": corpus, "pairs": {"judged": f"{place}/judged"}}, where="campaign")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        record = local.run_until(recipe, Screen(io.StringIO()), until="corpus", servers=[])
    return len(record["loads"]), record["found"]["digest"]


def selftest() -> Told:
    """`touchstone gate selftest` on a real line with a guard, which must be as it was before."""
    from pipelines import demo, demo_guard
    from pipelines import selftest as testing
    from tests.conftest import save_tiny_model
    from tests.end_to_end.conftest import make_line, pages

    place, out = "s3://selftest/line", io.StringIO()
    Folder(place).ensure_bucket()
    demo.upload(Folder(f"{place}/guard"), demo_guard.beir(demo_guard.texts()))
    with tempfile.TemporaryDirectory() as work, contextlib.chdir(work):
        line = make_line(place, save_tiny_model(Path(work) / "base"), Path(work), pages())
        recipe = line.recipe.model_copy(update={"guards": {"docstrings": f"{place}/guard"}})
        record = local.run(recipe, Screen(out), force=False, servers=[])
        before = {entry.uri: entry.etag for entry in Folder(place).list()}
        found = testing.selftest(Path("runs/latest"), recipe, Screen(out), [])
        after = {entry.uri: entry.etag for entry in Folder(place).list()}
    rows = [f"{one['case']}: {one['found']}, {one['seconds']:.0f} s" for one in found["outcomes"]]
    outcomes = [(one["case"], one["expected"], one["found"]) for one in found["outcomes"]]
    wrong = [f"{case}: {got} for {expected}" for case, expected, got in outcomes if got != expected]
    wrong += [] if record["outcome"] == "PROMOTED" else [f"the line's own run ended with {record['outcome']}"]
    wrong += [] if after == before else ["the self-test changed the line's state"]
    return [f"On {found['queries']} dev queries. {'; '.join(rows)}."], wrong


def races() -> Told:
    """A thousand rounds of eight promoters on S3 and on the Hub, each operation on record, and the record checked."""
    Folder("s3://campaign/races").ensure_bucket()
    with hub_reached():
        told = [_raced(address) for address in ("s3://campaign/races", "hf://org/races")]
    return [line for lines, _ in told for line in lines], [one for _, wrong in told for one in wrong]


def _raced(address: str) -> Told:
    from tests.gate.cases import small_model
    from tests.hub.races import RACERS, check, race

    with tempfile.TemporaryDirectory() as work:
        folder = small_model(Path(work), "one").path
        (folder / "manifest.json").unlink()
        operations, wrong = race(lambda: open_models(address), folder, ROUNDS)
    history = [one.id for one in open_models(address).history()][::-1]
    wrong += check(operations, history)
    wrong += [] if len(history) == ROUNDS else [f"{len(history)} promotions in the history"]
    counts = ", ".join(f"{kind} {count:,}" for kind, count in sorted(Counter(one.kind for one in operations).items()))
    told = f"{len(operations):,} operations on record: {counts}"
    return [f"{address}: {ROUNDS:,} rounds of {RACERS} promoters; {told}."], wrong


def sweep() -> Told:
    """Publish and rollback, killed before and after every effect on S3 and the Hub, and run again."""
    from tests.hub.crashes import Crash
    from tests.hub.sweep import EFFECTS, swept
    from tests.hub.test_publish import Line

    Folder("s3://campaign").ensure_bucket()
    cases = [
        (which, Crash(n, after))
        for which, count in EFFECTS.items()
        for n in range(1, count + 1)
        for after in (False, True)
    ]
    wrong = []
    with hub_reached(), tempfile.TemporaryDirectory() as work:
        for number, ((on, kind), crash) in enumerate(cases):
            hub = f"hf://org/sweep-{number}" if on == "hub" else f"s3://campaign/sweep/{number}/hub"
            (folder := Path(work) / str(number)).mkdir()
            line = Line(f"s3://campaign/sweep/{number}/state", hub, folder)
            wrong += [f"{on}, {kind}, {crash}: {problem}" for problem in swept(line, kind, crash)]
    counts = ", ".join(f"{kind} on {on} {count}" for (on, kind), count in EFFECTS.items())
    return [f"{len(cases)} crashes, before and after each effect: {counts}."], wrong


@contextlib.contextmanager
def hub_reached() -> Iterator[None]:
    """A Hub on loopback, as this process and its children reach it."""
    from components.store import hf_client
    from tests.servers.git_hub import OWNER, GitHub
    from tests.servers.git_hub_faults import serving

    with serving(GitHub()) as server, patch.object(hf_client, "PAUSE", 0.01):
        known = {"HF_ENDPOINT": server.address, "HF_TOKEN": OWNER, "HF_HUB_OFFLINE": "0"}
        with patch.dict(os.environ, known):
            yield


CAMPAIGNS: dict[str, Callable[[], Told]] = {
    "bad-inputs": bad_inputs,
    "bad-bucket": bad_bucket,
    "faults": faults,
    "shards": shards,
    "histories": histories,
    "training": training,
    "selftest": selftest,
    "races": races,
    "sweep": sweep,
}


def write(name: str, lines: list[str], wrong: list[str]) -> None:
    """Put the result between its marks in docs/results.md."""
    text = RESULTS.read_text()
    begin, end = f"<!-- campaign {name} -->", f"<!-- end of campaign {name} -->"
    body = "\n".join([begin, *lines, "", f"Violations: {len(wrong)}.", *(f"- {one}" for one in wrong), end])
    RESULTS.write_text(re.sub(f"{begin}.*?{end}", lambda _: body, text, flags=re.S))


def main(names: list[str]) -> int:
    """Run the campaigns; 1 if something happened that may not."""
    failed = 0
    os.environ.setdefault("TOUCHSTONE_EVENTS", os.devnull)
    with tempfile.TemporaryDirectory() as data, running(Path(data)) as server, server.applied():
        for name in names or list(CAMPAIGNS):
            lines, wrong = CAMPAIGNS[name]()
            write(name, lines, wrong)
            sys.stdout.write("\n".join([f"{name}:", *lines, f"violations: {len(wrong)}", *wrong, ""]) + "\n")
            sys.stdout.flush()
            failed += len(wrong)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

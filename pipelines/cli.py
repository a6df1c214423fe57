"""The command line: `touchstone demo | run | plan | bases | compile | mirror | gate ...`; see `cli_production` too."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from components.report.finish import GREEN
from components.store.errors import TouchstoneError
from pipelines.cli_cluster import cluster
from pipelines.cli_production import RecipePath, production, tell_production
from pipelines.recipe import read
from pipelines.screen import Screen, draw_corpus, draw_held, draw_pairs, draw_verdict, duration

app = typer.Typer(
    help="Retrain an embedding model on your own documents; promote it only if it proved better.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
gate = typer.Typer(help="Replay a verdict, test the gate, open a generation of the sealed test.", no_args_is_help=True)
app.add_typer(gate, name="gate")
app.add_typer(production)
app.add_typer(cluster)

Until = Annotated[Literal["corpus", "pairs"] | None, typer.Option(help="Stop there and tell what was found.")]
Force = Annotated[bool, typer.Option("--force", help="Train even if nothing changed since the last run.")]
Models = Annotated[list[str] | None, typer.Option(metavar="ID_OR_FOLDER", help="Score this one; may be repeated.")]
Pairs = Annotated[int | None, typer.Option(min=1, metavar="N", help="Plan for so many; nothing is mined or read.")]
Hard = Annotated[int | None, typer.Option(min=0, metavar="K", help="With --pairs: hard negatives of each.")]
Benchmarks = Annotated[list[str], typer.Argument(metavar="NANOBEIR...", help="Such as nfcorpus and scifact.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="Each becomes a folder in it, in BEIR layout.")]
Commit = Annotated[str | None, typer.Option(metavar="COMMIT", help="Of the Hub's data set; its newest by default.")]
Require = Annotated[bool, typer.Option("--require-promotion", help="Exit with 3 unless the run promotes.")]

DEMO = Path("recipes/demo.yaml")


@app.command()
def demo(force: Force = False) -> None:
    """The whole pipeline on this machine, on the AWS API reference: sources, training, verdict, promotion."""
    from pipelines import local
    from pipelines.demo_run import prepare

    screen = Screen(sys.stdout)
    screen.text("Touchstone demo: retrain MiniLM on the AWS API reference, promote it only if it proves better.")
    recipe = read(DEMO)
    with local.object_store(recipe) as servers:
        prepare(recipe, screen)
        _finish(screen, local.run(recipe, screen, force=force, servers=servers), DEMO, "make demo")


@app.command()
def run(recipe: RecipePath, force: Force = False, require_promotion: Require = False, until: Until = None) -> None:
    """Run a recipe's pipeline on this machine."""
    from pipelines import local

    screen, line = Screen(sys.stdout), read(recipe)
    with local.object_store(line) as servers:
        if until:
            found = local.run_until(line, screen, until=until, servers=servers)
            return (draw_corpus if until == "corpus" else draw_pairs)(screen, found)
        record = local.run(line, screen, force=force, servers=servers)
    _finish(screen, record, recipe, f"touchstone run {recipe}")
    if require_promotion and record["outcome"] not in ("PROMOTED", "ALREADY_PROMOTED"):
        raise typer.Exit(3)


@app.command()
def bases(recipe: RecipePath, models: Models = None) -> None:
    """Score untuned base models on the recipe's dev queries: the recipe's own, and a shortlist or `--models`."""
    from components.training.shortlist import SHORTLIST
    from pipelines import bases as table
    from pipelines import local

    screen, line = Screen(sys.stdout), read(recipe)
    with local.object_store(line) as servers:
        rows = table.compare(line, screen, models or SHORTLIST, servers)
    table.draw(screen, rows, line.base_model)


@app.command()
def plan(recipe: RecipePath, pairs: Pairs = None, hard_negatives: Hard = None) -> None:
    """Tell what training will do and take: true negatives, steps, memory, time; a few steps are tried."""
    from pipelines import local
    from pipelines import plan as planning

    screen, line = Screen(sys.stdout), read(recipe)
    with local.object_store(line) as servers:
        found = planning.plan(line, screen, servers, pairs=pairs, negatives=hard_negatives)
    planning.draw(screen, found, line)


@app.command()
def mirror(names: Benchmarks, folder: Folder, revision: Commit = None) -> None:
    """Bring NanoBEIR's benchmarks into FOLDER, as guards to put on S3, where the Hub can be reached."""
    from pipelines.mirror import mirror as bring

    screen = Screen(sys.stdout)
    for made in bring(names, folder, revision):
        told = json.loads((made / "SOURCE.json").read_text())
        screen.text(f"{made}   {told['repository']} at {told['revision']}, licence {told['licence']}")


@gate.command()
def replay(run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/latest.")]) -> None:
    """Decide a run again from its artifacts; the verdict must come out byte for byte."""
    from components.gate.files import replay as decide_again

    verdict = decide_again(run)
    Screen(sys.stdout).line(verdict.decision, f"{verdict.reasons[0].text}\nreplayed from {run}: the same bytes")


@gate.command()
def selftest(run: Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder, such as runs/latest.")]) -> None:
    """Judge models whose verdict is known, made of a run's own, on dev; exit with 1 if one comes out wrong."""
    from pipelines import local
    from pipelines import selftest as testing

    screen, line = Screen(sys.stdout), testing.recipe_of(run)
    with local.object_store(line) as servers:
        found = testing.selftest(run, line, screen, servers)
    if not testing.draw(screen, found, line):
        raise typer.Exit(1)


@gate.command()
def seal(recipe: RecipePath) -> None:
    """Open a new generation of the sealed test: the reserve side judges, what judged so far trains."""
    from pipelines import local
    from pipelines import seal as sealing

    screen, line = Screen(sys.stdout), read(recipe)
    with local.object_store(line) as servers:
        entry = sealing.seal(line, screen, servers)
    sealing.draw(screen, entry)


def _finish(screen: Screen, record: dict[str, Any], recipe: Path, again: str) -> None:
    """Tell how the run ended; a failure leaves with its error's exit code."""
    folder = Path(record["log"]).parent
    if (folder / "verdict.json").exists():
        draw_verdict(screen, json.loads((folder / "verdict.json").read_bytes()))
    if held := record.get("held"):
        draw_held(screen, held)
    if record["outcome"] == "SKIPPED_UNCHANGED":
        screen.line("SKIPPED", "nothing changed since the last run that reached a verdict; --force trains all the same")
    tell_production(screen, record, recipe)
    screen.line("report", "runs/latest/report.html")
    if record["model"]:
        screen.line("use it", 'SentenceTransformer("runs/latest/model")')
    peak = record["peak_memory_bytes"] / 1e9
    screen.text(f"\nDone in {duration(record['seconds'])}, {peak:.1f} GB at the peak. Details: {record['log']}")
    if record["outcome"] not in GREEN:
        error = TouchstoneError.from_record(record["error"] or {})
        raise error
    screen.text(f"Run `{again}` again when there are new documents: production's model is the one to beat.")


@contextmanager
def _told() -> Iterator[None]:
    """A typed error as a message and an exit code; anything else is a fault of ours and keeps its traceback."""
    try:
        yield
    except TouchstoneError as error:
        sys.stderr.write(f"\n{error}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.stderr.write("\nStopped. `touchstone history` tells what is in production.\n")
        sys.exit(130)


def main() -> None:
    """The entry point; being asked to end is like Ctrl-C, so that what was started is ended too."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _told():
        app()

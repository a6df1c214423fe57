"""The commands about what is in production: `touchstone approve | history | rollback | verify | certify`.

`pipelines.cli` takes them in beside its own.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.recipe import read
from pipelines.screen import Screen, describe

production = typer.Typer()
LATEST = Path("runs/latest/model")

RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe, such as recipes/demo.yaml.")]
Waiting = Annotated[str, typer.Argument(metavar="RUN", help="A run that waits: its id, or its folder in runs/.")]
Reason = Annotated[str, typer.Option(help="Why, in a line; it stands in the promotion and in the model's card.")]
Key = Annotated[Path, typer.Option(envvar="TOUCHSTONE_APPROVAL_KEY", help="Your private key (Ed25519), a file.")]
Version = Annotated[str, typer.Argument(metavar="VERSION", help="A version or revision that `history` lists.")]
Revision = Annotated[
    str | None, typer.Argument(metavar="REVISION", help="A version or revision; production's without.")
]
Url = Annotated[str, typer.Argument(metavar="URL", help="Of the server, such as http://host:8080; /v1 may follow.")]
Served = Annotated[Path, typer.Argument(metavar="RECIPE|FOLDER", help="The line, or a promoted model's folder.")]
Why = Annotated[str, typer.Option("--reason", help="Why, in a line; it stands in the history.")]


@production.command()
def approve(recipe: RecipePath, run: Waiting, reason: Reason, key: Key) -> None:
    """Approve a promotion that waits, or waive its hold, and finish it; every check is made again."""
    from pipelines import approve as approval
    from pipelines import local

    screen, line = Screen(sys.stdout), read(recipe)
    with local.object_store(line) as servers:
        record = approval.approve(line, screen, run, reason, key, servers)
    tell_production(screen, record, recipe)


@production.command()
def history(recipe: RecipePath) -> None:
    """List the promotions of a recipe's line, newest first."""
    from components.store.stores import open_models
    from pipelines import local

    screen, line = Screen(sys.stdout), read(recipe)
    with local.object_store(line):
        promotions = list(open_models(line.target).history())
    for one in promotions:
        screen.text(describe(one))
    if not promotions:
        screen.text(f"Nothing was ever promoted to {line.target}.")


@production.command()
def rollback(recipe: RecipePath, version: Version, reason: Why) -> None:
    """Have production point at an earlier revision again; the history keeps both."""
    from components.hub import rollback as back
    from components.store.stores import open_models
    from pipelines import local

    screen, line = Screen(sys.stdout), read(recipe)
    with local.object_store(line):
        found = back.rollback(open_models(line.target), version, reason, line.signing)
    screen.line("rolled back", f"{line.target}  production -> {found.version}, which is {found.restores} again")
    screen.line("", "Vectors of the two models do not mix: an index that was built with the other one is built anew.")


@production.command()
def verify(recipe: RecipePath, revision: Revision = None) -> None:
    """Check a promoted revision anew: its files, what they are, that it works; exit with 1 at the first finding."""
    from components.hub import verify as verifying
    from components.hub.rollback import choose
    from components.store.stores import open_models
    from pipelines import local

    screen, line = Screen(sys.stdout), read(recipe)
    with local.object_store(line), tempfile.TemporaryDirectory() as work:
        store = open_models(line.target)
        promotion = choose(store, revision)
        for label, text in verifying.verify(store, promotion, Path(work), line.signing):
            screen.line(label, text)
    screen.line("VERIFIED", f"{line.target}  revision {promotion.revision[:8]}, {promotion.version}")


@production.command()
def certify(url: Url, served: Served = LATEST) -> None:
    """Check that a running server of embeddings makes the vectors that were tested; exit with 1 if it does not."""
    from components.hub import certify as certifying
    from components.hub.serving import connected
    from pipelines.production import parity_of

    screen = Screen(sys.stdout)
    known = parity_of(served)
    with connected(url) as server:
        for label, text in certifying.certify(server, known):
            screen.line(label, text)
    screen.line("CERTIFIED", f"{server.host} serves the model {known.fingerprint[:8]} as it was tested")


def tell_production(screen: Screen, record: dict[str, Any], recipe: Path) -> None:
    """What a run has left in production, or what waits."""
    published, champion = record["publication"], record["inputs"].get("champion", "")
    if record["outcome"] == "AWAITING_APPROVAL":
        screen.line("waits", f"for an approval until {record['awaiting']['expires']}; approve with:")
        screen.line("", f'touchstone approve {recipe} {record["run"]} --reason "..." --key PATH')
    if published:
        label = {"LOST_RACE": "lost race"}.get(record["outcome"], "published")
        where = f"{published['target']}  revision {published['revision'][:8]}  production -> {published['version']}"
        screen.line(label, where)
    else:
        screen.line(
            "production", f"stays at revision {champion[-40:][:8]}" if champion else "nothing was ever promoted"
        )

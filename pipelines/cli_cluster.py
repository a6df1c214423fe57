"""The commands about a cluster: `touchstone compile | submit | schedule | status`.

`pipelines.cli` takes them in beside its own.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.compile import compile_manifests, compile_recipe
from pipelines.recipe import Recipe, read
from pipelines.screen import Screen

cluster = typer.Typer()

RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe, such as recipes/gpu.yaml.")]
Output = Annotated[Path, typer.Option(help="Where the YAML goes.")]
Which = Annotated[Literal["retrain", "promote"], typer.Option(help="promote finishes what somebody approved.")]
GitOps = Annotated[bool, typer.Option("--gitops", help="As Pipeline and PipelineVersion, for a GitOps repository.")]
Tags = Annotated[bool, typer.Option("--allow-tags", help="Images without a digest will do: a cluster on this machine.")]
Name = Annotated[str | None, typer.Option("--run", metavar="NAME", help="Its name; the same name again is one run.")]
Force = Annotated[bool, typer.Option("--force", help="Train even if nothing changed since the last run.")]
Json = Annotated[bool, typer.Option("--json", help="For a monitor.")]

BUILT = Path("build/pipeline.yaml")


@cluster.command("compile")
def compile_command(
    recipe: RecipePath,
    output: Output = BUILT,
    pipeline: Which = "retrain",
    gitops: GitOps = False,
    allow_tags: Tags = False,
) -> None:
    """Write the pipeline that a Kubeflow cluster gets."""
    screen, line, images = Screen(sys.stdout), read(recipe), _images(allow_tags)
    if gitops:
        version = compile_manifests(line, output, pipeline=pipeline, images=images)
        return screen.line("compiled", f"{recipe} to {output}, version {version}")
    compile_recipe(line, output, pipeline=pipeline, images=images)
    screen.line("compiled", f"{recipe} to {output}")


@cluster.command()
def submit(recipe: RecipePath, run: Name = None, force: Force = False, allow_tags: Tags = False) -> None:
    """Start a run on the cluster."""
    from pipelines.submit import submit as send

    screen, line = Screen(sys.stdout), read(recipe)
    with _package(line, allow_tags) as package:
        found, started = send(line, package, run, force=force)
    screen.line("started" if started else "was there", f"{found.display_name}, run {found.run_id}, {found.state}")


@cluster.command()
def schedule(recipe: RecipePath, allow_tags: Tags = False) -> None:
    """Make the cluster's recurring run what the recipe's cluster.schedule says."""
    from pipelines.submit import schedule as reconcile

    screen, line = Screen(sys.stdout), read(recipe)
    with _package(line, allow_tags) as package:
        found = reconcile(line, package)
    for done in found.done or ["nothing: it is as the recipe says"]:
        screen.line("changed", done)
    screen.line("fires next", f"{found.next:%Y-%m-%d %H:%M}, in the cluster's time zone" if found.next else "never")


@cluster.command()
def status(recipe: RecipePath, json: Json = False) -> None:
    """Tell how a line is: its last runs and promotion, holds in a row, looks left, what it stores."""
    from datetime import UTC, datetime

    from pipelines import local
    from pipelines import status as state

    screen, line = Screen(sys.stdout), read(recipe)
    with local.object_store(line):
        found = state.status(line)
    if json:
        return screen.text(state.as_json(found))
    state.draw(screen, found, datetime.now(UTC))


@contextmanager
def _package(recipe: Recipe, allow_tags: bool) -> Iterator[Path]:
    """The compiled pipeline, for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder:
        yield compile_recipe(recipe, Path(folder) / "pipeline.yaml", images=_images(allow_tags))


def _images(allow_tags: bool) -> dict[str, str]:
    from pipelines.images import pinned

    return pinned(allow_tags=allow_tags)

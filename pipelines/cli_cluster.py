"""The commands about a cluster: `touchstone compile`.

`pipelines.cli` takes them in beside its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipelines.compile import compile_manifests, compile_recipe
from pipelines.recipe import read
from pipelines.screen import Screen

cluster = typer.Typer()

BUILT = Path("build/pipeline.yaml")

RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="A recipe, such as recipes/gpu.yaml.")]
Output = Annotated[Path, typer.Option(help="Where the YAML goes.")]
Which = Annotated[Literal["retrain", "promote"], typer.Option(help="promote finishes what somebody approved.")]
GitOps = Annotated[bool, typer.Option("--gitops", help="As Pipeline and PipelineVersion, for a GitOps repository.")]


@cluster.command("compile")
def compile_command(
    recipe: RecipePath,
    output: Output = Path("build/pipeline.yaml"),
    pipeline: Which = "retrain",
    gitops: GitOps = False,
) -> None:
    """Write the pipeline that a Kubeflow cluster gets."""
    screen, line = Screen(sys.stdout), read(recipe)
    if gitops:
        version = compile_manifests(line, output, pipeline=pipeline)
        return screen.line("compiled", f"{recipe} to {output}, version {version}")
    compile_recipe(line, output, pipeline=pipeline)
    screen.line("compiled", f"{recipe} to {output}")

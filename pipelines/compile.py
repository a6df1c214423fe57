"""From a recipe to the YAML that a cluster gets and a laptop runs."""

import os
from pathlib import Path

from kfp import compiler, dsl

from components.corpus.component import describe
from pipelines import tasks
from pipelines.recipe import Recipe
from pipelines.retrain import retrain


def compile_recipe(recipe: Recipe, out: Path, *, until: str = "") -> Path:
    """Write the pipeline of `recipe` to `out`; equal recipes give equal bytes. `until="corpus"` ends it there."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.stem}.part.yaml")
    compiler.Compiler().compile(corpus(recipe) if until else retrain(recipe), str(part))
    os.replace(part, out)
    return out


def corpus(recipe: Recipe) -> dsl.base_component.BaseComponent:
    """The first steps of `retrain` alone: to see what is in the sources before anything is trained on it."""

    @dsl.pipeline(name=f"touchstone-{recipe.name}-corpus", description="From buckets to documents.")
    def pipeline() -> None:
        digest = tasks.snapshot(recipe)
        with dsl.If(digest != "", name="listed"):  # kfp.local gives a loop the loop's item for a sibling's output
            tasks.fresh(recipe.state, describe(documents=tasks.documents(recipe, digest)))

    return pipeline

"""From a recipe to the YAML that a cluster gets and a laptop runs."""

from __future__ import annotations

import os
from pathlib import Path

from kfp import compiler

from pipelines.recipe import Recipe
from pipelines.retrain import retrain


def compile_recipe(recipe: Recipe, out: Path) -> Path:
    """Write the pipeline of `recipe` to `out`; equal recipes give equal bytes."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.stem}.part.yaml")
    compiler.Compiler().compile(retrain(recipe), str(part))
    os.replace(part, out)
    return out

"""From a recipe to the YAML that a cluster gets and a laptop runs."""

import os
from pathlib import Path

from kfp import compiler, dsl

from components.corpus.component import describe
from components.pairs.component import tell
from components.store.component import resolve
from pipelines import tasks
from pipelines.promote import promote
from pipelines.recipe import Recipe
from pipelines.retrain import retrain


def compile_recipe(recipe: Recipe, out: Path, *, pipeline: str = "retrain") -> Path:
    """Write one of the `PIPELINES` of `recipe` to `out`; equal recipes give equal bytes."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.stem}.part.yaml")
    compiler.Compiler().compile(PIPELINES[pipeline](recipe), str(part))
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


def pairs(recipe: Recipe) -> dsl.base_component.BaseComponent:
    """The steps of `retrain` before training: what would train, what would judge, and the leakage proof."""

    @dsl.pipeline(name=f"touchstone-{recipe.name}-pairs", description="From buckets to pairs.")
    def pipeline(base_model: str = recipe.base_model) -> None:
        digest = tasks.snapshot(recipe)
        models = [resolve(model=base_model, floating=recipe.allow_floating, base=True), resolve(model=recipe.target)]
        heads = [tasks.fresh(recipe.state, model).output for model in models]
        with dsl.If(digest != "", name="listed"):
            base = tasks.pulled(recipe, "base", heads[0]).set_caching_options(False).output
            champion = tasks.pulled(recipe, "champion", heads[1]).set_caching_options(False).output
            documents = tasks.documents(recipe, digest)
            found = tasks.mined(recipe, digest, documents, base)
            made = tasks.hardened(recipe, found, base, champion, recipe.gpus)  # a parameter would not get into the `if`
            shown = {name: found[name] for name in ("judged", "passages", "leakage")}
            tasks.fresh(recipe.state, tell(documents=documents, pairs=made, **shown))

    return pipeline


PIPELINES = {"retrain": retrain, "corpus": corpus, "pairs": pairs, "promote": promote}

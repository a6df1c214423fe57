"""From a recipe to the YAML that a cluster gets and a laptop runs."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kfp import compiler, dsl
from kfp.compiler.compiler_utils import KubernetesManifestOptions

from components.corpus.component import describe
from components.pairs.component import tell
from components.store.component import resolve
from pipelines import tasks
from pipelines.placement import refuse_templates
from pipelines.promote import promote
from pipelines.recipe import Recipe
from pipelines.retrain import retrain


def compile_recipe(
    recipe: Recipe, out: Path, *, pipeline: str = "retrain", images: Mapping[str, str] | None = None
) -> Path:
    """Write one of the `PIPELINES` of `recipe` to `out`; equal recipes and images give equal bytes.

    Args:
        recipe: The line.
        out: Where the YAML goes.
        pipeline: Which of them.
        images: Logical image name -> what a cluster pulls; without it the logical names stay, as a run here needs.

    Raises:
        UserError: TEMPLATE_IN_RECIPE.
    """
    return _write(_graph(recipe, pipeline, images), out)


def compile_manifests(recipe: Recipe, out: Path, *, pipeline: str, images: Mapping[str, str] | None = None) -> str:
    """Write it as `Pipeline` and `PipelineVersion`, which Kubeflow from 2.15 reads from Kubernetes itself.

    A version never changes there, so its name is made of its content.

    Returns:
        The version's name.
    """
    graph = _graph(recipe, pipeline, images)
    version = version_of(_write(graph, out))
    name = f"{graph.name}-{version}"
    named = {"pipeline_name": graph.name, "pipeline_version_name": name, "namespace": recipe.cluster.namespace}
    options = KubernetesManifestOptions(**named, include_pipeline_manifest=True)
    _write(graph, out, kubernetes_manifest_format=True, kubernetes_manifest_options=options)
    return name


def version_of(compiled: Path) -> str:
    """What names the version of a compiled pipeline: its content."""
    return hashlib.sha256(compiled.read_bytes()).hexdigest()[:12]


def _graph(recipe: Recipe, pipeline: str, images: Mapping[str, str] | None) -> Any:
    """The pipeline, with its images replaced."""
    refuse_templates(recipe)
    graph = PIPELINES[pipeline](recipe)
    if images:
        for executor in graph.pipeline_spec.deployment_spec["executors"].values():
            executor["container"]["image"] = images[executor["container"]["image"]]
    return graph


def _write(graph: Any, out: Path, **form: Any) -> Path:
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.stem}.part.yaml")
    compiler.Compiler().compile(graph, str(part), **form)
    os.replace(part, out)
    return out


def corpus(recipe: Recipe) -> dsl.base_component.BaseComponent:
    """The first steps of `retrain` alone: to see what is in the sources before anything is trained on it."""

    @dsl.pipeline(name=f"touchstone-{recipe.name}-corpus", description="From buckets to documents.")
    def pipeline() -> None:
        digest = tasks.snapshot(recipe)
        with dsl.If(digest != "", name="listed"):  # kfp.local gives a loop the loop's item for a sibling's output
            tasks.fresh(recipe, describe(documents=tasks.documents(recipe, digest)))

    return pipeline


def pairs(recipe: Recipe) -> dsl.base_component.BaseComponent:
    """The steps of `retrain` before training: what would train, what would judge, and the leakage proof."""

    @dsl.pipeline(name=f"touchstone-{recipe.name}-pairs", description="From buckets to pairs.")
    def pipeline(base_model: str = recipe.base_model) -> None:
        digest = tasks.snapshot(recipe)
        models = [resolve(model=base_model, floating=recipe.allow_floating, base=True), resolve(model=recipe.target)]
        heads = [tasks.fresh(recipe, model).output for model in models]
        with dsl.If(digest != "", name="listed"):
            base = tasks.pulled(recipe, "base", heads[0]).set_caching_options(False).output
            champion = tasks.pulled(recipe, "champion", heads[1]).set_caching_options(False).output
            documents = tasks.documents(recipe, digest)
            found = tasks.mined(recipe, digest, documents, base)
            made = tasks.hardened(recipe, found, base, champion, recipe.gpus)  # a parameter would not get into the `if`
            shown = {name: found[name] for name in ("judged", "passages", "leakage")}
            tasks.fresh(recipe, tell(documents=documents, pairs=made, **shown))

    return pipeline


PIPELINES = {"retrain": retrain, "corpus": corpus, "pairs": pairs, "promote": promote}

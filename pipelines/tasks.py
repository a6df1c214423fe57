"""Tasks that more than one pipeline is made of: how documents are loaded, and what is cached."""

from __future__ import annotations

from typing import Any, Literal

from kfp import dsl, kubernetes
from kfp.dsl import PipelineTask

from components.corpus import component as corpus
from components.pairs import component as pairs
from components.store.component import pull
from components.training.component import train
from pipelines.placement import place
from pipelines.recipe import Recipe


def recorded(recipe: Recipe, task: PipelineTask) -> PipelineTask:
    """Place the step, and let it put its typed error on the run's record.

    Neither is a part of a cache key on a cluster.
    """
    kubernetes.use_field_path_as_env(task, "TOUCHSTONE_RUN", "metadata.labels['pipeline/runid']")
    return place(recipe, task.set_env_variable("TOUCHSTONE_STATE", recipe.state))


def fresh(recipe: Recipe, task: PipelineTask) -> PipelineTask:
    """Run the step every time: it looks at the world, charges a look or changes something."""
    return recorded(recipe, task).set_caching_options(False)


def snapshot(recipe: Recipe) -> Any:
    """The digest of today's listing."""
    places = {
        role: [source.model_dump(mode="json", exclude_none=True) for source in sources]
        for role, sources in recipe.places.items()
    }
    return fresh(recipe, corpus.snapshot(state=recipe.state, places=places)).output


def pulled(recipe: Recipe, role: Literal["base", "champion"], reference: Any) -> PipelineTask:
    """The model that plays this role, signed if that is asked of it, and licensed if it is the base."""
    signing = recipe.signing.asked(role).model_dump(mode="json")
    terms = recipe.terms.model_dump() if role == "base" else {}
    return recorded(recipe, pull(model=reference, role=role, signing=signing, terms=terms))


def documents(recipe: Recipe, digest: Any) -> Any:
    """The artifact `documents`, loaded shard by shard."""
    state, reading = recipe.state, recipe.corpus.reading
    known = {"state": state, "snapshot": digest}
    shards = recorded(recipe, corpus.cut(**known, shard_bytes=recipe.corpus.shard_bytes))
    with dsl.ParallelFor(shards.output, parallelism=recipe.corpus.shards_at_once) as shard:
        part = recorded(recipe, corpus.load(**known, shard=shard, config=reading))
    return recorded(recipe, corpus.gather(state=state, config=reading, parts=dsl.Collected(part.output))).output


def mined(recipe: Recipe, digest: Any, documents: Any, base: Any) -> dict[str, Any]:
    """Passages, raw pairs, judged queries, the leakage proof, and the snapshot that all of it is of."""
    reading = {"passage_tokens": recipe.corpus.passage_tokens, "passage_overlap": recipe.corpus.passage_overlap}
    generation = fresh(recipe, pairs.generation(state=recipe.state)).output
    known = {"snapshot": digest, "generation": generation, "documents": documents, "base": base, **reading}
    sources = [source.uri for source in recipe.corpus.sources]
    task = pairs.mine(state=recipe.state, sources=sources, config=_section(recipe), **known)
    return {**recorded(recipe, task).outputs, "snapshot": digest}


def trained(recipe: Recipe, found: dict[str, Any], base: Any, champion: Any, gpus: Any) -> tuple[Any, PipelineTask]:
    """The pairs that trained and the training; in a second round both are made anew with what the first one made."""
    made = hardened(recipe, found, base, champion, gpus)
    training = _trained(recipe, made, found, base, gpus)
    if recipe.pairs.negatives.second_round:
        candidate = training.outputs["candidate"]
        made = hardened(recipe, found, candidate, candidate, gpus)
        training = _trained(recipe, made, found, base, gpus)
    return made, training


def _trained(recipe: Recipe, made: Any, found: dict[str, Any], base: Any, gpus: Any) -> PipelineTask:
    known = {"pairs": made, "judged": found["judged"], "passages": found["passages"], "base": base}
    config = recipe.training.model_dump(mode="json", exclude_none=True)
    looked = {"state": recipe.state, "snapshot": found["snapshot"], "guards": sorted(recipe.guards)}
    task = train(**looked, **known, gpus=gpus, config=config)
    on_nodes = recipe.training.nodes is not None
    return on_gpus(recipe, task, "0" if on_nodes else gpus)  # a TrainJob's machines have them


def on_gpus(recipe: Recipe, task: PipelineTask, gpus: Any) -> PipelineTask:
    """Run the step where so many GPUs are."""
    return recorded(recipe, task).set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(gpus)


def hardened(recipe: Recipe, found: dict[str, Any], base: Any, champion: Any, gpus: Any) -> Any:
    """The pairs that train: filtered by round trip and with negatives, if the recipe asks for either."""
    if not recipe.pairs.hardened:
        return found["pairs"]
    asked = champion if recipe.pairs.negatives.miner == "champion" else base  # a new champion must not undo the cache
    known = {"raw": found["pairs"], "passages": found["passages"], "base": base, "champion": asked}
    return on_gpus(recipe, pairs.harden(state=recipe.state, config=_section(recipe), **known), gpus).output


def _section(recipe: Recipe) -> dict[str, Any]:
    return recipe.pairs.model_dump(mode="json", exclude_none=True)

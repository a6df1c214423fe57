"""The DAG: from buckets to a verdict, and to production only if the verdict promotes.

    snapshot -> check -> load shards -> gather -> mine -> train -> unseal -> evaluate -> decide -> report
                                                                                          `-> if PROMOTE: publish
    finish, always

Steps whose inputs name content are cached. Those that look at the world, charge a look or change something
(`fresh`) are not; they hand on digests and references, as strings, so that what stands below them can be.
"""

from kfp import dsl, kubernetes
from kfp.dsl import PipelineTask

from components.corpus.component import cut, gather, load, snapshot
from components.evaluation.component import evaluate
from components.gate.component import decide, unseal
from components.hub.component import publish
from components.pairs.component import mine
from components.report.component import finish, report
from components.store.component import check, pull, resolve
from components.training.component import train
from pipelines.recipe import Recipe

SHARDS_AT_ONCE = 8


def retrain(recipe: Recipe) -> dsl.base_component.BaseComponent:
    """The pipeline of one recipe; its parameters are what an operator changes between runs."""
    state, target = recipe.state, recipe.target

    def fresh(task: PipelineTask) -> PipelineTask:
        return recorded(task).set_caching_options(False)

    def recorded(task: PipelineTask) -> PipelineTask:
        """Let the step put its typed error on the run's record; the environment is no part of a cache key there."""
        kubernetes.use_field_path_as_env(task, "TOUCHSTONE_RUN", "metadata.labels['pipeline/runid']")
        return task.set_env_variable("TOUCHSTONE_STATE", state)

    def on_gpus(task: PipelineTask, gpus: str) -> PipelineTask:
        return recorded(task).set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(gpus)

    @dsl.pipeline(name=f"touchstone-{recipe.name}", description="Retrain, and promote only what proved better.")
    def pipeline(base_model: str = recipe.base_model, gpus: str = recipe.gpus, force: bool = False) -> None:
        run = dsl.PIPELINE_JOB_ID_PLACEHOLDER
        with dsl.ExitHandler(fresh(finish(state=state, run=run, target=target))):
            digest = fresh(snapshot(state=state, places=recipe.places)).output
            base_reference = fresh(resolve(model=base_model)).output
            head = fresh(resolve(model=target)).output
            inputs = {"snapshot": digest, "base": base_reference, "champion": head, "recipe": recipe.digest}
            todo = fresh(check(state=state, run=run, force=force, **inputs))
            with dsl.If(todo.output == "RETRAIN", name="something-new"):
                base = recorded(pull(model=base_reference, role="base")).output
                champion = fresh(pull(model=head, role="champion")).output
                listing = {"state": state, "snapshot": digest, "shard_bytes": recipe.corpus.shard_bytes}
                shards = recorded(cut(**listing))
                with dsl.ParallelFor(shards.output, parallelism=SHARDS_AT_ONCE) as shard:
                    part = recorded(load(shard=shard, **listing))
                documents = recorded(gather(parts=dsl.Collected(part.output))).output
                mined = recorded(
                    mine(
                        state=state,
                        snapshot=digest,
                        documents=documents,
                        base=base,
                        sources=list(recipe.corpus.sources),
                        passage_tokens=recipe.corpus.passage_tokens,
                        config=recipe.pairs.model_dump(exclude_none=True),
                    )
                ).outputs
                data = {name: mined[name] for name in ("pairs", "judged")}
                training = train(
                    **data,
                    passages=mined["passages"],
                    base=base,
                    gpus=gpus,
                    config=recipe.training.model_dump(exclude_none=True),
                )
                candidate = on_gpus(training, gpus).outputs["candidate"]
                gate = recipe.gate.model_dump()
                asked = {"champion": head, "judged": mined["judged"], "config": gate}
                opened = fresh(unseal(state=state, run=run, candidate=candidate, **asked)).outputs
                exam = evaluate(
                    state=state,
                    snapshot=digest,
                    guards=sorted(recipe.guards),
                    base=base,
                    champion=champion,
                    candidate=candidate,
                    permit=opened["permit"],
                    judged=mined["judged"],
                    passages=mined["passages"],
                )
                scored = on_gpus(exam, gpus).outputs
                evidence = {"scores": scored["scores"], "leakage": mined["leakage"], "look": opened["look"]}
                verdict = fresh(decide(state=state, run=run, config=gate, **evidence))
                proof = {"verdict": verdict.outputs["verdict"], "candidate": candidate}
                shown = {"examples": scored["examples"], "documents": documents, "leakage": mined["leakage"]}
                page = fresh(report(state=state, run=run, **proof, **shown, **data))
                with dsl.If(verdict.outputs["Output"] == "PROMOTE", name="proved-better"):
                    production = {"target": target, "champion": head}
                    fresh(publish(state=state, run=run, **production, **proof)).after(page).set_retry(3, "20s", 2.0)

    return pipeline

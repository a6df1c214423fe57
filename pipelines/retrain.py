"""The DAG: from buckets to a verdict, and to production only if the verdict promotes, and nobody has to approve.

    snapshot -> check -> afford -> load shards -> gather -> mine -> harden -> train
                           if it learned: unseal -> evaluate -> decide -> report -> publish or hold; else: abstain
    finish, always

Steps whose inputs name content are cached. Those that look at the world, charge a look or change something
(`fresh`) are not; they hand on digests and references, as strings, so that what stands below them can be.
"""

from functools import partial

from kfp import dsl

from components.evaluation.component import evaluate
from components.gate.component import abstain, afford, decide, unseal
from components.hub.component import publish
from components.report.component import finish, report
from components.store.component import check, resolve
from pipelines import tasks
from pipelines.placement import whole_run
from pipelines.recipe import Recipe


def retrain(recipe: Recipe) -> dsl.base_component.BaseComponent:
    """The pipeline of one recipe; its parameters are what an operator changes between runs."""
    state, target = recipe.state, recipe.target
    fresh = partial(tasks.fresh, recipe)
    approval, signing = (part.model_dump(mode="json") for part in (recipe.approval, recipe.signing))

    named = {"name": f"touchstone-{recipe.name}", "pipeline_config": whole_run(recipe)}

    @dsl.pipeline(**named, description="Retrain, and promote only what proved better.")
    def pipeline(base_model: str = recipe.base_model, gpus: str = recipe.gpus, force: bool = False) -> None:
        run = dsl.PIPELINE_JOB_ID_PLACEHOLDER
        with dsl.ExitHandler(fresh(finish(state=state, run=run, target=target))):
            digest = tasks.snapshot(recipe)
            base_reference = fresh(resolve(model=base_model, floating=recipe.allow_floating, base=True)).output
            head = fresh(resolve(model=target)).output
            inputs = {"snapshot": digest, "base": base_reference, "champion": head, "recipe": recipe.digest}
            todo = fresh(check(state=state, run=run, force=force, **inputs))
            with dsl.If(todo.output == "RETRAIN", name="something-new"):
                gate = recipe.gate.model_dump(mode="json", exclude_none=True)
                left = fresh(afford(state=state, champion=head, config=gate))
                base = tasks.pulled(recipe, "base", base_reference).after(left).output
                champion = tasks.pulled(recipe, "champion", head).set_caching_options(False).output
                documents = tasks.documents(recipe, digest)
                mined = tasks.mined(recipe, digest, documents, base)
                pairs, training = tasks.trained(recipe, mined, base, champion, gpus)
                candidate = training.outputs["candidate"]
                with dsl.If(training.outputs["Output"] == "NOTHING_LEARNED", name="nothing-learned"):
                    fresh(abstain(state=state, run=run, candidate=candidate))
                with dsl.If(training.outputs["Output"] == "LEARNED", name="learned"):
                    data = {"pairs": pairs, "judged": mined["judged"]}
                    asked = {"champion": head, "judged": mined["judged"], "config": gate}
                    opened = fresh(unseal(state=state, run=run, candidate=candidate, **asked)).outputs
                    exam = evaluate(
                        state=state,
                        snapshot=digest,
                        guards=sorted(recipe.guards),
                        gpus=gpus,
                        base=base,
                        champion=champion,
                        candidate=candidate,
                        permit=opened["permit"],
                        judged=mined["judged"],
                        passages=mined["passages"],
                    )
                    scored = tasks.on_gpus(recipe, exam, gpus).outputs
                    evidence = {"scores": scored["scores"], "leakage": mined["leakage"], "look": opened["look"]}
                    verdict = fresh(decide(state=state, run=run, config=gate, approval=approval, **evidence))
                    proof = {"verdict": verdict.outputs["verdict"], "candidate": candidate}
                    shown = {"examples": scored["examples"], "documents": documents, "leakage": mined["leakage"]}
                    page = fresh(report(state=state, run=run, **proof, **shown, **data))
                    with dsl.If(verdict.outputs["Output"] == "PUBLISH", name="to-be-published"):
                        production = {"target": target, "champion": head, "approval": approval}
                        production |= {"signing": signing, "declared": recipe.declared.model_dump()}
                        production |= {"parity": scored["parity"]}
                        fresh(publish(state=state, run=run, **production, **proof)).after(page)

    return pipeline

"""The second, small pipeline: it finishes what ended as AWAITING_APPROVAL, once a person has approved it."""

from kfp import dsl

from components.hub.component import promote as promote_approved
from components.report.component import conclude
from pipelines import tasks
from pipelines.placement import whole_run
from pipelines.recipe import Recipe


def promote(recipe: Recipe) -> dsl.base_component.BaseComponent:
    """The pipeline of one recipe; its parameter is the run that waits."""
    state, target = recipe.state, recipe.target

    named = {"name": f"touchstone-{recipe.name}-promote", "pipeline_config": whole_run(recipe)}

    @dsl.pipeline(**named, description="Finish a promotion that a person approved.")
    def pipeline(run: str) -> None:
        known = {"state": state, "run": run, "target": target}
        asked = {name: getattr(recipe, name).model_dump(mode="json") for name in ("approval", "signing")}
        done = tasks.fresh(recipe, promote_approved(**asked, **known))
        tasks.fresh(recipe, conclude(**known)).after(done)

    return pipeline

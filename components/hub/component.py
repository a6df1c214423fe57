"""KFP component `publish`: the only step that can change production."""

from kfp import dsl


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def publish(
    state: str,
    run: str,
    target: str,
    champion: str,
    candidate: dsl.Input[dsl.Model],
    verdict: dsl.Input[dsl.Dataset],
) -> str:
    """Store the candidate under an immutable revision and move `production` to it, unless that moved meanwhile.

    Args:
        state: The line's state.
        run: The run that promotes.
        target: The model store.
        champion: The pinned reference that the candidate was judged against, "" for none.
        candidate: The model to promote.
        verdict: The verdict that promotes it.
    """
    from components.store.events import note, step

    with step("publish"):
        from pathlib import Path

        from components.hub.publish import publish as promote

        found = promote(state, run, target, champion, Path(candidate.path), Path(verdict.path))
        name = f"revision {found.promotion.revision[:8]}, production -> {found.promotion.version}"
        note(f"{target} {name}", outcome=found.outcome, **found.promotion.as_json())
        return found.outcome

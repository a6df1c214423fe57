"""KFP components `resolve`, `pull` and `check`: how models enter a run, and whether it is worth one."""

from kfp import dsl


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def resolve(model: str, floating: bool = True, base: bool = False) -> str:
    """Pin a model's address to the revision that production points at; "" when nothing was ever promoted.

    Args:
        model: `s3://bucket/prefix`, `hf://owner/name`, a folder, or any of them with `@revision`.
        floating: Whether a remote model without a revision is taken.
        base: Whether a model on the Hub that nobody promoted there will do.
    """
    from components.store.events import step

    with step("resolve"):
        from components.store.pull import pin

        return pin(model, floating=floating, base=base)


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def pull(
    model: str, role: str, signing: dict[str, object], terms: dict[str, object], out: dsl.Output[dsl.Model]
) -> None:
    """Fetch a pinned model, refuse it unless it is safe to load, keep it as an artifact.

    Args:
        model: `address@revision`, or "" for none.
        role: `base` must be readable; a `champion` that is not makes the gate hold.
        signing: The recipe's section `signing`, as far as it is asked of this role.
        terms: What the recipe says about the licence of a base.
        out: The model, or the word that there is none.
    """
    from components.store.events import step

    with step("pull"):
        from pathlib import Path

        from components.store.licence import Terms
        from components.store.pull import pull as fetch
        from components.store.signing_config import SigningConfig

        signed, licensed = SigningConfig.parse(signing, where="signing"), Terms.parse(terms, where="terms")
        fetch(model, Path(out.path), optional=role == "champion", signed=signed, terms=licensed)


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def check(state: str, run: str, snapshot: str, base: str, champion: str, recipe: str, force: bool) -> str:
    """Is there anything new to train on? `RETRAIN` or `SKIPPED_UNCHANGED`.

    Args:
        state: The line's state.
        run: This run.
        snapshot: The listing's digest.
        base: The base's pinned reference.
        champion: The champion's pinned reference, "" for none.
        recipe: The recipe's digest.
        force: Train even if nothing changed.
    """
    from components.store.events import note, step

    with step("check"):
        from components.store.line import check as compare

        inputs = {"snapshot": snapshot, "base": base, "champion": champion, "recipe": recipe}
        task = compare(state, run, **inputs, force=force)
        note("", task=task, champion=champion)
        return task

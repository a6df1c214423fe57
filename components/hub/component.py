"""KFP components `publish` and `promote`, the only steps that can change production."""

from kfp import dsl


@dsl.component(base_image="touchstone-train", install_kfp_package=False)
def publish(
    state: str,
    run: str,
    target: str,
    champion: str,
    approval: dict[str, object],
    declared: dict[str, object],
    signing: dict[str, object],
    candidate: dsl.Input[dsl.Model],
    verdict: dsl.Input[dsl.Dataset],
    parity: dsl.Input[dsl.Dataset],
) -> None:
    """Store the candidate under an immutable revision and move `production` to it, unless that moved meanwhile.

    Where a person has to approve, `production` stays, and the run's record says what waits.

    Args:
        state: The line's state.
        run: The run that promotes.
        target: The model store.
        champion: The pinned reference that the candidate was judged against, "" for none.
        approval: The recipe's section `approval`.
        declared: What the model's card tells of the recipe.
        signing: The recipe's section `signing`.
        candidate: The model to promote.
        verdict: The verdict that promotes it.
        parity: What it makes of public texts; the files that ship must make the same.
    """
    from components.store.events import note, step

    with step("publish"):
        from pathlib import Path

        from components.gate.approval_config import ApprovalConfig
        from components.hub.declared import Declared
        from components.hub.publish import publish as promote
        from components.store.signing_config import SigningConfig

        waits, signed = ApprovalConfig.parse(approval, where="approval"), SigningConfig.parse(signing, where="signing")
        told = Declared.parse(declared, where="declared")
        proof = {"candidate": Path(candidate.path), "verdict": Path(verdict.path), "parity": Path(parity.path)}
        found = promote(state, run, target, champion, approval=waits, declared=told, signing=signed, **proof)
        note(found.told(target), **found.record(target))


@dsl.component(base_image="touchstone-train", install_kfp_package=False)
def promote(state: str, run: str, target: str, approval: dict[str, object], signing: dict[str, object]) -> str:
    """Finish the promotion that a person has approved, with every check again; returns the outcome.

    Args:
        state: The line's state.
        run: The run that waits.
        target: The model store.
        approval: The recipe's section `approval`: whose word counts.
        signing: The recipe's section `signing`: what the model in production is signed with.
    """
    from components.store.events import note, step

    with step("promote"):
        from components.gate.approval_config import ApprovalConfig
        from components.hub.approved import promote_approved
        from components.store.signing_config import SigningConfig

        asked = (ApprovalConfig.parse(approval, where="approval"), SigningConfig.parse(signing, where="signing"))
        found = promote_approved(state, run, target, *asked)
        note(found.told(target), **found.record(target))
        return found.outcome

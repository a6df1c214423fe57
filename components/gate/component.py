"""KFP components `afford`, before anything trains, `unseal` and `decide`, around the test, `abstain`, without one."""

from kfp import dsl


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def afford(state: str, champion: str, config: dict[str, object]) -> None:
    """End the run before anything is trained, if no look at the sealed test would be left for it.

    Args:
        state: The line's state, which holds the ledger.
        champion: The champion's pinned reference, "" for none.
        config: The recipe's section `gate`: the year's error budget and its looks.
    """
    from components.store.events import note, step

    with step("afford"):
        from datetime import UTC, datetime

        from components.gate.config import GateConfig
        from components.gate.ledger import afford as count
        from components.store.state import State

        day, checked = datetime.now(UTC).date().isoformat(), GateConfig.parse(config, where="gate")
        left = count(State(state), champion=champion, day=day, config=checked)
        note(f"{left} looks left", left=left)


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def unseal(
    state: str,
    run: str,
    champion: str,
    config: dict[str, object],
    candidate: dsl.Input[dsl.Model],
    judged: dsl.Input[dsl.Dataset],
    permit: dsl.Output[dsl.Dataset],
    look: dsl.Output[dsl.Dataset],
) -> None:
    """Charge one look in the ledger, then hand the sealed queries to the evaluation.

    Args:
        state: The line's state, which holds ledger and sealed test.
        run: The run that looks.
        champion: The champion's pinned reference, "" for none.
        config: The recipe's section `gate`: the year's error budget and its looks.
        candidate: The model that will be judged.
        judged: Names the sealed test.
        permit: The sealed queries.
        look: The look that was charged.
    """
    from components.store.events import note, step

    with step("unseal"):
        from pathlib import Path

        from components.gate.config import GateConfig
        from components.gate.files import Unsealed
        from components.gate.files import unseal as open_test

        checked, out = GateConfig.parse(config, where="gate"), Unsealed(Path(permit.path), Path(look.path))
        charged = open_test(state, run, Path(candidate.path), champion, Path(judged.path), checked, out)
        note(f"look {charged.number} of {charged.year}, {charged.left} left", **charged.model_dump())


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def abstain(state: str, run: str, candidate: dsl.Input[dsl.Model]) -> None:
    """Hold a candidate that is the base itself, on the run's record, without a look at the sealed test.

    Args:
        state: The line's state.
        run: The run whose record this is.
        candidate: What training made: it learned nothing that dev can see.
    """
    from components.store.events import note, step

    with step("abstain"):
        from pathlib import Path

        from components.gate.record import abstain as hold

        note("no look was spent", held=hold(state, run, Path(candidate.path)))


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def decide(
    state: str,
    run: str,
    config: dict[str, object],
    approval: dict[str, object],
    scores: dsl.Input[dsl.Dataset],
    leakage: dsl.Input[dsl.Dataset],
    look: dsl.Input[dsl.Dataset],
    verdict: dsl.Output[dsl.Dataset],
) -> str:
    """Judge the candidate and put verdict and evidence on the run's record; returns "PUBLISH" or "HOLD".

    Args:
        state: The line's state.
        run: The run whose record this is.
        config: The recipe's section `gate`.
        approval: Its section `approval`: where somebody may waive a suspicion, such a candidate is published to wait.
        scores: What `evaluate` measured.
        leakage: What `mine` counted.
        look: The look that the verdict belongs to.
        verdict: The decision, all reasons, every number.
    """
    from components.store.events import note, step

    with step("decide"):
        from pathlib import Path

        from components.gate.approval import onward
        from components.gate.approval_config import ApprovalConfig
        from components.gate.config import GateConfig
        from components.gate.files import Evidence
        from components.gate.record import judge

        evidence = Evidence(*(Path(artifact.path) for artifact in (scores, leakage, look)))
        found = judge(state, run, GateConfig.parse(config, where="gate"), evidence, Path(verdict.path))
        note("", verdict=found.as_json())
        return onward(found, ApprovalConfig.parse(approval, where="approval"))

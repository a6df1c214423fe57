"""KFP components `report`, the page to read; `finish`, the run's record on every end; `conclude`, after an approval."""

from kfp import dsl


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def report(
    state: str,
    run: str,
    verdict: dsl.Input[dsl.Dataset],
    candidate: dsl.Input[dsl.Model],
    examples: dsl.Input[dsl.Dataset],
    documents: dsl.Input[dsl.Dataset],
    pairs: dsl.Input[dsl.Dataset],
    judged: dsl.Input[dsl.Dataset],
    leakage: dsl.Input[dsl.Dataset],
    page: dsl.Output[dsl.HTML],
) -> None:
    """Draw the page and put it on the run's record.

    Args:
        state: The line's state.
        run: The run.
        verdict: What the gate decided.
        candidate: For its training curve.
        examples: What the models found for dev queries.
        documents: For counts.
        pairs: For counts.
        judged: For counts.
        leakage: For the leakage proof.
        page: One self-contained HTML file.
    """
    from components.store.events import step

    with step("report"):
        from pathlib import Path

        from components.report.publish import publish

        paths = [Path(a.path) for a in (verdict, candidate, examples, documents, pairs, judged, leakage)]
        publish(state, run, *paths, out=Path(page.path))


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def finish(state: str, run: str, target: str, status: dsl.PipelineTaskFinalStatus) -> None:
    """Write the run's record, however it ended.

    Args:
        state: The line's state.
        run: The run.
        target: The model store, to see whether this run moved its pointer.
        status: How Kubeflow says that it ended.
    """
    from components.store.events import note, step

    with step("finish"):
        from components.report.finish import finish as conclude

        record = conclude(state, run, target, succeeded=status.state == "SUCCEEDED")
        note("", record=record)


@dsl.component(base_image="touchstone-data", install_kfp_package=False)
def conclude(state: str, run: str, target: str) -> None:
    """Write the record of a run anew, now that its promotion was approved and finished.

    Args:
        state: The line's state.
        run: The run that was approved.
        target: The model store.
    """
    from components.store.events import note, step

    with step("conclude"):
        from components.report.finish import finish as write

        note("", record=write(state, run, target, succeeded=True))

"""KFP component `evaluate`: every model on the sealed queries."""

from kfp import dsl


@dsl.component(base_image="touchstone-train", install_kfp_package=False)
def evaluate(
    state: str,
    snapshot: str,
    guards: list[str],
    gpus: str,
    base: dsl.Input[dsl.Model],
    champion: dsl.Input[dsl.Model],
    candidate: dsl.Input[dsl.Model],
    permit: dsl.Input[dsl.Dataset],
    judged: dsl.Input[dsl.Dataset],
    passages: dsl.Input[dsl.Dataset],
    scores: dsl.Output[dsl.Dataset],
    examples: dsl.Output[dsl.Dataset],
    parity: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
) -> None:
    """Score base, champion, candidate, BM25 and hybrids on identical queries and the whole corpus.

    Args:
        state: The line's state, for vectors of earlier runs.
        snapshot: The listing's digest, for the guards.
        guards: Names of the general benchmarks.
        gpus: How many GPUs there must be, as a string; "0" is the processor.
        base: The untuned model.
        champion: The model in production, if there is one.
        candidate: The tuned model.
        permit: The sealed queries, handed out for this look.
        judged: Judged queries of the dev side, for the report's examples.
        passages: The retrieval corpus.
        scores: Every metric of every model for every query.
        examples: What the models found for each dev query.
        parity: What the candidate makes of public texts, for whoever serves it.
        metrics: The means, for the KFP page.
    """
    from components.store.events import step

    with step("evaluate"):
        from pathlib import Path

        from components.evaluation.evaluate import Inputs, Outputs
        from components.evaluation.evaluate import evaluate as score
        from components.retrieval.precision import check_devices

        check_devices(int(gpus))
        paths = [Path(artifact.path) for artifact in (base, champion, candidate, permit, judged, passages)]
        out = Outputs(*(Path(artifact.path) for artifact in (scores, examples, parity)))
        found = score(state, snapshot, guards, Inputs(*paths), out)
        for name, of in found.values.items():
            metrics.metadata |= {f"{name} {metric}": round(float(v.mean()), 4) for metric, v in of.items()}

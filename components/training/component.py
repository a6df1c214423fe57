"""KFP component `train`: from pairs and a base to a candidate."""

from kfp import dsl


@dsl.component(base_image="touchstone-train", install_kfp_package=False)
def train(
    state: str,
    snapshot: str,
    guards: list[str],
    pairs: dsl.Input[dsl.Dataset],
    judged: dsl.Input[dsl.Dataset],
    passages: dsl.Input[dsl.Dataset],
    base: dsl.Input[dsl.Model],
    gpus: str,
    config: dict[str, object],
    candidate: dsl.Output[dsl.Model],
) -> str:
    """Fine-tune the base on the pairs, on every GPU of the pod; returns LEARNED, or NOTHING_LEARNED.

    Args:
        state: The line's state, for checkpoints that outlive a pod.
        snapshot: The listing's digest, for the guards.
        guards: Names of the general benchmarks; a part of each looks on.
        pairs: Training pairs.
        judged: Judged queries of the dev side.
        passages: The retrieval corpus.
        base: The model to start from.
        gpus: How many GPUs, as a string; "0" trains on the processor.
        config: The recipe's section `training`.
        candidate: The tuned model, with `training.json`.
    """
    from components.store.events import step

    with step("train"):
        from functools import partial
        from pathlib import Path

        from components.training.config import TrainingConfig
        from components.training.guarding import keep
        from components.training.job import Data
        from components.training.launch import launch

        checked = TrainingConfig.parse(config, where="training")
        data = Data(*(Path(artifact.path) for artifact in (pairs, judged, passages, base)))
        looking_on = partial(keep, state, snapshot, guards)
        return launch(data, gpus, checked, Path(candidate.path), state, looking_on)

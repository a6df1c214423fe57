"""KFP component `train`: from pairs and a base to a candidate."""

from kfp import dsl


@dsl.component(base_image="touchstone-train", install_kfp_package=False)
def train(
    state: str,
    pairs: dsl.Input[dsl.Dataset],
    judged: dsl.Input[dsl.Dataset],
    passages: dsl.Input[dsl.Dataset],
    base: dsl.Input[dsl.Model],
    gpus: str,
    config: dict[str, object],
    candidate: dsl.Output[dsl.Model],
) -> None:
    """Fine-tune the base on the pairs, on every GPU of the pod; the best checkpoint by dev nDCG@10 wins.

    Args:
        state: The line's state, for checkpoints that outlive a pod.
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
        from pathlib import Path

        from components.training.config import TrainingConfig
        from components.training.job import Data
        from components.training.launch import launch

        checked = TrainingConfig.parse(config, where="training")
        data = Data(*(Path(artifact.path) for artifact in (pairs, judged, passages, base)))
        launch(data, gpus, checked, Path(candidate.path), state)

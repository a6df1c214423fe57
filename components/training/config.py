"""What a recipe says about training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from components.store.config import Config


class NodesConfig(Config):
    """Machines that train together: a TrainJob of Kubeflow Trainer, which the step starts, follows and removes.

    Where its pods run is the runtime's matter; the image and the way to the store are those of the step's own pod.
    """

    count: int = Field(ge=2, le=128)
    """How many; each has as many processes as the recipe's `gpus` says, and one on a processor."""

    runtime: str = Field("torch-distributed", pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")
    """The runtime that says what a machine is."""

    runtime_kind: Literal["ClusterTrainingRuntime", "TrainingRuntime"] = "ClusterTrainingRuntime"
    """Whether the runtime is the cluster's or the namespace's own."""

    resources: dict[str, str] = {}
    """What a machine gets, such as `{cpu: "32", memory: 256Gi}`, in place of what the runtime says; its GPUs are
    added."""

    service_account: str | None = Field(None, pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")
    """What the pods are; the runtime's if left out."""

    queue: str | None = Field(None, pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")
    """The Kueue LocalQueue that the TrainJob waits in."""

    hours: float = Field(24.0, gt=0, le=720)
    """A TrainJob that runs for longer is ended."""

    wait_minutes: float = Field(120.0, gt=0)
    """How long the machines may be waited for."""


class TrainingConfig(Config):
    """Multiple-negatives ranking from a base, ended by what is best on dev, the untrained base included.

    What is left out is chosen: by the model's size, by what is published of its family, by the memory there is.
    """

    negatives: int | None = Field(None, ge=1, le=262_143)
    """True negatives wanted for each anchor, over all processes; decides the batch, in place of `batch_size`."""

    batch_size: int = Field(64, ge=2, le=65_536)
    """Pairs in a batch of one process. Each anchor is ranked against all texts of the batch, and of the batches that
    the other processes work on."""

    gradient_accumulation: int = Field(1, ge=1, le=1024)
    """Batches per optimizer step. It adds no negatives: raise `negatives` for those."""

    steps: int | None = Field(None, ge=1)
    """Optimizer steps; without it, `epochs` decides."""

    epochs: float = Field(1.0, gt=0, le=20)
    """Passes over the pairs when `steps` is not given."""

    learning_rate: float | None = Field(None, ge=1e-7, le=1e-2)
    """Peak rate; it rises over the warm-up and falls linearly to 0. By the model's size if left out."""

    warmup: float = Field(0.1, ge=0, lt=1)
    """Part of the steps over which the rate rises."""

    temperature: float | None = Field(None, ge=0.001, le=1)
    """Divides the cosines. What the base's family was trained with if left out, else what fits the base on dev."""

    symmetric: bool = True
    """Also rank the anchors of a batch by each positive."""

    mask_false_negatives: bool = True
    """Leave out of the loss what the frozen base finds nearly as close to the anchor as its positive."""

    towards_base: float = Field(0.0, ge=0, le=100)
    """Weight of a penalty on moving away from the frozen base's vectors."""

    matryoshka: tuple[int, ...] = ()
    """Also train the first so many dimensions, each of them, so that vectors can be cut there."""

    max_tokens: int = Field(128, ge=8, le=8192)
    """Texts are cut here while training."""

    tokens_at_once: int | None = Field(None, ge=64)
    """Tokens in one pass through the model; what does not fit goes through the cached loss. By the memory if left
    out."""

    blend: bool = True
    """Score weights between the base and the tuned model on dev, and keep the smallest step that is as good."""

    evaluations: int = Field(2, ge=1, le=100)
    """How often dev nDCG@10 is measured and a checkpoint is kept while training, besides before the first step."""

    dev_documents: int = Field(2000, ge=10)
    """Documents that dev queries are searched in: all relevant ones and a fixed sample of the rest."""

    deepspeed: Literal["zero2"] | None = None
    """Shard gradients and optimizer over the processes. For models of a billion parameters; slower below."""

    mirror_checkpoints: bool = False
    """Keep checkpoints in the state too, so that a new pod goes on where a lost one was."""

    patience_minutes: float = Field(30.0, gt=0)
    """Processes that make no step for so long are ended."""

    nodes: NodesConfig | None = None
    """Several machines in place of the step's own pod."""

    seed: int = Field(42, ge=0, lt=2**32)
    """Seeds the order of the pairs and dropout."""

    @model_validator(mode="after")
    def _possible(self) -> TrainingConfig:
        """What cannot work together is refused before anything is loaded."""
        if self.deepspeed and self.tokens_at_once:
            fix = "leave tokens_at_once out: the cached loss gives wrong gradients with DeepSpeed (issue 3173)"
            raise ValueError(f"one or the other of deepspeed and tokens_at_once; {fix}")
        if any(size < 1 for size in self.matryoshka):
            raise ValueError("a list of dimensions, each at least 1, in matryoshka")
        return self

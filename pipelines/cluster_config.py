"""What a recipe says about the cluster that runs it: placement, secrets by name, a schedule. Never what comes out."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.store.config import Config

Cpu = Annotated[str, Field(pattern=r"^([1-9][0-9]*m|[0-9]+(\.[0-9]+)?)$")]
Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]*(Mi|Gi|Ti)$")]
Name = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")]
"""Of a Kubernetes object."""
Label = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$")]
SecretVariable = Annotated[
    str,
    Field(
        pattern=r"^(AWS_ACCESS_KEY_ID|AWS_SECRET_ACCESS_KEY|AWS_SESSION_TOKEN|HF_TOKEN|[A-Z0-9_]*API_KEY"
        r"|TOUCHSTONE_SIGNING_KEY|TOUCHSTONE_SIGNING_PASSPHRASE)$"
    ),
]
"""What some step reads; `placement.readers` knows which."""

_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASS|CREDENTIAL")
_CRON = re.compile(r"[0-9A-Za-z*,/-]+( [0-9A-Za-z*,/-]+){4}")


class Toleration(Config):
    """A taint that a pod puts up with, as Kubernetes writes it."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None


class Place(Config):
    """Where one kind of step runs, and what it gets."""

    cpu: Cpu
    """Cores that are set aside (`500m`, `4`)."""
    cpu_limit: Cpu
    """Cores it never gets more of."""
    memory: Memory
    """Set aside, and the limit too: a pod above what was set aside may be evicted by a neighbour."""
    hours: float = Field(gt=0, le=720)
    """A pod that runs for longer is ended (`activeDeadlineSeconds`); waiting for a node does not count."""
    node_selector: dict[str, Label] = {}
    tolerations: list[Toleration] = []

    @model_validator(mode="after")
    def _enough(self) -> Place:
        asked, most = (
            float(text.removesuffix("m")) / (1000 if "m" in text else 1) for text in (self.cpu, self.cpu_limit)
        )
        if asked > most:
            raise ValueError(f"cpu of at most cpu_limit, not {self.cpu} over {self.cpu_limit}")
        return self


class Light(Place):
    """Steps that compare, charge, decide, draw."""

    cpu: Cpu = "250m"
    cpu_limit: Cpu = "2"
    memory: Memory = "2Gi"
    hours: float = Field(1, gt=0, le=720)


class Data(Place):
    """Steps that list, parse, mine, and move models."""

    cpu: Cpu = "1"
    cpu_limit: Cpu = "4"
    memory: Memory = "8Gi"
    hours: float = Field(12, gt=0, le=720)


class Train(Place):
    """Steps that run a model: harden, train, evaluate."""

    cpu: Cpu = "4"
    cpu_limit: Cpu = "16"
    memory: Memory = "32Gi"
    hours: float = Field(48, gt=0, le=720)

    shared_memory: Memory = "8Gi"
    """What the processes of a pod share (/dev/shm); it counts as the pod's memory."""
    queue: Name | None = None
    """The Kueue LocalQueue that these steps wait in."""


class SecretKey(Config):
    """A key of a Kubernetes secret in the run's namespace."""

    name: Name
    key: str = Field(pattern=r"^[A-Za-z0-9._-]{1,253}$")
    publish: str | None = Field(None, pattern=r"^[A-Za-z0-9._-]{1,253}$")
    """The key that the steps which publish get instead, such as a token that may write."""


class ClusterConfig(Config):
    """Everything here is compiled in, save the address, the schedule and the service account."""

    light: Light = Light()
    data: Data = Data()
    train: Train = Train()

    retries: int = Field(2, ge=0, le=10)
    """Every step but the last is idempotent and is tried again so often when its process fails. A user's mistake is
    tried again too, since Kubeflow does not tell exit codes apart; a pod that was evicted is not."""
    backoff_seconds: int = Field(60, ge=1, le=3600)
    """Before the first retry; twice as long before each further one."""
    deadline_hours: int = Field(96, ge=1, le=720)
    """A run that takes longer is ended, so that a pod no node has room for does not block the schedule. Such a run
    may end without a record."""
    keep_days: int = Field(14, ge=1, le=365)
    """The workflow and its pods go so long after their end; artifacts and records stay."""

    environment: dict[Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")], str] = {}
    """Variables of every step, such as AWS_ENDPOINT_URL_S3 and AWS_DEFAULT_REGION."""
    secrets: dict[SecretVariable, SecretKey] = {}
    """Variable -> where its value is. Only the steps that read it get it; a secret that is missing is no error.
    TOUCHSTONE_SIGNING_KEY is mounted as a file, whose path the variable holds."""
    pull_secrets: list[Name] = []
    pull_policy: Literal["IfNotPresent", "Always", "Never"] = "IfNotPresent"
    labels: dict[str, Label] = {}
    """Further labels of every pod."""

    host: str | None = Field(None, pattern=r"^https?://[^@?#\s]+$")
    """Kubeflow Pipelines' address; otherwise KF_PIPELINES_ENDPOINT, or the usual service from inside the cluster."""
    namespace: Name | None = None
    """The profile's namespace, where Kubeflow serves several users."""
    service_account: Name | None = "touchstone-run"
    """What the run's pods are; Kubeflow has one for a run, not one for a step."""
    schedule: str | None = None
    """When to run, five fields of cron in the cluster's time: `0 3 * * 1` is Mondays at three."""

    @field_validator("environment")
    @classmethod
    def _open(cls, known: dict[str, str]) -> dict[str, str]:
        """Everybody who can read pipelines reads these."""
        for name, value in known.items():
            if _SECRET.search(name) or re.search("://[^/]*@", value):
                raise ValueError(f"variables without secrets; {name} belongs into cluster.secrets")
        return known

    @field_validator("schedule")
    @classmethod
    def _five_fields(cls, cron: str | None) -> str | None:
        if cron is not None and not _CRON.fullmatch(cron):
            raise ValueError("five fields of cron (minute, hour, day, month, weekday), such as `0 3 * * 1`")
        return cron

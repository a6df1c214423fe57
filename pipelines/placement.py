"""What a cluster is told of every step: what it gets, where it may run, which secrets it sees, when it is tried again.

`kfp.local` runs the same YAML and ignores all of it but the retries, which a local run leaves out.
"""

from __future__ import annotations

from kfp import dsl, kubernetes
from kfp.dsl import PipelineTask

from components.store.errors import UserError
from pipelines.cluster_config import ClusterConfig, Place, Train
from pipelines.recipe import Recipe

KINDS = {
    "light": {"resolve", "check", "afford", "generation", "cut", "unseal", "abstain", "decide", "report"}
    | {"finish", "conclude", "describe", "tell"},
    "data": {"snapshot", "pull", "load", "gather", "mine", "publish", "promote"},
    "train": {"harden", "train", "evaluate"},
}

PUBLISHING = {"publish", "promote"}
HUB = {"resolve", "pull", "afford", "unseal", "decide", "finish", "conclude", *PUBLISHING}
"""Steps that fetch a model or read a model store's history."""
ONCE = {"finish"}
"""Not tried again: what becomes of an exit hook's retries was never tried on a cluster."""
SIGNING_KEY, MOUNTED = "TOUCHSTONE_SIGNING_KEY", "/etc/touchstone/signing"
"""A private key is a file; the variable holds its path."""
IMAGE = "TOUCHSTONE_IMAGE"
"""The variable that tells a step its own image (`components.hub.provenance`)."""
COMPONENT = "touchstone.dev/component"
"""The label by which network policies know a run's pods."""


def place(recipe: Recipe, task: PipelineTask) -> PipelineTask:
    """Tell the cluster about one step."""
    name, cluster = task.component_spec.name, recipe.cluster
    where = _place(recipe, name)
    _resources(task, where)
    _pod(task, recipe, name)
    _secrets(task, cluster, name)
    if isinstance(where, Train):
        _hardware(task, where)
    if cluster.retries and name not in ONCE:
        task.set_retry(cluster.retries, f"{cluster.backoff_seconds}s", 2.0, "3600s")
    return task


def whole_run(recipe: Recipe) -> dsl.PipelineConfig:
    """What holds for a run as a whole."""
    day, hour, cluster = 86_400, 3_600, recipe.cluster
    limits = {"ttl_seconds_after_finished": cluster.keep_days * day}
    return dsl.PipelineConfig(**limits, active_deadline_seconds=cluster.deadline_hours * hour)


def here(recipe: Recipe) -> Recipe:
    """The recipe as this machine runs it: nothing of a cluster, and a failure is told at once."""
    return recipe.model_copy(update={"cluster": ClusterConfig(retries=0)})


def readers(variable: str) -> set[str]:
    """The steps that read a variable with a secret; a store's keys are for all, since each leaves its error there."""
    if variable.startswith("AWS_"):
        return set().union(*KINDS.values())
    if variable.startswith("TOUCHSTONE_SIGNING_"):
        return PUBLISHING
    return HUB if variable == "HF_TOKEN" else {"mine"}


def refuse_templates(recipe: Recipe) -> None:
    """A value with `{{` in it would be taken for a template, by Kubeflow or by Argo below it.

    Raises:
        UserError: TEMPLATE_IN_RECIPE naming the field.
    """
    refuse_template(recipe.model_dump(mode="json", exclude_none=True), "")


def refuse_template(value: object, where: str) -> None:
    """The same for any value; `where` names it."""
    if isinstance(value, dict):
        for name, part in value.items():
            refuse_template(name, f"{where}{name}")
            refuse_template(part, f"{where}{name}.")
    elif isinstance(value, list):
        for part in value:
            refuse_template(part, where)
    elif isinstance(value, str) and "{{" in value:
        fix = "Write it without two opening braces in a row: the cluster would put something else there."
        raise UserError("TEMPLATE_IN_RECIPE", f"{where.rstrip('.')} holds a template", found=value[:80], fix=fix)


def _place(recipe: Recipe, step: str) -> Place:
    """What the step gets; one that has a TrainJob train only follows it, for as long as that may take."""
    cluster, nodes = recipe.cluster, recipe.training.nodes
    if step == "train" and nodes:
        return cluster.data.model_copy(update={"hours": nodes.hours + nodes.wait_minutes / 60 + 1})
    found: Place = getattr(cluster, next(kind for kind, steps in KINDS.items() if step in steps))
    return found


def _resources(task: PipelineTask, place: Place) -> None:
    task.set_cpu_request(place.cpu).set_cpu_limit(place.cpu_limit)
    task.set_memory_request(place.memory).set_memory_limit(place.memory)
    kubernetes.set_timeout(task, int(place.hours * 3600))
    for name, value in sorted(place.node_selector.items()):
        kubernetes.add_node_selector(task, name, value)
    for one in place.tolerations:
        kubernetes.add_toleration(task, one.key, one.operator, one.value, one.effect)


def _pod(task: PipelineTask, recipe: Recipe, name: str) -> None:
    cluster = recipe.cluster
    own = {COMPONENT: "run", "touchstone.dev/step": name, "touchstone.dev/line": recipe.name}
    for label, value in sorted((cluster.labels | own).items()):
        kubernetes.add_pod_label(task, label, value)
    for variable, value in sorted(cluster.environment.items()):
        task.set_env_variable(variable, value)
    kubernetes.set_security_context(task, run_as_non_root=True)
    kubernetes.set_image_pull_policy(task, cluster.pull_policy)
    if cluster.pull_secrets:
        kubernetes.set_image_pull_secrets(task, list(cluster.pull_secrets))


def _secrets(task: PipelineTask, cluster: ClusterConfig, name: str) -> None:
    for variable, secret in sorted(cluster.secrets.items()):
        if name not in readers(variable):
            continue
        if variable == SIGNING_KEY:
            kubernetes.use_secret_as_volume(task, secret.name, MOUNTED, optional=True)
            task.set_env_variable(variable, f"{MOUNTED}/{secret.key}")
        else:
            key = secret.publish if secret.publish and name in PUBLISHING else secret.key
            kubernetes.use_secret_as_env(task, secret.name, {key: variable}, optional=True)


def _hardware(task: PipelineTask, place: Train) -> None:
    kubernetes.empty_dir_mount(task, "shared-memory", "/dev/shm", "Memory", place.shared_memory)  # noqa: S108
    if place.queue:
        kubernetes.add_pod_label(task, "kueue.x-k8s.io/queue-name", place.queue)

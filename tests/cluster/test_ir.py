"""What a cluster is told: limits, retries, secrets by name, one image a digest each; read from the YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.hub.provenance import IMAGE
from components.store.errors import UserError
from pipelines.cluster_config import ClusterConfig
from pipelines.compile import PIPELINES, compile_manifests, compile_recipe
from pipelines.placement import KINDS, here
from pipelines.recipe import Recipe, read

IMAGES = {f"touchstone-{name}": f"registry.example/{name}@sha256:{name[0] * 64}" for name in ("data", "train")}
RECIPE = Path("recipes/gpu.yaml")
KEYS = {
    "AWS_SECRET_ACCESS_KEY": {"name": "store", "key": "secret"},
    "HF_TOKEN": {"name": "hub", "key": "read", "publish": "write"},
    "WRITER_API_KEY": {"name": "writer", "key": "key"},
    "TOUCHSTONE_SIGNING_KEY": {"name": "signing", "key": "private.pem"},
    "TOUCHSTONE_SIGNING_PASSPHRASE": {"name": "signing", "key": "passphrase"},
}


def changed(**cluster: Any) -> Recipe:
    """The recipe with other words about the cluster."""
    recipe = read(RECIPE)
    known = recipe.cluster.model_dump(exclude_none=True) | cluster
    return recipe.model_copy(update={"cluster": ClusterConfig.parse(known, where="cluster")})


def compiled(recipe: Recipe, folder: Path, pipeline: str = "retrain") -> tuple[dict[str, Any], dict[str, Any]]:
    """What is run, and what the cluster is told of each step, by the step's name."""
    path = compile_recipe(recipe, folder / "made.yaml", pipeline=pipeline, images=IMAGES)
    made, platform = yaml.safe_load_all(path.read_text())
    told = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return made, {name.removeprefix("exec-"): one for name, one in told.items()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    return compiled(changed(secrets=KEYS, pull_secrets=["registry"]), tmp_path_factory.mktemp("compiled"))


def containers(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The container of every step."""
    executors = made["deploymentSpec"]["executors"].items()
    return {name.removeprefix("exec-"): one["container"] for name, one in executors}


def tasks(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every task that is a step, by its name."""
    groups = [made["root"], *made["components"].values()]
    known = {name: task for group in groups for name, task in group.get("dag", {}).get("tasks", {}).items()}
    return {n: t for n, t in known.items() if "executorLabel" in made["components"][t["componentRef"]["name"]]}


def step(name: str) -> str:
    """`pull-2` is a `pull`."""
    return name.rstrip("0123456789").removesuffix("-")


@pytest.mark.parametrize("name", ["demo", "gpu", "multinode"])
def test_a_recipe_of_ours_compiles_to_the_same_bytes_twice(tmp_path: Path, name: str) -> None:
    recipe = Path(f"recipes/{name}.yaml")
    for number in ("one", "two"):
        compile_recipe(read(recipe), tmp_path / f"{number}.yaml", images=IMAGES)
        compile_manifests(read(recipe), tmp_path / f"{number}-manifests.yaml", pipeline="retrain", images=IMAGES)
    assert (tmp_path / "one.yaml").read_bytes() == (tmp_path / "two.yaml").read_bytes()
    assert (tmp_path / "one-manifests.yaml").read_bytes() == (tmp_path / "two-manifests.yaml").read_bytes()


@pytest.mark.parametrize("pipeline", PIPELINES)
def test_every_step_of_every_pipeline_has_limits_a_deadline_a_label_and_no_root(tmp_path: Path, pipeline: str) -> None:
    made, told = compiled(read(RECIPE), tmp_path, pipeline)
    assert set().union(*KINDS.values()) >= {step(name) for name in containers(made)}
    for name, container in containers(made).items():
        wanted = {f"resource{what}" for what in ("CpuRequest", "CpuLimit", "MemoryRequest", "MemoryLimit")}
        assert wanted <= container["resources"].keys(), name
        assert int(told[name]["activeDeadlineSeconds"]) > 0
        labels = told[name]["podMetadata"]["labels"]
        assert labels["touchstone.dev/component"] == "run" and labels["touchstone.dev/step"] == step(name)
        assert told[name]["securityContext"] == {"runAsNonRoot": True}


def test_images_are_digests_alone(made: tuple[dict[str, Any], dict[str, Any]]) -> None:
    assert {one["image"] for one in containers(made[0]).values()} == set(IMAGES.values())


@pytest.mark.parametrize(("pipeline", "step"), [("retrain", "publish"), ("promote", "promote")])
def test_what_moves_production_knows_its_image_for_the_provenance(tmp_path: Path, pipeline: str, step: str) -> None:
    """And every other step's environment is as it was: it is part of what the cache goes by."""
    known = containers(compiled(read(RECIPE), tmp_path, pipeline)[0])
    images = {name: one["value"] for name, made in known.items() for one in made["env"] if one["name"] == IMAGE}
    assert images == {step: IMAGES["touchstone-train"]}


def test_a_step_that_follows_a_trainjob_needs_no_gpu_of_its_own(tmp_path: Path) -> None:
    made, told = compiled(read(Path("recipes/multinode.yaml")), tmp_path)
    assert "emptyDirMounts" not in told["train"] and "emptyDirMounts" in told["evaluate"]
    assert containers(made)["train"]["resources"]["accelerator"]["resourceCount"] == "0"
    assert told["train"]["activeDeadlineSeconds"] == str((48 + 2 + 1) * 3600), "it waits, then follows"


def test_every_step_starts_by_kubeflows_own_line_and_no_other_shell(
    made: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """What KFP puts before a lightweight component is one text for all; ours come behind it, as arguments."""
    commands = [one["command"] for one in containers(made[0]).values()]
    assert {(len(one), *one[:2]) for one in commands} == {(4, "sh", "-ec")}
    (line,) = {one[2] for one in commands}
    assert "kfp.dsl.executor_main" in line and "{{" not in line
    assert not [one for one in commands if "subprocess" in one[3] or "os.system" in one[3]]
    arguments = {tuple(one["args"][:3]) for one in containers(made[0]).values()}
    assert arguments == {("--executor_input", "{{$}}", "--function_to_execute")}


def test_a_step_sees_the_secrets_that_it_reads_and_no_value_stands_anywhere(
    made: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    given: dict[str, dict[str, tuple[str, str]]] = {}
    for name, told in made[1].items():
        for one in told.get("secretAsEnv", []):
            assert one["optional"] is True
            (pair,) = one["keyToEnv"]
            given.setdefault(pair["envVar"], {})[name] = (one["secretName"], pair["secretKey"])
    assert given.keys() == KEYS.keys() - {"TOUCHSTONE_SIGNING_KEY"}, "that one is a file"
    mounted = {name: told["secretAsVolume"] for name, told in made[1].items() if "secretAsVolume" in told}
    assert mounted.keys() == given["TOUCHSTONE_SIGNING_PASSPHRASE"].keys() == {"publish"}
    (volume,) = mounted["publish"]
    assert (volume["secretName"], volume["optional"]) == ("signing", True)
    path = {"name": "TOUCHSTONE_SIGNING_KEY", "value": f"{volume['mountPath']}/private.pem"}
    assert path in containers(made[0])["publish"]["env"]
    assert given["AWS_SECRET_ACCESS_KEY"].keys() == containers(made[0]).keys(), "each leaves its error in the state"
    hub = {"resolve", "resolve-2", "pull", "pull-2", "afford", "unseal", "decide", "publish", "finish"}
    assert given["HF_TOKEN"] == {name: ("hub", "write" if name == "publish" else "read") for name in hub}
    assert given["WRITER_API_KEY"] == {"mine": ("writer", "key")}
    for name, container in containers(made[0]).items():
        told = {one["name"] for one in container["env"]} - ({path["name"], IMAGE} if name == "publish" else set())
        assert told == {"TOUCHSTONE_STATE", "AWS_DEFAULT_REGION"}, name
    assert all(one["imagePullSecret"][0]["secretName"] == "registry" for one in made[1].values())


def test_every_step_but_the_exit_is_tried_again_later_and_later(made: tuple[dict[str, Any], dict[str, Any]]) -> None:
    policies = {name: task.get("retryPolicy") for name, task in tasks(made[0]).items()}
    assert policies.pop("finish") is None
    known = {"maxRetryCount": 2, "backoffDuration": "60s", "backoffFactor": 2.0, "backoffMaxDuration": "3600s"}
    assert all(policy == known for policy in policies.values())


def test_steps_that_run_a_model_get_gpus_memory_to_share_and_a_queue(
    made: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    for name, told in made[1].items():
        heavy, resources = step(name) in KINDS["train"], containers(made[0])[name]["resources"]
        assert ("emptyDirMounts" in told) is heavy
        assert ("accelerator" in resources) is heavy
        if heavy:
            (mount,) = told["emptyDirMounts"]
            assert (mount["mountPath"], mount["medium"], mount["sizeLimit"]) == ("/dev/shm", "Memory", "32Gi")
            assert "pipelinechannel--gpus" in resources["accelerator"]["resourceCount"], "a parameter, as a string"
            assert told["podMetadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpu"
            assert told["nodeSelector"] == {"labels": {"nvidia.com/gpu.present": "true"}}
            assert told["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert made[0]["root"]["inputDefinitions"]["parameters"]["gpus"]["parameterType"] == "STRING"


def test_a_run_ends_and_is_cleared_away(tmp_path: Path) -> None:
    path = compile_recipe(changed(deadline_hours=10, keep_days=2), tmp_path / "made.yaml")
    _, platform = yaml.safe_load_all(path.read_text())
    known = {"activeDeadlineSeconds": 36_000, "resourceTtlOnCompletion": 172_800}
    assert platform["platforms"]["kubernetes"]["pipelineConfig"] == known


def test_gitops_gets_a_version_named_by_its_content(tmp_path: Path) -> None:
    first = compile_manifests(changed(), tmp_path / "one.yaml", pipeline="retrain", images=IMAGES)
    again = compile_manifests(changed(retries=3), tmp_path / "two.yaml", pipeline="retrain", images=IMAGES)
    pipeline, version = yaml.safe_load_all((tmp_path / "one.yaml").read_text())
    assert {one["apiVersion"] for one in (pipeline, version)} == {"pipelines.kubeflow.org/v2beta1"}
    assert (pipeline["kind"], version["kind"]) == ("Pipeline", "PipelineVersion")
    assert version["spec"]["pipelineName"] == pipeline["metadata"]["name"] == "touchstone-handbook"
    assert version["metadata"] == {"name": first, "namespace": "retraining"}
    assert version["spec"]["platformSpec"], "limits and labels are in it"
    assert first != again


@pytest.mark.parametrize(
    ("recipe", "field"),
    [
        ({"base_model": "{{workflow.name}}"}, "base_model"),
        ({"cluster": ClusterConfig(environment={"A": "b{{=1}}"})}, "cluster.environment.A"),
        ({"guards": {"{{x}}": "s3://a/b"}}, "guards.{{x}}"),
    ],
)
def test_what_a_cluster_would_take_for_a_template_is_refused(
    tmp_path: Path, recipe: dict[str, Any], field: str
) -> None:
    with pytest.raises(UserError) as error:
        compile_recipe(read(RECIPE).model_copy(update=recipe), tmp_path / "made.yaml")
    assert error.value.code == "TEMPLATE_IN_RECIPE"
    assert error.value.what.startswith(field)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("cluster", "told"),
    [
        ({"environment": {"MY_TOKEN": "x"}}, "MY_TOKEN belongs into cluster.secrets"),
        ({"environment": {"HTTPS_PROXY": "http://ann:pw@proxy"}}, "HTTPS_PROXY belongs into cluster.secrets"),
        ({"secrets": {"PATH": {"name": "a", "key": "b"}}}, "cluster.secrets.PATH"),
        ({"light": {"cpu": "3"}}, "cpu of at most cpu_limit, not 3 over 2"),
        ({"data": {"memory": "8GB"}}, "cluster.data.memory"),
        ({"schedule": "@weekly"}, "five fields of cron"),
        ({"host": "ml-pipeline:8888"}, "cluster.host"),
    ],
)
def test_what_no_cluster_would_take_is_refused_before_anything_is_compiled(cluster: dict[str, Any], told: str) -> None:
    values = read(RECIPE).model_dump(exclude_none=True) | {"cluster": cluster}
    with pytest.raises(UserError) as error:
        Recipe.parse(values, where="recipe")
    assert told in error.value.what


def test_where_a_run_is_changes_nothing_of_what_it_makes() -> None:
    assert read(RECIPE).digest == changed(retries=0, namespace="other").digest
    large = read(Path("recipes/multinode.yaml"))
    nodes = large.training.nodes
    assert nodes

    def with_nodes(**known: object) -> str:
        training = large.training.model_copy(update={"nodes": nodes.model_copy(update=known)})
        return large.model_copy(update={"training": training}).digest

    assert with_nodes(queue="night", hours=3.0) == large.digest != with_nodes(count=4)


def test_a_run_on_this_machine_is_told_nothing_of_a_cluster(tmp_path: Path) -> None:
    made, told = compiled(here(changed(secrets=KEYS)), tmp_path)
    assert not [name for name, task in tasks(made).items() if "retryPolicy" in task], "kfp.local would wait"
    assert not [name for name, one in told.items() if "secretAsEnv" in one]

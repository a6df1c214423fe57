"""Every overlay as kustomize renders it: against the schemas, and against what no namespace of ours may hold."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubeflow_trainer_api.models import TrainerV1alpha1TrainingRuntime

from pipelines import images, manifests

ROOT = Path(__file__).parents[2]
OVERLAYS = list(manifests.overlays())
TRAINER = "trainer.kubeflow.org/v1alpha1"

Object = dict[str, Any]


@functools.cache
def rendered(overlay: str) -> list[Object]:
    return list(yaml.safe_load_all(manifests.render(overlay)))


def of(overlay: str, kind: str) -> dict[str, Object]:
    return {one["metadata"]["name"]: one for one in rendered(overlay) if one["kind"] == kind}


def pods(overlay: str) -> Iterator[Object]:
    """Every pod template, wherever it is: metadata and spec."""

    def below(value: Any) -> Iterator[Object]:
        if isinstance(value, dict):
            if isinstance(value.get("spec"), dict) and "containers" in value["spec"]:
                yield value
            for part in value.values():
                yield from below(part)
        elif isinstance(value, list):
            for part in value:
                yield from below(part)

    return (pod for one in rendered(overlay) for pod in below(one))


def values(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, at any depth."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield str(key), part
        yield from values(part)


def test_there_are_the_overlays_that_the_docs_speak_of():
    assert OVERLAYS == ["base", "dev", "gpu", "multinode"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_fits_its_schema(overlay):
    for one in rendered(overlay):
        if one["apiVersion"] != TRAINER:
            kubernetes_validate.validate(one, "1.34", strict=True)
            continue
        read = TrainerV1alpha1TrainingRuntime.from_dict(json.loads(json.dumps(one)))
        lost = {where for where, part in values(one) if part not in ({}, [])} - {
            where for where, _ in values(read.to_dict())
        }
        assert not lost, "the models leave out what they do not know"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_in_one_namespace_and_says_whose_it_is(overlay):
    namespaces = {one["metadata"].get("namespace") for one in rendered(overlay) if one["kind"] != "Namespace"}
    assert namespaces == {"kubeflow" if overlay == "dev" else "retraining"}
    assert {one["metadata"]["labels"]["app.kubernetes.io/part-of"] for one in rendered(overlay)} == {"touchstone"}
    assert not {one["kind"] for one in rendered(overlay)} & {"Secret", "ClusterRole", "ClusterRoleBinding"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_role_holds_no_wildcard_and_reads_no_secret_but_by_name(overlay):
    for role in of(overlay, "Role").values():
        for rule in role["rules"]:
            assert not [word for part in rule.values() for word in part if "*" in word], rule
            assert not set(rule["resources"]) & {"pods/exec", "pods/attach", "serviceaccounts/token", "rolebindings"}
            if "secrets" in rule["resources"]:
                assert rule["verbs"] == ["get"] and rule["resourceNames"]
    assert [name for name, role in of(overlay, "Role").items() if "secrets" in json.dumps(role)] == (
        ["touchstone-run"] if overlay == "dev" else []
    )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_account_has_its_own_role_and_the_training_nodes_have_none(overlay):
    accounts, bound = of(overlay, "ServiceAccount"), of(overlay, "RoleBinding")
    assert set(accounts) == {"touchstone-run", "touchstone-train", "touchstone-scheduler"}
    assert {name: [one["name"] for one in binding["subjects"]] for name, binding in bound.items()} == {
        "touchstone-run": ["touchstone-run"],
        "touchstone-scheduler": ["touchstone-scheduler"],
    }
    assert [name for name, one in accounts.items() if one.get("automountServiceAccountToken", True)] == [
        "touchstone-run"
    ]
    run = of(overlay, "Role")["touchstone-run"]["rules"]
    may = {(resource, verb) for rule in run for resource in rule["resources"] for verb in rule["verbs"]}
    assert {("workflowtaskresults", "create"), ("configmaps", "get"), ("trainjobs", "create")} <= may
    assert {("trainjobs", "delete"), ("pods/log", "get"), ("events", "watch")} <= may
    assert {verb for resource, verb in may if resource == "pods"} == {"get", "list", "watch"}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_nothing_goes_in_or_out_but_by_the_ways_that_are_named(overlay):
    policies = of(overlay, "NetworkPolicy")
    deny = policies["touchstone-default-deny"]["spec"]
    ours = {"matchExpressions": [{"key": "touchstone.dev/component", "operator": "Exists"}]}
    assert deny["podSelector"] == (ours if overlay == "dev" else {}), "in Kubeflow's own namespace only our pods"
    assert set(deny["policyTypes"]) == {"Ingress", "Egress"} and not deny.get("ingress") and not deny.get("egress")
    open_in = {name: one["spec"]["ingress"] for name, one in policies.items() if one["spec"].get("ingress")}
    nodes = {"podSelector": {"matchLabels": {"touchstone.dev/component": "train-node"}}}
    assert open_in == {"touchstone-train-nodes": [{"from": [nodes]}]}, "and to each other on every port, for NCCL"
    assert {"to": [nodes]} in policies["touchstone-train-nodes"]["spec"]["egress"]
    for name, policy in policies.items():
        for way in policy["spec"].get("egress", ()):
            assert way["to"], f"{name} leads everywhere"
            blocks = [place["ipBlock"] for place in way["to"] if "ipBlock" in place]
            assert all(block["except"] for block in blocks), "a cloud's metadata would hand out the node's role"
            assert not blocks or {port["port"] for port in way["ports"]} <= {443, 6443}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_passes_the_restricted_standard_as_any_user(overlay):
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, profile Restricted."""
    kinds = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for pod in pods(overlay):
        spec, context = pod["spec"], pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True and context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {key for key, _ in values(pod)} & {"runAsUser", "runAsGroup", "fsGroup", "privileged", "hostPort"}
        assert not {key for key in spec if key.startswith("host")}
        assert all(set(volume) - {"name"} <= kinds for volume in spec["volumes"])
        for container in spec["containers"] + spec.get("initContainers", []):
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False and own["capabilities"] == {"drop": ["ALL"]}
            assert own["readOnlyRootFilesystem"] is True
    if overlay != "dev":
        (namespace,) = of(overlay, "Namespace").values()
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_container_has_limits_and_every_volume_in_memory_or_on_disk_a_size(overlay):
    for pod in pods(overlay):
        for container in pod["spec"]["containers"]:
            asked = container["resources"]
            assert {"cpu", "memory", "ephemeral-storage"} <= set(asked["requests"]) & set(asked["limits"])
            assert asked["limits"].get("nvidia.com/gpu") == asked["requests"].get("nvidia.com/gpu")
        assert all(volume["emptyDir"]["sizeLimit"] for volume in pod["spec"]["volumes"])
    if overlay != "dev":
        (limits,) = of(overlay, "LimitRange").values()
        (quota,) = of(overlay, "ResourceQuota").values()
        (defaults,) = limits["spec"]["limits"]
        counted = {key.partition(".")[2] for key in quota["spec"]["hard"] if key.startswith("limits.")}
        assert counted <= set(defaults["default"]) and counted <= set(defaults["defaultRequest"]), "or pods are refused"
        assert "maxLimitRequestRatio" not in defaults, "Kubeflow's own containers would not fit it"


def test_the_runtime_is_where_a_trainjob_looks_for_it_and_only_there():
    assert not of("dev", "TrainingRuntime") and not of("gpu", "TrainingRuntime"), "needs Kubeflow Trainer"
    for overlay in ("base", "multinode"):
        (runtime,) = of(overlay, "TrainingRuntime").values()
        (job,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
        (pod,) = pods(overlay)
        (container,) = pod["spec"]["containers"]
        assert (job["name"], container["name"]) == ("node", "node"), "the names that Trainer puts commands into"
        assert job["template"]["metadata"]["labels"] == {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
        assert container["image"] in images.NAMES
        assert pod["spec"]["serviceAccountName"] == "touchstone-train"
        assert pod["metadata"]["labels"]["touchstone.dev/component"] == "train-node"
        assert pod["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
        assert "ttlSecondsAfterFinished" not in json.dumps(runtime), "the controller would make the job anew"


def test_a_role_of_aws_goes_to_the_accounts_that_reach_s3():
    for overlay in ("gpu", "multinode"):
        roles = {name: one["metadata"].get("annotations", {}) for name, one in of(overlay, "ServiceAccount").items()}
        assert {name for name, noted in roles.items() if "eks.amazonaws.com/role-arn" in noted} == {
            "touchstone-run",
            "touchstone-train",
        }


def test_a_tag_of_an_image_and_a_secret_stand_in_no_manifest():
    for path in (ROOT / "manifests").rglob("*.yaml"):
        text = path.read_text()
        assert ":latest" not in text and "stringData" not in text and "kind: Secret\n" not in text, path
    (secret,) = yaml.safe_load_all((ROOT / "manifests/examples/external-secret.yaml").read_text())
    assert {one["secretKey"] for one in secret["spec"]["data"]} == {"read", "write"}


@pytest.mark.parametrize(
    ("names", "path", "exit_code", "said"),
    [
        (["staging"], None, 2, "there is no such overlay: found staging, expected base, dev, gpu, multinode"),
        (["../base"], None, 2, "there is no such overlay"),
        (["dev"], "", 2, "make setup"),
    ],
    ids=["unknown", "a path", "no kubectl"],
)
def test_what_goes_wrong_is_told(names, path, exit_code, said, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    if path is not None:
        monkeypatch.setenv("PATH", path)
        monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert manifests.main(names) == exit_code
    assert said in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_what_does_not_render_is_told(monkeypatch, tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/kustomization.yaml").write_text("resources: [missing.yaml]")
    monkeypatch.setattr(manifests, "MANIFESTS", tmp_path)
    with pytest.raises(manifests.TouchstoneError, match=r"missing\.yaml"):
        manifests.render("base")


def test_overlays_are_written_where_make_says(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert manifests.main([]) == 0
    assert sorted(path.stem for path in (tmp_path / "build/manifests").iterdir()) == sorted(OVERLAYS)

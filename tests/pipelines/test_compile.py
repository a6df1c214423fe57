"""The compiled pipeline: what a cluster is told, read from the YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from components.pairs.config import FiltersConfig
from components.training.config import NodesConfig
from pipelines.compile import compile_recipe
from pipelines.recipe import read

RECIPE = Path("recipes/demo.yaml")
FRESH = {
    "snapshot",
    "resolve",
    "resolve-2",
    "check",
    "pull-2",
    "afford",
    "generation",
    "abstain",
    "unseal",
    "decide",
    "report",
    "publish",
    "finish",
}


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    path = compile_recipe(read(RECIPE), tmp_path_factory.mktemp("compiled") / "demo.yaml")
    return next(yaml.safe_load_all(path.read_text()))


def tasks(pipeline: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Every task of every group by its name."""
    groups = [pipeline["root"], *pipeline["components"].values()]
    return {name: task for group in groups for name, task in group.get("dag", {}).get("tasks", {}).items()}


def artifacts(task: dict[str, Any]) -> set[tuple[str, str]]:
    """(task, output) of every artifact that a task takes from another one in its group."""
    taken = [given.get("taskOutputArtifact") for given in task.get("inputs", {}).get("artifacts", {}).values()]
    return {(known["producerTask"], known["outputArtifactKey"]) for known in taken if known}


def test_equal_recipes_give_equal_bytes(tmp_path: Path) -> None:
    first, second = (compile_recipe(read(RECIPE), tmp_path / name) for name in ("a.yaml", "b.yaml"))
    assert first.read_bytes() == second.read_bytes()


def test_one_exit_task_stands_on_the_whole_body(pipeline: dict[str, Any]) -> None:
    root = pipeline["root"]["dag"]["tasks"]
    exits = [name for name, task in root.items() if task.get("triggerPolicy", {}).get("strategy")]
    assert exits == ["finish"]
    assert root["finish"]["dependentTasks"] == ["exit-handler-1"]
    assert root.keys() == {"finish", "exit-handler-1"}
    assert root["finish"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


def test_the_sealed_queries_go_from_unseal_to_evaluate_and_nowhere_else(pipeline: dict[str, Any]) -> None:
    known = tasks(pipeline)
    takers = {name for name, task in known.items() if ("unseal", "permit") in artifacts(task)}
    assert takers == {"evaluate"}
    surfaced = [
        selector
        for group in pipeline["components"].values()
        for output in group.get("dag", {}).get("outputs", {}).get("artifacts", {}).values()
        for selector in output.get("artifactSelectors", [])
        if selector["producerSubtask"] == "unseal"
    ]
    assert not surfaced, "no group hands the permit on"


def test_publishing_stands_below_the_verdict(pipeline: dict[str, Any]) -> None:
    known = tasks(pipeline)
    (group,) = [
        name for name, one in pipeline["components"].items() if "publish" in one.get("dag", {}).get("tasks", {})
    ]
    (task,) = [task for task in known.values() if task["componentRef"]["name"] == group]
    condition = task["triggerPolicy"]["condition"]
    assert condition.endswith("== 'PUBLISH'") and "decide-Output" in condition
    assert set(pipeline["components"][group]["dag"]["tasks"]) == {"publish"}


def test_the_base_is_pulled_on_the_recipe_s_terms_and_the_card_told_of_its_licences(tmp_path: Path) -> None:
    recipe, base = read(RECIPE), "s3://touchstone-demo/models/all-minilm-l6-v2"
    pairs = recipe.pairs.model_copy(update={"commercial": True})
    licences = {base: "Apache-2.0", recipe.corpus.sources[0].uri: "CC-BY-4.0"}
    sold = recipe.model_copy(update={"pairs": pairs, "licences": licences})
    known = tasks(next(yaml.safe_load_all(compile_recipe(sold, tmp_path / "sold.yaml").read_text())))
    asked = {name: known[name]["inputs"]["parameters"]["terms"] for name in ("pull", "pull-2")}
    assert [one["runtimeValue"]["constant"] for one in asked.values()] == [
        {"bases": {base: "Apache-2.0"}, "commercial": True},
        {},
    ]
    told = known["publish"]["inputs"]["parameters"]["declared"]["runtimeValue"]["constant"]
    assert told["licences"] == {"documents": ["CC-BY-4.0"], "judged": ["unknown"], "guard:docstrings": ["unknown"]}
    assert (told["name"], told["recipe"]) == ("demo", sold.digest)
    assert sold.digest != recipe.digest == recipe.model_copy(update={"licences": licences}).digest


def test_an_approval_is_finished_first_and_then_recorded_and_neither_is_cached(tmp_path: Path) -> None:
    path = compile_recipe(read(RECIPE), tmp_path / "promote.yaml", pipeline="promote")
    known = tasks(next(yaml.safe_load_all(path.read_text())))
    assert known.keys() == {"promote", "conclude"}
    assert known["conclude"]["dependentTasks"] == ["promote"]
    assert not [name for name, task in known.items() if task.get("cachingOptions", {}).get("enableCache")]


def test_what_looks_at_the_world_is_never_cached(pipeline: dict[str, Any]) -> None:
    steps = {name: task for name, task in tasks(pipeline).items() if "executorLabel" in _component(pipeline, task)}
    assert {name for name, task in steps.items() if not task.get("cachingOptions", {}).get("enableCache")} == FRESH


def test_a_cached_step_gets_neither_run_nor_expected_champion(pipeline: dict[str, Any]) -> None:
    for name, task in tasks(pipeline).items():
        if name not in FRESH and "executorLabel" in _component(pipeline, task):
            assert not {"run", "champion"} & task.get("inputs", {}).get("parameters", {}).keys(), name


def test_no_step_installs_anything_when_it_runs(pipeline: dict[str, Any]) -> None:
    executors = pipeline["deploymentSpec"]["executors"].values()
    assert not [e for e in executors if "pip install" in str(e["container"].get("command"))]


@pytest.mark.parametrize("which", ["retrain", "corpus", "pairs", "promote"])
def test_every_group_is_given_what_its_steps_ask_for(tmp_path: Path, which: str) -> None:
    """KFP lets a number of GPUs name a parameter that the group around the step never gets."""
    filters = {"pairs": read(RECIPE).pairs.model_copy(update={"filters": FiltersConfig()})}
    path = compile_recipe(read(RECIPE).model_copy(update=filters), tmp_path / "made.yaml", pipeline=which)
    made = next(yaml.safe_load_all(path.read_text()))
    for name, group in {"root": made["root"], **made["components"]}.items():
        given = group.get("inputDefinitions", {}).get("parameters", {}).keys()
        for task in group.get("dag", {}).get("tasks", {}).values():
            asked = task.get("inputs", {}).get("parameters", {}).values()
            names = {one["componentInputParameter"] for one in asked if "componentInputParameter" in one}
            assert names <= given, name


def _component(pipeline: dict[str, Any], task: dict[str, Any]) -> dict[str, Any]:
    component: dict[str, Any] = pipeline["components"][task["componentRef"]["name"]]
    return component


@pytest.mark.parametrize(
    ("filters", "negatives", "expected"),
    [
        ({"round_trip": 0}, {}, {"train"}),
        ({"round_trip": 20}, {}, {"harden", "train"}),
        ({}, {"per_pair": 4, "second_round": True}, {"harden", "train", "harden-2", "train-2"}),
    ],
    ids=["as they are mined", "looked at by the base", "two rounds"],
)
def test_pairs_are_hardened_as_often_as_the_recipe_says(
    tmp_path: Path, filters: dict[str, Any], negatives: dict[str, Any], expected: set[str]
) -> None:
    recipe = read(RECIPE)
    pairs = type(recipe.pairs).parse(
        recipe.pairs.model_dump(exclude_none=True) | {"filters": filters, "negatives": negatives}, where="pairs"
    )
    path = compile_recipe(recipe.model_copy(update={"pairs": pairs}), tmp_path / "made.yaml")
    made = next(yaml.safe_load_all(path.read_text()))
    known, executors = tasks(made), made["deploymentSpec"]["executors"]
    assert {name for name in known if name.startswith(("harden", "train"))} == expected
    on_gpus = {name for name, one in executors.items() if "accelerator" in one["container"].get("resources", {})}
    assert on_gpus == {f"exec-{name}" for name in {*expected, "evaluate"}}, "every step that runs a model"
    if "train-2" in expected:
        assert ("train", "candidate") in artifacts(known["harden-2"]), "the first round's model looks again"
        assert ("pull", "base") not in artifacts(known["harden-2"])
        assert {"harden-2", "pull"} <= {task for task, _ in artifacts(known["train-2"])}, "from the base again"
        judged = [task for name, task in known.items() if not name.startswith(("harden", "train"))]
        assert ("train-2", "candidate") in set().union(*map(artifacts, judged)), "the second round's model is judged"
        assert ("train", "candidate") not in set().union(*map(artifacts, judged))


def test_the_step_of_several_nodes_asks_for_no_gpu_itself(tmp_path: Path) -> None:
    recipe = read(RECIPE)
    training = recipe.training.model_copy(update={"nodes": NodesConfig(count=2)})
    path = compile_recipe(recipe.model_copy(update={"training": training, "gpus": "8"}), tmp_path / "nodes.yaml")
    executors = next(yaml.safe_load_all(path.read_text()))["deploymentSpec"]["executors"]
    asked = {name: one["container"].get("resources", {}).get("accelerator", {}) for name, one in executors.items()}
    assert asked["exec-train"]["resourceCount"] == "0"
    assert "inputs.parameters" in asked["exec-evaluate"]["resourceCount"]

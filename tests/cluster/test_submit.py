"""A run is sent once, as who the environment says, and every way in which a server does not answer has its end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.store.errors import TouchstoneError
from pipelines import kubeflow
from pipelines.submit import submit
from tests.cluster.conftest import Line
from tests.servers.kubeflow_api import Does
from tests.servers.kubeflow_api import kubeflow as serving


def test_a_run_is_of_the_version_that_its_content_names(line: Line, package: Path) -> None:
    with serving() as server:
        run, started = submit(line(server), package, "first", force=True)
        assert started and run.display_name == "first"
        (kept,), (version,) = server.all("runs"), server.all("versions")
    assert kept["pipeline_version_reference"]["pipeline_version_id"] == version["pipeline_version_id"]
    assert version["name"].startswith("touchstone-demo-") and len(version["name"]) == len("touchstone-demo-") + 12
    assert b"pipelineSpec" not in server.uploads[0] and b"exec-train" in server.uploads[0]
    assert kept["service_account"] == "touchstone-run"
    assert kept["runtime_config"] == {"parameters": {"force": True}}


def test_the_same_name_again_is_the_same_run(line: Line, package: Path) -> None:
    with serving() as server:
        first, _ = submit(line(server), package, "weekly", force=False)
        before = server.changes()
        again, started = submit(line(server), package, "weekly", force=False)
        assert (again.run_id, started) == (first.run_id, False)
        assert server.changes() == before, "nothing was uploaded or made either"
        submit(line(server), package, "another", force=False)
        assert len(server.all("runs")) == 2 and len(server.uploads) == 1


def test_those_who_submit_the_same_name_at_once_have_one_run(
    line: Line, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kubeflow, "SETTLE", 0.7)
    with serving() as server, ThreadPoolExecutor(4) as pool:
        recipe = line(server)
        found = list(pool.map(lambda _: submit(recipe, package, "weekly", force=False), range(4)))
        going = [run for run in server.all("runs") if run["state"] == "PENDING"]
    assert len(going) == 1, "who made another beside it ended its own"
    assert {run.run_id for run, _ in found} <= {going[0]["run_id"]}


@pytest.mark.parametrize("answer", ["lost", "away", "broken"])
def test_every_request_may_fail_once(line: Line, package: Path, answer: str) -> None:
    with serving() as server:
        submit(line(server), package, "weekly", force=False)
        requests = len(server.asked)
    for number in range(requests):
        with serving(Does(answer, after=number, times=1)) as server:
            run, _ = submit(line(server), package, "weekly", force=False)
            kept = server.all("runs")
            assert [one["run_id"] for one in kept] == [run.run_id], f"{answer} at {server.asked[number]}"
            assert len(server.all("versions")) == len(server.all("pipelines")) == len(server.all("experiments")) == 1


@pytest.mark.parametrize(
    ("kind", "code", "fix"),
    [
        ("who", "KFP_LOGIN", "KF_PIPELINES_TOKEN"),
        ("nobody", "KFP_LOGIN", "KF_PIPELINES_TOKEN"),
        ("login", "KFP_LOGIN", "KF_PIPELINES_COOKIE"),
        ("page", "KFP_LOGIN", "KF_PIPELINES_COOKIE"),
        ("denied", "KFP_FORBIDDEN", "role binding"),
        ("away", "KFP_UNAVAILABLE", "ml-pipeline"),
    ],
)
def test_a_server_that_does_not_let_in_or_answer_is_told_of(
    line: Line, package: Path, kind: str, code: str, fix: str
) -> None:
    with serving(Does(kind)) as server, pytest.raises(TouchstoneError) as error:
        submit(line(server), package, "weekly", force=False)
    assert (error.value.code, len(server.asked)) == (code, 4 if kind == "away" else 1)
    assert fix in error.value.fix and "\n" not in error.value.found


def test_a_server_that_hangs_is_given_up(line: Line, package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kubeflow, "LIMITS", (1, 0.2))
    with serving(Does("hang", match="GET /runs")) as server, pytest.raises(TouchstoneError) as error:
        submit(line(server), package, "weekly", force=False)
    assert (error.value.code, error.value.found) == ("KFP_UNAVAILABLE", "ReadTimeoutError")


def test_an_answer_that_comes_too_late_makes_no_second_run(line: Line, package: Path) -> None:
    with serving(Does("lost", match="POST /runs", times=1)) as server:
        run, _ = submit(line(server), package, "weekly", force=False)
        assert [one["run_id"] for one in server.all("runs")] == [run.run_id]


@pytest.mark.parametrize(("variable", "value"), [("TOKEN", "a-token"), ("COOKIE", "_oauth2_proxy=abc")])
def test_who_asks_is_what_the_environment_says(
    line: Line, package: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    with serving(**{variable.lower(): value}) as server:
        monkeypatch.setenv(f"KF_PIPELINES_{variable}", value)
        assert submit(line(server), package, "weekly", force=False)[1]


def test_in_the_cluster_the_pods_token_is_read_anew_for_each_call(
    line: Line, package: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("projected")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    with serving(token="projected") as server:
        assert submit(line(server), package, "weekly", force=False)[1]
        monkeypatch.setattr(kubeflow, "INSIDE", server.address)
        assert not submit(line(), package, "weekly", force=False)[1], "without an address, the usual service is asked"


def test_a_namespace_is_named_where_there_are_several_and_nowhere_else(line: Line, package: Path) -> None:
    with serving(multi_user=True) as server:
        submit(line(server, namespace="retraining"), package, "weekly", force=False)
        assert {one["namespace"] for one in server.all("experiments") + server.all("pipelines")} == {"retraining"}
        for namespace, code in ((None, "KFP_NO_NAMESPACE"), ("nobodys", "KFP_FORBIDDEN")):
            with pytest.raises(TouchstoneError) as error:
                submit(line(server, namespace=namespace), package, "weekly", force=False)
            assert error.value.code == code and "cluster.namespace" in error.value.fix
    with serving() as server:
        assert submit(line(server, namespace="retraining"), package, "weekly", force=False)[1]


def test_a_mistake_is_told_before_anything_is_asked(line: Line, package: Path) -> None:
    with serving() as server, pytest.raises(TouchstoneError) as error:
        submit(line(server), package, "{{workflow.name}}", force=False)
    assert (error.value.code, server.asked) == ("TEMPLATE_IN_RECIPE", [])
    with pytest.raises(TouchstoneError) as error:
        submit(line(), package, "weekly", force=False)
    assert error.value.code == "KFP_NO_HOST"
    with pytest.raises(TouchstoneError) as error:
        submit(line("http://127.0.0.1:9"), package, "weekly", force=False)
    assert error.value.code == "KFP_UNAVAILABLE"

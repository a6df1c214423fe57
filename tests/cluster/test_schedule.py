"""The cluster's recurring run becomes what the recipe says, and at no moment is there none."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.store.errors import TouchstoneError
from pipelines.compile import compile_recipe
from pipelines.submit import next_time, schedule
from tests.cluster.conftest import Line
from tests.servers.kubeflow_api import Does, Server
from tests.servers.kubeflow_api import kubeflow as serving

MONDAYS, FRIDAYS = "0 3 * * 1", "30 4 * * FRI"


def test_a_schedule_catches_nothing_up_and_runs_one_at_a_time(line: Line, package: Path) -> None:
    with serving() as server:
        found = schedule(line(server, schedule=MONDAYS), package)
        (made,) = server.all("recurringruns")
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * 1"}}, "seconds come first there"
    assert (made["no_catchup"], made["max_concurrency"], made["status"]) == (True, "1", "ENABLED")
    assert (made["display_name"], made["service_account"]) == (found.name, "touchstone-run")
    (version,) = server.all("versions")
    assert made["pipeline_version_reference"]["pipeline_version_id"] == version["pipeline_version_id"]


def test_the_same_recipe_again_changes_nothing(line: Line, package: Path) -> None:
    with serving() as server:
        recipe = line(server, schedule=MONDAYS)
        schedule(recipe, package)
        before = server.changes()
        assert schedule(recipe, package).done == []
        assert server.changes() == before


@pytest.mark.parametrize("change", [{"schedule": FRIDAYS}, {"service_account": "other"}])
def test_a_changed_one_replaces_the_old_one(line: Line, package: Path, change: dict[str, object]) -> None:
    with serving() as server:
        known = {"schedule": MONDAYS}
        first = schedule(line(server, **known), package)
        second = schedule(line(server, **known | change), package)
        assert [done.split()[0] for done in second.done] == ["made", "enabled", "removed"]
        assert server.enabled() == [second.name] != [first.name]
        assert len(server.all("recurringruns")) == 1 and server.gaps == []


@pytest.mark.parametrize("answer", ["broken", "lost"])
def test_wherever_it_dies_one_is_enabled_and_the_next_call_tidies_up(line: Line, package: Path, answer: str) -> None:
    def changed(server: Server) -> None:
        schedule(line(server, schedule=FRIDAYS), package)

    with serving() as server:
        schedule(line(server, schedule=MONDAYS), package)
        before = len(server.asked)
        changed(server)
        requests = len(server.asked) - before
    for number in range(requests):
        with serving() as server:
            schedule(line(server, schedule=MONDAYS), package)
            server.does.append(Does(answer, after=number))
            with pytest.raises(TouchstoneError):
                changed(server)
            assert server.enabled(), f"{answer} from {number} on"
            server.does.clear()
            changed(server)
            assert len(server.enabled()) == len(server.all("recurringruns")) == 1 and server.gaps == []
            assert server.all("recurringruns")[0]["trigger"]["cron_schedule"]["cron"] == "0 30 4 * * FRI"


def test_another_pipeline_replaces_the_old_one(line: Line, package: Path, tmp_path: Path) -> None:
    with serving() as server:
        recipe = line(server, schedule=MONDAYS, retries=5)
        first = schedule(recipe, package)
        second = schedule(recipe, compile_recipe(recipe, tmp_path / "pipeline.yaml"))
        assert server.enabled() == [second.name] != [first.name]


def test_two_that_were_made_at_once_become_one(line: Line, package: Path) -> None:
    with serving() as server:
        recipe = line(server, schedule=MONDAYS)
        schedule(recipe, package)
        twin = dict(server.all("recurringruns")[0])
        server.make("recurringruns", twin)
        assert schedule(recipe, package).done == [f"removed {twin['display_name']}"]
        assert len(server.enabled()) == 1


def test_without_a_schedule_in_the_recipe_there_is_none_and_others_are_left_alone(line: Line, package: Path) -> None:
    with serving() as server:
        schedule(line(server, schedule=MONDAYS), package)
        (experiment,) = server.all("experiments")
        by_hand = {"display_name": "touchstone-demo-by-hand", "experiment_id": experiment["experiment_id"]}
        server.make("recurringruns", by_hand | {"mode": "ENABLE"})
        assert schedule(line(server), package).next is None
        assert server.enabled() == ["touchstone-demo-by-hand"]


def test_ours_is_found_behind_many_others(line: Line, package: Path) -> None:
    with serving() as server:
        recipe = line(server, schedule=MONDAYS)
        schedule(recipe, package)
        (ours,) = server.all("recurringruns")
        others = {str(number): ours | {"display_name": f"by hand {number}"} for number in range(150)}
        server.kept["recurringruns"] = others | server.kept["recurringruns"]
        assert schedule(recipe, package).done == []


def test_a_server_that_refuses_the_new_one_leaves_the_old_one(line: Line, package: Path) -> None:
    with serving() as server:
        first = schedule(line(server, schedule=MONDAYS), package)
        server.does.append(Does("denied", match="POST /recurringruns"))
        with pytest.raises(TouchstoneError) as error:
            schedule(line(server, schedule=FRIDAYS), package)
        assert error.value.code == "KFP_FORBIDDEN"
        assert server.enabled() == [first.name]


@pytest.mark.parametrize("cron", ["0 3 31 2 *", "61 * * * *", "0 3 * * 9", "0 3 * * 7", "0 3 L * *"])
def test_a_schedule_that_never_fires_is_refused_before_anything_is_asked(line: Line, package: Path, cron: str) -> None:
    with serving() as server, pytest.raises(TouchstoneError) as error:
        schedule(line(server, schedule=cron), package)
    assert (error.value.code, error.value.exit_code, server.asked) == ("BAD_CRON", 2, [])
    assert cron in error.value.what


def test_the_next_time_is_told() -> None:
    assert next_time(MONDAYS, datetime(2026, 11, 24, 12, tzinfo=UTC)) == datetime(2026, 11, 30, 3, tzinfo=UTC)
    assert next_time(FRIDAYS, datetime(2026, 11, 24, 12, tzinfo=UTC)) == datetime(2026, 11, 27, 4, 30, tzinfo=UTC)

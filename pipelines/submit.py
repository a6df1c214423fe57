"""`touchstone submit` and `touchstone schedule`: one run now, or one again and again."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cronsim import CronSim, CronSimError

from components.store.digests import digest
from components.store.errors import UserError
from pipelines.compile import version_of
from pipelines.kubeflow import Kubeflow
from pipelines.placement import refuse_template
from pipelines.recipe import Recipe


def submit(recipe: Recipe, package: Path, name: str | None, *, force: bool) -> tuple[Any, bool]:
    """Start a run on the cluster; the same name again is the same run.

    Args:
        recipe: The line.
        package: Its compiled pipeline.
        name: The run's; by default one of the time, so that each call starts a run.
        force: Train even if nothing changed.

    Returns:
        The run, and whether it was started now.

    Raises:
        UserError: TEMPLATE_IN_RECIPE, what `Kubeflow` raises.
    """
    name = name or f"touchstone-{recipe.name}-{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}"
    refuse_template(name, "the run's name")
    server = Kubeflow(recipe)
    version = _uploaded(server, package)[0]
    return server.run(server.experiment(), name, version, {"force": True} if force else {})


@dataclass(frozen=True)
class Scheduled:
    """What `schedule` found and did.

    Attributes:
        name: The recurring run's, "" for none.
        next: When it fires next, as far as this machine knows the server's time zone: in UTC.
        done: What was changed, in order.
    """

    name: str
    next: datetime | None
    done: list[str]


def schedule(recipe: Recipe, package: Path) -> Scheduled:
    """Make the cluster's recurring run what the recipe says: one, none, or another one than there is.

    A recurring run cannot be changed, so a changed one is made anew, and its name is made of its content. The new one
    is made disabled, so that nothing happened yet if the server refuses it; then it is enabled, then the old one is
    disabled and deleted. At no moment is none enabled: if this dies in between, at worst two are, the later one of two
    runs that start at the same time finds nothing to do or loses the race, and the next call tidies up.

    Args:
        recipe: The line.
        package: Its compiled pipeline.

    Raises:
        UserError: BAD_CRON, what `Kubeflow` raises.
    """
    cron, done = recipe.cluster.schedule, list[str]()
    following = next_time(cron, datetime.now(UTC)) if cron else None
    server = Kubeflow(recipe)
    experiment, name, wanted = server.experiment(), "", None
    if cron:
        version, content = _uploaded(server, package)
        key = digest([content, version.to_dict(), cron, recipe.cluster.service_account])
        name = f"{server.name}-{key[:12]}"
        wanted = next((one for one in server.schedules(experiment) if one.display_name == name), None)
        if wanted is None:
            wanted = server.schedule(experiment, name, version, f"0 {cron}")
            done.append(f"made {name}")
        if str(wanted.status) != "ENABLED":
            server.change("enable", wanted)
            done.append(f"enabled {name}")
    for other in server.schedules(experiment):
        if wanted is None or other.recurring_run_id != wanted.recurring_run_id:
            server.change("disable", other)
            server.change("delete", other)
            done.append(f"removed {other.display_name}")
    return Scheduled(name, following, done)


def next_time(cron: str, now: datetime) -> datetime:
    """When a schedule of five fields fires next.

    Raises:
        UserError: BAD_CRON, also for a day that no month has.
    """
    expected = "minute, hour, day, month, weekday (0 is Sunday), such as `0 3 * * 1`"
    if "7" in cron.split()[-1] or re.search("L|W(?!ED)", cron.upper()):  # cronsim knows more than the server does
        raise UserError("BAD_CRON", f"Kubeflow knows no schedule `{cron}`", expected=expected)
    try:
        return next(CronSim(cron, now))
    except (CronSimError, StopIteration) as error:
        raise UserError("BAD_CRON", f"`{cron}` never fires", found=str(error).lower(), expected=expected) from None


def _uploaded(server: Kubeflow, package: Path) -> tuple[Any, str]:
    """The compiled pipeline on the server, under a version named by its content; that name."""
    name = f"{server.name}-{version_of(package)}"
    return server.version(package, server.name, name), name

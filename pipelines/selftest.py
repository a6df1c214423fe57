"""`touchstone gate selftest`: the gate must be right about models whose verdict is known, on the user's own line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.gate.outcome import NOT_TESTED, Outcome
from components.store.errors import TouchstoneError, UserError
from pipelines import artifacts, local
from pipelines.recipe import Recipe
from pipelines.screen import Screen, duration

SCALED = ("min_queries", "min_clusters", "min_differing", "guard_margin", "error_budget")


def recipe_of(run: Path) -> Recipe:
    """The recipe that a run on this machine was started with.

    Raises:
        UserError: NO_RUN when the folder is none of a run's.
    """
    try:
        values = json.loads((run / "recipe.json").read_bytes())
    except (OSError, ValueError):
        raise UserError("NO_RUN", f"{run} is no folder of a run", fix="Name one, such as runs/latest.") from None
    return Recipe.parse(values, where=f"{run}/recipe.json")


def selftest(run: Path, recipe: Recipe, screen: Screen, servers: list[int]) -> dict[str, Any]:
    """Judge every case with the run's artifacts.

    Args:
        run: The run's folder.
        recipe: What it was started with.
        screen: Where progress is drawn.
        servers: Pids whose memory counts as the run's.

    Returns:
        `outcomes` (`components.gate.selftest.Outcome`), `queries`, and `rules`, as they were scaled to these.

    Raises:
        UserError: NO_VERDICT, ARTIFACT_GONE.
        TouchstoneError: what stopped it; RUN_DIED when it ended without an answer.
    """
    kept = {name: str(path) for name, path in artifacts.of_run(run, recipe.name).items()}
    gate, training = (section.model_dump(mode="json") for section in (recipe.gate, recipe.training))
    asked = {"kept": kept, "state": recipe.state, "guards": sorted(recipe.guards), "gpus": recipe.gpus}
    folder = local.new_run()
    request, out = folder / "request.json", folder / "selftest.json"
    request.write_text(json.dumps(asked | {"gate": gate, "training": training}, indent=1))
    watch = local.Watch(folder, screen, servers)
    watch.follow(local.spawn("components.gate.selftest", [str(request), str(out)], folder, {}))
    local.told(watch.log)
    if not out.exists():
        raise TouchstoneError("RUN_DIED", "the self-test ended early", fix=f"See {folder}/output.log.")
    found: dict[str, Any] = json.loads(out.read_bytes())
    return found


def draw(screen: Screen, found: dict[str, Any], recipe: Recipe) -> bool:
    """The table; whether the gate said the right thing in every case that was tested."""
    outcomes = [Outcome(**one) for one in found["outcomes"]]
    width = max(len(one.case) for one in outcomes)
    screen.text(f"\n  {'':<{width}}  {'expected':<17}  {'found':<24} {'time':>6}")
    for one in outcomes:
        mark = " <- WRONG" if one.wrong else ""
        screen.text(f"  {one.case:<{width}}  {one.expected:<17}  {one.found:<24} {duration(one.seconds):>6}{mark}")
        if one.found != one.expected:
            screen.text(f"  {'':<{width}}  {one.text}")
    rules = recipe.gate.model_dump()
    changed = [f"{name} {rules[name]:g} -> {found['rules'][name]:.3g}" for name in SCALED]
    screen.text(f"\n  On the {found['queries']:,} dev queries: no look was charged, nothing sealed was opened.")
    screen.text(f"  Rules scaled to so few: {', '.join(changed)} (one look).")
    wrong, tested = sum(one.wrong for one in outcomes), sum(one.found != NOT_TESTED for one in outcomes)
    screen.text(f"  {tested - wrong} of {tested} right, {len(outcomes) - tested} not tested.")
    return not wrong

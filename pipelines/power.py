"""What `touchstone plan` says of the gate: what the sealed test could see. It is not opened, and no look is charged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.corpus import snapshot
from components.evaluation.scores import BASE, CHAMPION
from components.gate import ledger, power, statistics
from components.gate.approval import today
from components.gate.power import Power, SealedTest
from components.pairs.guards import Guard
from components.pairs.leakage import Leakage
from components.store.artifact import Artifact
from components.store.errors import TouchstoneError
from components.store.pull import pin
from components.store.state import State
from pipelines.recipe import Recipe
from pipelines.screen import Screen


def foresee(recipe: Recipe, found: dict[str, Any]) -> Power:
    """What the line's sealed test could see, as its documents are now.

    Args:
        recipe: The line.
        found: What the run until the pairs told.

    Raises:
        TouchstoneError: LEDGER_BROKEN.
    """
    state, champion, judged = State(recipe.state), pin(recipe.target), found["judged"]
    listing = Artifact.open(Path(found["paths"]["judged"]), "judged").manifest["inputs"]["snapshot"]
    test = SealedTest(
        queries=judged["sealed_queries"],
        shape=judged["sealed_shape"],
        leakage=Leakage(**found["leakage"]),
        guards={name: _queries(recipe, listing, name) for name in recipe.guards},
        looks=_looks(state, champion, recipe),
    )
    return power.foresee(test, recipe.gate, CHAMPION if champion else BASE, _last(state))


def _queries(recipe: Recipe, listing: str, guard: str) -> int:
    """How many of a guard's queries judge."""
    return len(Guard.read(guard, snapshot.read(recipe.state, listing, f"guard:{guard}")).sealed.queries)


def _looks(state: State, champion: str, recipe: Recipe) -> int:
    try:
        return ledger.afford(state, champion=champion, day=today(), config=recipe.gate)
    except TouchstoneError as error:
        if error.code != "LOOKS_EXHAUSTED":
            raise
        return 0


def _last(state: State) -> dict[str, Any] | None:
    """The verdict that the last charged look led to."""
    runs = (entry["run"] for entry in reversed(ledger.check(state, [])))
    verdicts = (state.get(f"runs/{run}/verdict.json") for run in runs)
    return next((known for known in verdicts if known), None)


def draw(screen: Screen, found: Power, recipe: Recipe) -> None:
    """One line each; why nothing can be promoted stands last."""
    by = {power.GROUP: "by group", power.SOURCE: "by source"}
    units = f"{found.units[power.GROUP]:,} independent groups and {found.units[power.SOURCE]:,} sources"
    effective = ", ".join(f"{found.effective[rule]:,} {text}" for rule, text in by.items())
    seen = f"a gain of {found.detectable:+.3f} over the {found.against}, four times in five"
    screen.line("sealed test", f"{found.queries:,} queries of {units}")
    screen.line("tells as", f"{effective}: so many independent queries would tell as much")
    screen.line("would find", f"{seen}, drawn {by[recipe.gate.cluster]}\n{found.told}")
    looks = f"{found.looks:,} of {recipe.gate.looks:,} left this year"
    screen.line("looks", f"{looks}, each tested at the level {found.alpha:.5f}")
    for name, (queries, chance) in found.guards.items():
        weak = "\nunderpowered: a longer benchmark would judge better" if statistics.underpowered(chance) else ""
        text = f"{name}: no worse than the base, a model passes with {chance:.0%} on {queries:,} queries{weak}"
        screen.line("guard", text)
    for reason in found.never:
        screen.line("never", f"this test can promote nothing: {reason}")

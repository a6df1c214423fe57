"""`touchstone plan`: what a recipe's training will do and take, and what the gate could see, before it is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.store.errors import TouchstoneError, UserError
from components.training.config import TrainingConfig
from pipelines import local, power
from pipelines.recipe import Recipe
from pipelines.screen import Screen, duration

PARTS = {
    "steps": "steps",
    "dev": "scoring dev",
    "base": "the base's view of every text",
    "tokens": "tokens",
    "checkpoints": "checkpoints",
    "start": "starting",
}
"""What the time goes into, as it is told."""


def plan(
    recipe: Recipe, screen: Screen, servers: list[int], *, pairs: int | None = None, negatives: int | None = None
) -> dict[str, Any]:
    """Plan the recipe's training on its own pairs, mined where that is not done yet, or on `pairs` assumed ones.

    Args:
        recipe: The line.
        screen: Where progress is drawn.
        servers: Pids whose memory counts as the run's.
        pairs: How many to assume: nothing is read but the base.
        negatives: Hard negatives of each assumed pair; the recipe's without it.

    Returns:
        `components.training.estimate.estimate`'s findings, `assumed`, and for mined pairs `power`, what the sealed
        test could see.

    Raises:
        UserError: PAIRS_MISSING, what is wrong with the recipe, its sources or its base.
        TouchstoneError: RUN_DIED when planning ended without an answer.
    """
    if negatives is not None and pairs is None:
        fix = "Add --pairs N, or leave --hard-negatives out: mined pairs have their own."
        raise UserError("PAIRS_MISSING", "--hard-negatives plans for pairs that are assumed", fix=fix)
    paths, folder, known = {}, Path(), None
    if pairs is None:
        record = local.run_until(recipe, screen, until="pairs", servers=servers)
        paths, folder = record["found"]["paths"], Path(record["log"]).parent
        known = power.foresee(recipe, record["found"])
    else:
        folder = local.new_run()
    wanted = recipe.pairs.negatives.per_pair if negatives is None else negatives
    trial = {"pairs": pairs or 0, "negatives": wanted, "tokens": recipe.corpus.passage_tokens}
    asked = {"base_model": recipe.base_model, "gpus": int(recipe.gpus), "trial": trial, "paths": paths}
    asked["config"] = recipe.training.model_dump(mode="json")
    return _estimated(asked, folder / "plan", screen, servers) | {"assumed": pairs is not None, "power": known}


def _estimated(asked: dict[str, Any], folder: Path, screen: Screen, servers: list[int]) -> dict[str, Any]:
    """Estimate in a process of its own, so that what libraries say goes to a log."""
    folder.mkdir()
    request, out = folder / "request.json", folder / "plan.json"
    request.write_text(json.dumps(asked, indent=1))
    watch = local.Watch(folder, screen, servers)
    watch.follow(local.spawn("components.training.estimate", [str(request), str(out)], folder, {}))
    local.told(watch.log)
    if not out.exists():
        raise TouchstoneError("RUN_DIED", "planning ended early", fix=f"See {folder}/output.log.")
    found: dict[str, Any] = json.loads(out.read_bytes())
    return found


def draw(screen: Screen, found: dict[str, Any], recipe: Recipe) -> None:
    """The plan, one line each; warnings with their fix last."""
    screen.text("")
    planned, lacking = found["plan"], found.get("lacking")
    lines = {
        "pairs": _pairs(found),
        "loss": _loss(found, recipe.training),
        "batch": _batch(found, recipe),
        "negatives": f"{planned['true_negatives']:,} true negatives for each anchor",
        "duplicates": _duplicates(found, int(recipe.gpus)),
        "steps": _steps(found),
        "rate": f"{found['rate']:.1e} at its peak",
    }
    here = f"not known here: the recipe asks for {_count(int(recipe.gpus), 'GPU')}, this machine has {lacking}"
    lines |= {"memory": here, "time": here} if lacking else {"memory": _memory(found, recipe), "time": _time(found)}
    for label, text in lines.items():
        screen.line(label, text)
    if known := found.get("power"):
        power.draw(screen, known, recipe)
    for warning in planned["warnings"]:
        screen.line("warning", warning.replace(". ", ".\n"))


def _pairs(found: dict[str, Any]) -> str:
    load = found["load"]
    each = f"{_count(load['negatives'], 'hard negative')} and {load['tokens']:,.0f} tokens each"
    return f"{load['pairs']:,}{' assumed: no text was read' if found['assumed'] else ''}, {each}"


def _loss(found: dict[str, Any], config: TrainingConfig) -> str:
    """How it is computed, then what is ranked."""
    planned, temperature = found["plan"], found["temperature"]
    how = "in the batch, activations kept"
    if planned["cached"]:
        how = f"cached: {planned['tokens_at_once']:,} tokens at once, the same negatives as in the batch"
    elif "lacking" in found:
        how = "in the batch, or cached where a batch does not fit the GPU"
    ranked = "both ways" if config.symmetric else "documents alone"
    masked = ", what the base finds as close is masked" if config.mask_false_negatives else ""
    divided = f"temperature {temperature:g}" if temperature else "the temperature that fits the base on dev"
    return f"{how}\n{ranked}{masked}, {divided}"


def _batch(found: dict[str, Any], recipe: Recipe) -> str:
    planned, processes = found["plan"], max(1, int(recipe.gpus))
    kind = "processor" if recipe.gpus == "0" else "GPU" if processes == 1 else "GPUs"
    again = recipe.training.gradient_accumulation
    asked = f", for the {recipe.training.negatives:,} negatives asked for" if recipe.training.negatives else ""
    product = f"{planned['batch']:,} pairs x {processes} {kind} x {again} accumulated"
    return f"{product} = {planned['pairs_per_step']:,} a step{asked}"


def _duplicates(found: dict[str, Any], gpus: int) -> str:
    within = "none: a batch never holds a text twice"
    if gpus < 2:
        return within
    return f"none on a GPU; {found['duplicates']:,.1f} texts of a joint batch on two of them, masked in the loss"


def _steps(found: dict[str, Any]) -> str:
    planned, pairs = found["plan"], found["load"]["pairs"]
    return f"{planned['steps']:,}: {planned['steps'] * planned['pairs_per_step'] / pairs:.2g} passes over the pairs"


def _memory(found: dict[str, Any], recipe: Recipe) -> str:
    where = "of each GPU" if int(recipe.gpus) else "of the training process"
    return f"{found['memory'] / 1e9:.1f} GB {where} at the peak (measured: some steps were tried)"


def _time(found: dict[str, Any]) -> str:
    whole = found["whole"]
    parts = [f"{PARTS[name]} {duration(whole[name])}" for name in PARTS if round(whole[name])]
    each = f"\n{whole['steps'] / found['plan']['steps']:.2f} s a step, as this machine is loaded now"
    assumed = "\nassumed: dev documents of one passage each" if found["assumed"] else ""
    return f"about {duration(sum(whole.values()))}: {', '.join(parts)}{each}{assumed}"


def _count(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"

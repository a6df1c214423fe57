"""`touchstone gate seal`: a new generation of the sealed test, before the old one is worn out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.gate import generation
from components.store.errors import TouchstoneError
from components.store.pull import pin
from components.store.state import State
from pipelines import local
from pipelines.recipe import Recipe
from pipelines.screen import Screen

WILL = "What judged so far will train, for good, and the reserve side will judge. Base and champion are scored on both."


def seal(recipe: Recipe, screen: Screen, servers: list[int]) -> dict[str, Any]:
    """Run the pipeline until the pairs, then open the next generation.

    Args:
        recipe: The line.
        screen: Where progress is drawn.
        servers: Pids whose memory counts as the run's.

    Returns:
        The ledger's record of it (`components.gate.opening`).

    Raises:
        UserError: GENERATION_UNUSED, NO_RESERVE, what is wrong with the recipe or its sources.
        TouchstoneError: LEDGER_BROKEN; RUN_DIED when it ended without a record.
    """
    generation.ready(State(recipe.state), pin(recipe.target))
    screen.text(WILL)
    record = local.run_until(recipe, screen, until="pairs", servers=servers)
    folder = Path(record["log"]).parent / "seal"
    folder.mkdir()
    request, out = folder / "request.json", folder / "generation.json"
    request.write_text(json.dumps(_request(recipe, folder.parent.name, record["found"]["paths"]), indent=1))
    watch = local.Watch(folder, screen, servers)
    watch.follow(local.spawn("components.gate.opening", [str(request), str(out)], folder, {}))
    local.told(watch.log)
    if not out.exists():
        raise TouchstoneError("RUN_DIED", "opening the generation ended early", fix=f"See {folder}/output.log.")
    entry: dict[str, Any] = json.loads(out.read_bytes())
    return entry


def _request(recipe: Recipe, run: str, paths: dict[str, str]) -> dict[str, Any]:
    """What `components.gate.opening` reads."""
    corpus = recipe.corpus
    where = {"state": recipe.state, "run": run, "base": recipe.base_model, "target": recipe.target, "paths": paths}
    tokens = (corpus.passage_tokens, corpus.passage_overlap)
    sections = {"pairs": recipe.pairs, "gate": recipe.gate, "signing": recipe.signing}
    told = {name: part.model_dump(mode="json", exclude_none=True) for name, part in sections.items()}
    return {**where, **told, "sources": [source.uri for source in corpus.sources], "tokens": tokens}


def draw(screen: Screen, entry: dict[str, Any]) -> None:
    """What was opened, and how far apart the two tests are."""
    documents, queries = entry["documents"], entry["queries"]
    screen.line("generation", f"{entry['generation']}, in the ledger since {entry['day']}")
    screen.line("judge now", f"{documents['sealed']:,} documents with {queries['new']:,} queries")
    seen = f"; {documents['seen']:,} of the reserve, which a model has seen" if documents["seen"] else ""
    screen.line("train now", f"{documents['trained']:,} documents that judged ({queries['old']:,} queries){seen}")
    for name, found in entry["ndcg@10"].items():
        screen.line(name, f"nDCG@10 {found['old']:.3f} on the old test, {found['new']:.3f} on the new one")
    screen.text("\nScores before and after are of two tests: never put them on one curve.")

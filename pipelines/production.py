"""What a command needs of production: its parity texts, from a recipe's model store or a folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

from components.evaluation import parity
from components.evaluation.parity import FILE, Parity
from components.hub.rollback import choose
from components.store.stores import open_models
from pipelines import local
from pipelines.recipe import read


def parity_of(served: Path) -> Parity:
    """What ships with a model as `parity.json`.

    Args:
        served: A promoted model's folder or that file in it; or a recipe, for what its line has in production.

    Raises:
        UserError: NO_PARITY, NO_RECIPE, RECIPE_INVALID, NOTHING_PROMOTED.
        TouchstoneError: MODEL_UNREADABLE.
    """
    if served.suffix not in (".yaml", ".yml"):
        return parity.load(served if served.suffix == ".json" else served / FILE)
    line = read(served)
    with local.object_store(line), tempfile.TemporaryDirectory() as work:
        store = open_models(line.target)
        store.fetch(choose(store, None).revision, Path(work))
        return parity.load(Path(work) / FILE)

"""What can be found wrong before the first step runs."""

from __future__ import annotations

from components.store.errors import UserError
from components.store.pull import pin
from components.store.s3 import Folder
from pipelines.recipe import Recipe


def preflight(recipe: Recipe) -> None:
    """Look at every address the run will need.

    Raises:
        UserError: whatever is wrong, with the fix.
    """
    for role, addresses in recipe.places.items():
        for address in addresses:
            if next(Folder(address).list(), None) is None:
                fix = f"Put objects there, or correct the recipe's address for {role}."
                raise UserError("EMPTY_SOURCE", f"{address} holds no object", fix=fix)
    for address in (recipe.state, recipe.target):
        next(Folder(address).list(), None)
    if not pin(recipe.base_model):
        raise UserError(
            "NO_MODEL", f"{recipe.base_model} holds no model", fix="Publish the base there, or correct base_model."
        )

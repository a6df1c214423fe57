"""What can be found wrong before the first step runs."""

from __future__ import annotations

from pathlib import Path

from components.store.addresses import is_store, split_reference
from components.store.errors import UserError
from components.store.pull import pin
from components.store.s3 import Folder
from components.store.signing import ready
from components.store.stores import open_models
from pipelines.recipe import Recipe


def preflight(recipe: Recipe) -> None:
    """Look at every address the run will need.

    Raises:
        UserError: whatever is wrong, with the fix.
    """
    listable(recipe)
    ready(recipe.signing)
    open_models(recipe.target).head()
    if not pin(recipe.base_model, base=True):
        raise UserError(
            "NO_MODEL", f"{recipe.base_model} holds no model", fix="Publish the base there, or correct base_model."
        )
    address = split_reference(recipe.base_model)[0]
    if not is_store(address):  # the card of any other is seen when it is pulled
        recipe.terms.licence(address, Path(address))


def listable(recipe: Recipe) -> None:
    """Look at the addresses that a snapshot lists, and at the state."""
    for role, sources in recipe.places.items():
        for source in sources:
            if next(Folder(source.uri, source.connection).list(), None) is None:
                fix = f"Put objects there, or correct the recipe's address for {role}."
                raise UserError("EMPTY_SOURCE", f"{source.uri} holds no object", fix=fix)
    next(Folder(recipe.state).list(), None)

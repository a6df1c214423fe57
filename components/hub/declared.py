"""What a recipe tells the model's card; apart from the card so that the pipelines need no template for it."""

from __future__ import annotations

from components.store.config import Config


class Declared(Config):
    """The parts of a recipe that stand on the card."""

    name: str
    """The line's."""
    recipe: str
    """The recipe's digest."""
    licences: dict[str, list[str]] = {}
    """Role of what was read (documents, judged, ...) -> licence of each of its places, `unknown` where none is told."""

"""Keys of servers come from the environment, and go into one header's line."""

from __future__ import annotations

import os

from components.store.errors import UserError


def key(name: str) -> str:
    """The key in an environment variable, "" for none.

    Raises:
        UserError: BAD_KEY.
    """
    found = os.environ.get(name, "").strip()
    if not found.isascii() or not found.isprintable() or " " in found:
        raise UserError("BAD_KEY", f"{name} is no key", expected="letters, digits and signs on one line")
    return found

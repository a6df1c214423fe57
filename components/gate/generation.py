"""The generations of the sealed test, on record twice: in the split, which changed with them, and in the ledger.

A new one is written to the split first, its record with it, and copied to the ledger then. Whoever comes next after a
crash in between copies it: the next run that looks, or the next `touchstone gate seal`.
"""

from __future__ import annotations

from components.gate import chain, ledger
from components.pairs import reserve
from components.store.errors import UserError
from components.store.state import State


def settle(state: State) -> None:
    """Copy to the ledger what the split knows and it does not.

    Raises:
        TouchstoneError: LEDGER_BROKEN.
    """
    ledger.turn(state, reserve.generations(state))


def ready(state: State, champion: str) -> None:
    """Whether a new generation may be opened: the last one must have been used.

    Args:
        state: The line's state.
        champion: The champion's pinned reference, "" for none.

    Raises:
        UserError: GENERATION_UNUSED.
        TouchstoneError: LEDGER_BROKEN.
    """
    ledger.check(state, chain.promotions(champion))
    settle(state)
    if last := ledger.unused(ledger.check(state, [])):
        found = f"generation {last['generation']}, opened on {last['day']}, without a look"
        fix = "Run the pipeline: it trains on what judged before, and is judged by the new test."
        raise UserError("GENERATION_UNUSED", "the sealed test is new", found=found, fix=fix)

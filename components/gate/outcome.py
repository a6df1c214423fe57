"""The type that the gate's self-test makes: what a case should lead to, and what it led to."""

from __future__ import annotations

from dataclasses import dataclass

NOT_TESTED = "not tested"


@dataclass(frozen=True)
class Outcome:
    """One case.

    Attributes:
        case: What was judged.
        expected: The decision that is right.
        found: The decision that the gate took, or `NOT_TESTED`.
        text: Its first reason, or why it was not tested.
        seconds: How long it took, training included.
    """

    case: str
    expected: str
    found: str
    text: str
    seconds: float

    @property
    def wrong(self) -> bool:
        """Whether the gate said something else than it should; what was not tested is neither."""
        return self.found not in (self.expected, NOT_TESTED)

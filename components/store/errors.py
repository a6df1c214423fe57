"""What went wrong, in four answers: what, found, expected, fix."""

from __future__ import annotations

from collections.abc import Callable


class TouchstoneError(Exception):
    """A failure with a stable code that a person can act on.

    Args:
        code: Stable, upper case, for playbooks and searches (``NO_SUCH_BUCKET``).
        what: What went wrong, one sentence without a full stop at the end.
        found: What was there.
        expected: What should have been there.
        fix: What to do about it.
    """

    exit_code = 1

    def __init__(self, code: str, what: str, *, found: str = "", expected: str = "", fix: str = "") -> None:
        """Keep the parts apart, so that a record can hold them and a terminal can lay them out."""
        super().__init__(code, what)
        self.code, self.what, self.found, self.expected, self.fix = code, what, found, expected, fix

    def __str__(self) -> str:
        """Two or three lines for a terminal, without the code."""
        detail = ", ".join(
            part
            for part in (self.found and f"found {self.found}", self.expected and f"expected {self.expected}")
            if part
        )
        first = f"{self.what}: {detail}." if detail else f"{self.what}."
        return f"{first}\n{self.fix}" if self.fix else first

    def __reduce__(self) -> tuple[Callable[[dict[str, str]], TouchstoneError], tuple[dict[str, str]]]:
        """Cross to another process with every part."""
        return TouchstoneError.from_record, (self.record(),)

    def record(self) -> dict[str, str]:
        """The parts as a flat dictionary for the run's record."""
        parts = {name: getattr(self, name) for name in ("code", "what", "found", "expected", "fix")}
        return {**parts, "kind": type(self).__name__}

    @classmethod
    def from_record(cls, record: dict[str, str]) -> TouchstoneError:
        """The error that `record` was made of."""
        kind = {known.__name__: known for known in (UserError, TransientError)}.get(
            record.get("kind", ""), TouchstoneError
        )
        parts = {name: record.get(name, "") for name in ("found", "expected", "fix")}
        return kind(record.get("code", "UNKNOWN"), record.get("what", "the step failed"), **parts)


def unexpected(error: Exception, doing: str) -> TouchstoneError:
    """What is told of an exception that nobody foresaw: its type, not its message, which may quote a document."""
    return TouchstoneError("UNEXPECTED", f"{type(error).__name__} {doing}", fix="See the step's log.")


class UserError(TouchstoneError):
    """A mistake that the person running Touchstone can mend: exit code 2, no traceback."""

    exit_code = 2


class TransientError(TouchstoneError):
    """The outside world did not answer in time: the same call may succeed later."""

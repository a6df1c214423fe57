"""The base of every step's configuration: frozen, strict, and clear about what is wrong."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from components.store.addresses import bare
from components.store.errors import UserError

T = TypeVar("T", bound="Config")

_NAMES = {"key"}
"""Fields with the name of a secret: somebody may have put the secret itself there."""


class Config(BaseModel):
    """A frozen model that refuses unknown keys.

    KFP turns the integers of a dictionary into floats, so 3.0 is taken for an int and 3.5 is refused
    (pydantic's lax mode does just that).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def parse(cls: type[T], values: dict[str, Any], *, where: str) -> T:
        """Check `values`, naming the field, the value and what is allowed.

        Args:
            values: The plain dictionary, from YAML or from a KFP parameter.
            where: What the values were read from, for the message (a file's name, a step's name).

        Raises:
            UserError: RECIPE_INVALID, one line for each mistake.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            lines = [_sentence(where, dict(problem)) for problem in error.errors()]
            raise UserError("RECIPE_INVALID", "\n".join(lines).removesuffix(".")) from None


def _sentence(where: str, problem: dict[str, Any]) -> str:
    """One problem as `recipe.yaml: training.learning_rate is 2, must be ...`."""
    field = ".".join(str(part) for part in problem["loc"]) or "the whole file"
    if problem["type"] == "extra_forbidden":
        return f"{where}: {field} is not a known key. Remove it, or look it up in docs/recipe.md."
    if problem["type"] == "missing":
        return f"{where}: {field} is missing."
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{where}: {field} is {_shown(problem)}, must be {message}."


def _shown(problem: dict[str, Any]) -> str:
    """The wrong value, but for what may be a secret: the message stands on screens and in logs."""
    text = repr(problem["input"])
    if "PRIVATE KEY" in text:
        return "a private key"
    return "something that is not shown here" if problem["loc"][-1:] in {(name,) for name in _NAMES} else bare(text)

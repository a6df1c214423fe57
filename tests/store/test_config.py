"""The base of every configuration, and the errors that everything raises."""

import json

import pytest
from pydantic import Field, ValidationError

from components.store.config import Config
from components.store.errors import TouchstoneError, TransientError, UserError


class Inner(Config):
    steps: int = Field(3, ge=1)


class Outer(Config):
    rate: float
    inner: Inner = Inner()


@pytest.mark.parametrize("steps", [3, 3.0])
def test_the_whole_floats_that_kfp_makes_of_integers_are_taken(steps):
    found = Outer.parse({"rate": 1, "inner": {"steps": steps}}, where="x").inner.steps
    assert (found, type(found)) == (3, int)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rate": 1, "inner": {"steps": 3.5}}, "recipe.yaml: inner.steps is 3.5, must be a valid integer"),
        ({"rate": 1, "inner": {"steps": 0}}, "recipe.yaml: inner.steps is 0, must be greater than or equal to 1"),
        ({"rate": "fast"}, "recipe.yaml: rate is 'fast', must be a valid number"),
        ({"rate": 1, "raet": 2}, "recipe.yaml: raet is not a known key"),
        ({}, "recipe.yaml: rate is missing"),
        (None, "recipe.yaml: the whole file is None, must be a valid dictionary"),
        ({"raet": 2}, "rate is missing.\nrecipe.yaml: raet is not"),
    ],
)
def test_a_wrong_value_is_named_with_its_field_and_what_is_allowed(values, message):
    with pytest.raises(UserError) as raised:
        Outer.parse(values, where="recipe.yaml")
    assert raised.value.code == "RECIPE_INVALID"
    assert message in str(raised.value)


def test_a_configuration_is_frozen():
    with pytest.raises(ValidationError):
        Inner().steps = 4


@pytest.mark.parametrize(("kind", "exit_code"), [(TouchstoneError, 1), (UserError, 2), (TransientError, 1)])
def test_an_error_survives_its_record(kind, exit_code):
    error = kind("LOST", "the key is gone", found="a hole", expected="a key", fix="Look under the mat.")
    again = TouchstoneError.from_record(json.loads(json.dumps(error.record())))
    assert (type(again), again.exit_code, again.record()) == (kind, exit_code, error.record())
    assert str(again) == "the key is gone: found a hole, expected a key.\nLook under the mat."


def test_a_record_of_another_version_still_makes_an_error():
    error = TouchstoneError.from_record({"kind": "OfTomorrow", "step": "load"})
    assert (error.code, str(error)) == ("UNKNOWN", "the step failed.")

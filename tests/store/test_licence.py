"""Licences: what a card names, and what may not be built on where the model will be used commercially."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from components.store.errors import UserError
from components.store.licence import UNKNOWN, Terms, inherited, named, non_commercial
from components.store.models import Model
from components.store.pull import pin, pull

SOLD = Terms(commercial=True)


def folder(where: Path, licence: str) -> Path:
    """A model's folder whose card names a licence, or says nothing."""
    front = f"license: {licence}\n" if licence else ""
    (where / "README.md").write_text(f"---\nlanguage: en\n{front}---\n# A model\n")
    return where


@pytest.mark.parametrize(
    ("card", "config", "found"),
    [
        ("---\nlanguage: en\nlicense: mit\ntags:\n- x\n---\nlicense: gpl\n", {}, "mit"),
        ('---\nlicense: "apache-2.0"\n---\n', {}, "apache-2.0"),
        ("---\nlicense: other\nlicense_name: nvidia-open\n---\n", {}, "nvidia-open"),
        ("# A model\nlicense: mit\n", {}, UNKNOWN),
        ("---\nlicense: \x1b[31mred\n---\n", {}, UNKNOWN),
        ("", {"license": "cc-by-4.0"}, "cc-by-4.0"),
        (None, None, UNKNOWN),
    ],
)
def test_the_licence_is_what_the_card_or_the_configuration_names(tmp_path, card, config, found):
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    assert named(tmp_path) == found


@pytest.mark.parametrize("licence", ["apache-2.0", "Apache-2.0", "cc-by-sa-4.0", "ncsa", "agpl-3.0"])
def test_a_licence_that_allows_commercial_use_is_taken(tmp_path: Path, licence: str) -> None:
    assert SOLD.licence("models/base", folder(tmp_path, licence)) == licence


@pytest.mark.parametrize(
    ("licence", "found"),
    [
        ("cc-by-nc-4.0", "found cc-by-nc-4.0, expected a licence that allows"),
        ("polyform-noncommercial-1.0.0", "found polyform-noncommercial-1.0.0, expected a licence that allows"),
        ("deepfloyd-if-license", "found deepfloyd-if-license, expected a licence that allows"),
        ("", "found no licence, expected one that the Hub lists"),
        ("other\nlicense_name: ours", "found ours, expected one that the Hub lists"),
        ("cc", "found cc, expected one that the Hub lists"),
    ],
)
def test_commercial_use_is_refused_where_the_card_forbids_it_or_does_not_tell(
    tmp_path: Path, licence: str, found: str
) -> None:
    with pytest.raises(UserError, match="commercial use of what is made from models/base") as told:
        SOLD.licence("models/base", folder(tmp_path, licence))
    assert (told.value.code, told.value.exit_code) == ("LICENCE_REFUSED", 2)
    assert found in str(told.value)
    assert Terms().licence("models/base", tmp_path) == named(tmp_path), "nobody asks where nobody sells"


def test_a_person_s_word_counts_before_the_card_s_and_for_that_base_alone(tmp_path: Path) -> None:
    model = folder(tmp_path, "cc-by-nc-4.0")
    agreed = Terms(commercial=True, bases={"models/base": "agreement of 2026"})
    assert agreed.licence("models/base", model) == "agreement of 2026"
    with pytest.raises(UserError, match="commercial use"):
        agreed.licence("models/other", model)
    with pytest.raises(UserError, match="commercial use"):
        Terms(commercial=True, bases={"models/base": "CC BY-NC 4.0"}).licence("models/base", folder(tmp_path, "mit"))


def test_a_base_is_pulled_with_its_licence_or_not_at_all(tiny_model: Path, tmp_path: Path) -> None:
    model = folder(shutil.copytree(tiny_model, tmp_path / "base"), "mit")
    pull(pin(str(model)), tmp_path / "sold", optional=False, terms=SOLD)
    assert Model.open(tmp_path / "sold").licence == "mit"
    folder(model, "cc-by-nc-4.0")
    with pytest.raises(UserError, match="commercial use"):
        pull(pin(str(model)), tmp_path / "refused", optional=False, terms=SOLD)
    assert not (tmp_path / "refused").exists()
    pull(pin(str(model)), tmp_path / "kept", optional=False)
    assert Model.open(tmp_path / "kept").licence == "cc-by-nc-4.0"


def test_what_allows_less_is_handed_on() -> None:
    assert inherited("apache-2.0", ["CC-BY-4.0", UNKNOWN]) == "apache-2.0"
    assert inherited("apache-2.0", ["MIT", "CC-BY-NC-4.0"]) == "CC-BY-NC-4.0"
    assert inherited("cc-by-nc-4.0", []) == "cc-by-nc-4.0"
    assert non_commercial("h-research") and not non_commercial("sync")

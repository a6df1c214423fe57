"""Licences: what a model's card names, and whether what is under one may be used commercially.

A licence is judged by its name alone; nobody here reads one. So a base whose card names no licence that the Hub lists
is refused where commercial use is declared, until a person has read it and says in the recipe what it is.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from components.store.config import Config
from components.store.errors import UserError

UNKNOWN = "unknown"
"""What stands for a licence that nobody names; the Hub has the same word."""

LISTED = frozenset(
    """
    afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0 bigscience-openrail-m bsd
    bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-nc-2.0
    cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
    cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 cdla-sharing-1.0
    creativeml-openrail-m deepfloyd-if-license ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 gemma gfdl gpl gpl-2.0
    gpl-3.0 isc lgpl lgpl-2.1 lgpl-3.0 lgpl-lr llama2 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openrail
    openrail++ osl-3.0 pddl postgresql unlicense wtfpl zlib
    """.split()  # noqa: SIM905 (sixty quoted words would hide the list)
)
"""Identifiers that a card's `license:` may hold (https://huggingface.co/docs/hub/repositories-licenses), without `cc`,
`other` and `unknown`, which do not tell which licence it is."""

_NON_COMMERCIAL = re.compile(r"\bNC\b|non-?commercial|research|deepfloyd", re.I)
_NAME = re.compile(r"[\w.+-]{1,64}")
_CARD = 1 << 20
"""Bytes of a card that are looked at."""


class Terms(Config):
    """What a recipe says about the licence of a base."""

    commercial: bool = False
    """The model will be used commercially."""
    bases: dict[str, str] = {}
    """Address of a base, without its revision -> its licence, in a person's words; they count before the card's."""

    def licence(self, address: str, folder: Path) -> str:
        """The licence of the model in a folder, `unknown` where nobody names it.

        Raises:
            UserError: LICENCE_REFUSED when the model will be used commercially and must not be, or nobody says whether.
        """
        declared, found = self.bases.get(address, ""), named(folder)
        if not self.commercial:
            return declared or found
        if non_commercial(declared or found):
            fix = "Take another base_model; with commercial terms of your own, declare them in the recipe's licences."
            raise _refused(address, declared or found, "a licence that allows commercial use", fix)
        if not declared and found.lower() not in LISTED:
            fix = f'Read its licence, then declare it: licences: {{"{address}": ...}}; or take another base_model.'
            raise _refused(address, "no licence" if found == UNKNOWN else found, "one that the Hub lists", fix)
        return declared or found


ANY = Terms()
"""Nothing is said and nothing refused."""


def named(folder: Path) -> str:
    """The licence that a model's card names in its front matter, else its configuration, else `unknown`."""
    card, config = ((folder / name) for name in ("README.md", "config.json"))
    text = card.read_bytes()[:_CARD].decode(errors="replace") if card.is_file() else ""
    front = text.split("\n---", 1)[0] if text.startswith("---") else ""
    known = {
        key: value for key, value in re.findall(r"^(license|license_name):[ \t]*(\S+)[ \t]*$", front, re.MULTILINE)
    }
    name = known.get("license_name") or known.get("license")
    if not name and config.is_file():
        name = json.loads(config.read_bytes()).get("license")
    found = str(name or "").strip("'\"")
    return found if _NAME.fullmatch(found) else UNKNOWN


def non_commercial(licence: str) -> bool:
    """Whether a licence says by its name that what is under it must not be used commercially."""
    return bool(_NON_COMMERCIAL.search(licence))


def inherited(base: str, data: list[str]) -> str:
    """The licence that a model made of both is handed on with: the base's, unless something allows less."""
    return next((one for one in [base, *data] if non_commercial(one)), base)


def _refused(address: str, found: str, expected: str, fix: str) -> UserError:
    what = f"commercial use of what is made from {address}"
    return UserError("LICENCE_REFUSED", what, found=found, expected=expected, fix=fix)

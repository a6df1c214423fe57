"""The AWS API reference that botocore carries, as the pages of a documentation site.

Real documents that nobody here wrote, already installed with boto3. Only botocore's data files are read; the
library itself stays behind the S3 door.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from html import escape, unescape
from pathlib import Path
from typing import Any

from components.store.errors import UserError

DOCUMENTED = 80
"""Characters of description, without markup, that an operation must exceed to be a page."""

OPENING = 450
"""Characters of description after which a page shows no further paragraph: encoding them decides a run's minutes."""

MEMBERS = 4
"""Request parameters shown on a page, the required ones first."""

_TAG = re.compile(r"<[^>]+>")
_BLOCK = re.compile(r".*?(?:</(?:p|li|ul|ol|dd|dt|note|important)>|<br */?>|$)", re.IGNORECASE | re.DOTALL)
_BLOCK_END = re.compile(r"</(?:p|li|ul|ol|dd|dt|note|important)>|<br */?>", re.IGNORECASE)
_SENTENCE = re.compile(r".+?(?<!e\.g)(?<!i\.e)(?<!etc)(?<!vs)[.!?](?=\s+[\"'(A-Z0-9]|$)")


@dataclass(frozen=True)
class Operation:
    """One documented operation; `key` names its page relative to the documents' prefix."""

    service: str
    name: str
    page: bytes

    @property
    def key(self) -> str:
        """Where the page lies."""
        return f"{self.service}/{self.name}.html"


def package_folder(package: str) -> Path:
    """The folder of an installed package, found without importing it.

    Raises:
        UserError: DEMO_PACKAGE_MISSING.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise UserError("DEMO_PACKAGE_MISSING", f"the demo needs the package {package}", fix="pip install .[demo]")
    return Path(spec.origin).parent


@cache
def names(service: str) -> tuple[str, ...]:
    """The documented operations of a service, sorted; empty when botocore does not know it."""
    operations = _model(service).get("operations", {})
    return tuple(sorted(name for name, operation in operations.items() if len(_plain(_about(operation))) > DOCUMENTED))


def operations(service: str) -> Iterator[Operation]:
    """The service's pages in the order of their names."""
    model = _model(service)
    for name in names(service):
        yield Operation(service, name, _page(model, name).encode())


def _model(service: str) -> dict[str, Any]:
    """The service's newest API version."""
    versions = (package_folder("botocore") / "data" / service).glob("*/service-2.json*")
    newest = max(versions, default=None)
    if newest is None:
        return {}
    body = newest.read_bytes()
    model: dict[str, Any] = json.loads(gzip.decompress(body) if newest.suffix == ".gz" else body)
    return model


def _about(described: dict[str, Any]) -> str:
    return str(described.get("documentation", ""))


def _plain(markup: str) -> str:
    return " ".join(unescape(_TAG.sub(" ", markup)).split())


def _page(model: dict[str, Any], name: str) -> str:
    """A page as a documentation site holds it: furniture, then heading, service, description, parameters."""
    operation = model["operations"][name]
    service = escape(str(model["metadata"]["serviceFullName"]))
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="en"><head><meta charset="utf-8"><title>{name} - {service}</title></head><body>',
            "<header>API Reference</header><nav><a href='index.html'>All operations</a></nav>",
            f"<main><h1>{name}</h1>",
            f"<p>{service}</p>",
            opening(_about(operation)),
            *_parameters(model, operation.get("input")),
            "</main><footer>Generated from the service model.</footer></body></html>",
            "",
        ]
    )


def _parameters(model: dict[str, Any], shape: dict[str, str] | None) -> Iterator[str]:
    """A section that lists the request's parameters, each with the first sentence about it."""
    described = model["shapes"][shape["shape"]] if shape else {}
    members, required = described.get("members", {}), described.get("required", [])
    if not members:
        return
    yield "<h2>Request parameters</h2><ul>"
    for name, member in sorted(members.items(), key=lambda item: item[0] not in required)[:MEMBERS]:
        about = first_sentence(_about(member))
        yield f"<li><code>{escape(name)}</code>{': ' if about else ''}{escape(about)}</li>"
    more = len(members) - MEMBERS
    yield f"</ul><p>and {more} more</p>" if more > 0 else "</ul>"


def opening(markup: str) -> str:
    """The paragraphs up to `OPENING` characters of text, with their markup; at least the first one with text."""
    kept, length = [], 0
    for block in _BLOCK.findall(markup):
        text = len(_plain(block))
        if length and length + text > OPENING:
            break
        kept.append(block)
        length += text
    return "".join(kept)


def first_sentence(markup: str) -> str:
    """The first sentence of the first block that has text."""
    blocks = map(_plain, _BLOCK_END.split(markup))
    text = next(filter(None, blocks), "")
    found = _SENTENCE.match(text)
    return found.group() if found else text

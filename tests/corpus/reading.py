"""How the tests of the formats read an object, as the loading step does."""

import io

from components.corpus.config import Fields
from components.corpus.document import Parsed, Rejected
from components.corpus.formats import parse

Sections = list[tuple[tuple[str, ...], str]]


def read(name: str, body: str | bytes, **fields: str) -> list[Parsed | Rejected]:
    """What an object of that name is."""
    body = body.encode() if isinstance(body, str) else body
    return list(parse(io.BytesIO(body), len(body), f"s3://b/docs/{name}", Fields(**fields)))


def document(name: str, body: str | bytes, **fields: str) -> Parsed:
    """The one document that it is."""
    (found,) = read(name, body, **fields)
    assert isinstance(found, Parsed), found
    return found


def sections(name: str, body: str | bytes) -> Sections:
    """Heading paths and texts of the one document that it is."""
    return [(section.path, section.text) for section in document(name, body).sections]


def sources(name: str, body: str | bytes) -> list[str]:
    """Where the sections of the one document stand."""
    return [section.source for section in document(name, body).sections]


def refusals(name: str, body: str | bytes, **fields: str) -> list[tuple[str, str]]:
    """Record and reason of what was refused."""
    return [(found.record, found.reason) for found in read(name, body, **fields) if isinstance(found, Rejected)]


def records(name: str, body: str | bytes, **fields: str) -> list[tuple[str, str, str]]:
    """Key, title and text of the documents."""
    kept = [found for found in read(name, body, **fields) if isinstance(found, Parsed)]
    return [(one.record, one.title, " / ".join(section.text for section in one.sections)) for one in kept]

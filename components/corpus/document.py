"""The types that this step makes: Snapshot, Document, Rejected, and how they lie in Parquet."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from components.store.digests import canonical

SNAPSHOT_SCHEMA = pa.schema([("role", pa.string()), ("uri", pa.string()), ("etag", pa.string()), ("size", pa.int64())])
DOCUMENT_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("uri", pa.string()),
        ("version", pa.string()),
        ("title", pa.string()),
        ("language", pa.string()),
        ("media_type", pa.string()),
        ("sections", pa.list_(pa.struct([("path", pa.list_(pa.string())), ("text", pa.string())]))),
        ("digest", pa.string()),
    ]
)
REJECTED_SCHEMA = pa.schema([(name, pa.string()) for name in ("uri", "record", "reason", "detail")])
SIGNATURE_SCHEMA = pa.schema([("id", pa.string()), ("signature", pa.list_(pa.uint32()))])
DUPLICATE_SCHEMA = pa.schema([("id", pa.string()), ("uri", pa.string()), ("document", pa.string())])
GROUP_SCHEMA = pa.schema([("document", pa.string()), ("group", pa.string())])


@dataclass(frozen=True)
class Section:
    """A piece of a document: the headings above it and its text."""

    path: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Parsed:
    """What a format found in one record, before it is known to be a document."""

    record: str
    title: str
    language: str
    sections: tuple[Section, ...]


@dataclass(frozen=True)
class Rejected:
    """An object or record that is no document, with a stable reason code."""

    uri: str
    record: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Document:
    """One document; `id` is the sha256 of its URI and record key, so an edit keeps it."""

    id: str
    uri: str
    version: str
    title: str
    language: str
    media_type: str
    sections: tuple[Section, ...]
    digest: str

    @classmethod
    def of(cls, parsed: Parsed, *, uri: str, version: str, media_type: str) -> Document:
        """The document that `parsed` is, seen at `uri` in `version` (its ETag)."""
        content = [parsed.title, [[list(s.path), s.text] for s in parsed.sections]]
        return cls(
            id=hashlib.sha256(f"{uri}\0{parsed.record}".encode()).hexdigest(),
            uri=f"{uri}#{parsed.record}" if parsed.record else uri,
            version=version,
            title=parsed.title,
            language=parsed.language,
            media_type=media_type,
            sections=parsed.sections,
            digest=hashlib.sha256(canonical(content)).hexdigest(),
        )

    @property
    def text(self) -> str:
        """All sections' text; spans of passages and pairs are offsets into it."""
        return "\n".join(section.text for section in self.sections)

    def row(self) -> dict[str, Any]:
        """The document as a row of `DOCUMENT_SCHEMA`."""
        return vars(self) | {"sections": [{"path": list(s.path), "text": s.text} for s in self.sections]}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Document:
        """The document of a row."""
        sections = tuple(Section(tuple(s["path"]), s["text"]) for s in row["sections"])
        return cls(**(row | {"sections": sections}))

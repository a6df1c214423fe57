"""The types that this step makes: Snapshot, Document, Rejected, and how they lie in Parquet."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from components.store.digests import canonical

SNAPSHOT_SCHEMA = pa.schema(
    [*((name, pa.string()) for name in ("role", "uri", "etag", "version_id")), ("size", pa.int64())]
)
SECTION = pa.struct([("path", pa.list_(pa.string())), ("text", pa.string()), ("source", pa.string())])
DOCUMENT_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("uri", pa.string()),
        ("record", pa.string()),
        ("version", pa.string()),
        ("title", pa.string()),
        ("language", pa.string()),
        ("media_type", pa.string()),
        ("sections", pa.list_(SECTION)),
        ("personal", pa.map_(pa.string(), pa.int64())),
        ("digest", pa.string()),
    ]
)
REJECTED_SCHEMA = pa.schema([(name, pa.string()) for name in ("uri", "record", "version", "reason", "detail")])
SIGNATURE_SCHEMA = pa.schema([("id", pa.binary(32)), ("digest", pa.binary(32)), ("signature", pa.binary(512))])
SKETCH_SCHEMA = pa.schema([("id", pa.binary(32)), ("digest", pa.binary(32)), ("sketch", pa.binary(128))])
DUPLICATE_SCHEMA = pa.schema([("id", pa.string()), ("document", pa.string())])
GROUP_SCHEMA = pa.schema([("document", pa.string()), ("group", pa.string())])


@dataclass(frozen=True)
class Section:
    """A piece of a document.

    Attributes:
        path: The headings above it, outermost first.
        text: Its text.
        source: Where it stands in the object: `#anchor`, `lines 4-9`, `page 3`, or nothing where that says nothing.
    """

    path: tuple[str, ...]
    text: str
    source: str = ""


@dataclass(frozen=True)
class Parsed:
    """What a format found in one record, before it is known to be a document.

    Attributes:
        record: The record's key within its object; nothing where the object is one document.
        language: What the object itself declares (BCP 47), else nothing.
        media_type: What the content was read as, without its compression.
    """

    record: str
    title: str
    language: str
    sections: tuple[Section, ...]
    media_type: str


@dataclass(frozen=True)
class Rejected:
    """An object or record that is no document, with a stable reason code."""

    uri: str
    record: str
    reason: str
    detail: str = ""


@dataclass(frozen=True)
class Document:
    """One document; `id` is the sha256 of its URI and record key, so an edit keeps it.

    Attributes:
        uri: The object's URI, and `#record` where it holds several.
        version: The object's versionId, or its ETag where the bucket is not versioned.
        personal: Kind -> how many items of personal data or secrets were found in it (and redacted, or kept).
        digest: The sha256 of title and sections: equal for exact duplicates.
    """

    id: str
    uri: str
    record: str
    version: str
    title: str
    language: str
    media_type: str
    sections: tuple[Section, ...]
    digest: str
    personal: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, parsed: Parsed, *, uri: str, version: str, personal: Mapping[str, int] | None = None) -> Document:
        """The document that `parsed` is, seen at `uri` in `version`."""
        content = [parsed.title, [[list(s.path), s.text] for s in parsed.sections]]
        return cls(
            id=hashlib.sha256(f"{uri}\0{parsed.record}".encode()).hexdigest(),
            uri=f"{uri}#{parsed.record}" if parsed.record else uri,
            record=parsed.record,
            version=version,
            title=parsed.title,
            language=parsed.language,
            media_type=parsed.media_type,
            sections=parsed.sections,
            digest=hashlib.sha256(canonical(content)).hexdigest(),
            personal=dict(personal or {}),
        )

    @property
    def text(self) -> str:
        """All sections' text; spans of passages and pairs are offsets into it."""
        return "\n".join(section.text for section in self.sections)

    def row(self) -> dict[str, Any]:
        """The document as a row of `DOCUMENT_SCHEMA`."""
        sections = [{"path": list(s.path), "text": s.text, "source": s.source} for s in self.sections]
        return vars(self) | {"sections": sections, "personal": sorted(self.personal.items())}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Document:
        """The document of a row."""
        sections = tuple(Section(tuple(s["path"]), s["text"], s["source"]) for s in row["sections"])
        return cls(**(row | {"sections": sections, "personal": dict(row["personal"])}))

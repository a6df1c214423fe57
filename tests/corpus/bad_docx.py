"""Bad inputs that are, or seem to be, DOCX."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from random import Random

from tests.corpus.bad_archives import GIB, Entry, deflated, inflating, raw_zip, zipped
from tests.corpus.bad_file import CANARY, GIVEN_UP, Bad, Maker, prose
from tests.corpus.bad_markup import FILE_URI, laughs

_ODD = f"{GIVEN_UP}|PARSER_DIED"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'wordprocessingml.document.main+xml"/></Types>'
)
_RELATED = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    f'<Relationship Id="r1" Type="{RELATIONS}/officeDocument" Target="word/document.xml"/></Relationships>'
)
_PARTS = {"[Content_Types].xml": _TYPES.encode(), "_rels/.rels": _RELATED.encode()}
_MAIN = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def paragraphs(*texts: str) -> str:
    """Paragraphs of a word processor."""
    return "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in texts)


def body(content: str, head: str = "") -> bytes:
    """A document's main part."""
    return f'<?xml version="1.0"?>{head}<w:document {_MAIN}><w:body>{content}</w:body></w:document>'.encode()


def docx(main: bytes | None, **more: bytes) -> bytes:
    """A DOCX; the names of `more` are paths with `__` for `/` and `_xml` for the suffix."""
    parts = _PARTS | ({} if main is None else {"word/document.xml": main})
    return zipped(parts | {name.replace("__", "/").replace("_xml", ".xml"): part for name, part in more.items()})


def _claiming(main: bytes, size: int, flags: int = 0, crc: int = 0) -> bytes:
    """A DOCX whose main part is this deflated stream and says this size."""
    parts = [Entry(name, deflated(part), len(part), zlib.crc32(part)) for name, part in _PARTS.items()]
    return raw_zip([*parts, Entry("word/document.xml", main, size, crc, flags)])


def docx_entities(rng: Random) -> Iterator[Bad]:
    """Entities and relations that reach outside: none is followed."""
    refused = "document|BROKEN|BOMB|NO_TEXT"
    for name, (head, content) in {
        "laughs": (laughs(), "&l9;"),
        "few-laughs": (laughs(3), "&l3;"),
        "external": (f'<!DOCTYPE a [<!ENTITY a SYSTEM "{FILE_URI}">]>', "&a;"),
        "parameter": (f'<!DOCTYPE a [<!ENTITY % a SYSTEM "{FILE_URI}">%a;]>', "v"),
        "network": ('<!DOCTYPE a [<!ENTITY a SYSTEM "http://127.0.0.1:9/a">]>', "&a;"),
        "blowup": (f'<!DOCTYPE a [<!ENTITY a "{"v" * 100_000}">]>', "&a;" * 20_000),
        "declared-alone": ('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">', "v"),
    }.items():
        yield Bad(f"{name}.docx", docx(body(paragraphs(prose(rng), content), head)), refused)
        styled = docx(body(paragraphs(prose(rng))), word__styles_xml=body(content, head))
        yield Bad(f"{name}-in-styles.docx", styled, refused, says=CANARY)
    outside = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="r1" Type="{RELATIONS}/subDocument" Target="http://127.0.0.1:9/a" TargetMode="External"/>'
        f'<Relationship Id="r2" Type="{RELATIONS}/image" Target="{FILE_URI}" TargetMode="External"/></Relationships>'
    )
    picture = (
        '<w:p><w:r><w:drawing><a:blip xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
        f'xmlns:r="{RELATIONS}" r:link="r2" r:embed="r2"/></w:drawing></w:r></w:p>'
    )
    parts = _PARTS | {"word/document.xml": body(paragraphs(prose(rng)) + picture)}
    linked = zipped(parts | {"word/_rels/document.xml.rels": outside.encode()})
    yield Bad("relations.docx", linked, refused, says=CANARY)


def docx_bombs(rng: Random) -> Iterator[Bad]:
    """Parts that inflate, whatever their headers say they hold."""
    given_up = "BOMB|TOO_LARGE|BROKEN"
    start, end = body("@").split(b"@")
    gigabyte = inflating(paragraphs("valve").encode(), GIB, start, end)
    yield Bad("honest.docx", _claiming(gigabyte, GIB), given_up)
    yield Bad("lies.docx", _claiming(gigabyte, 1_000), given_up)
    first = (start + paragraphs("valve").encode() * 30)[:1_000]
    yield Bad("lies-well.docx", _claiming(gigabyte, 1_000, crc=zlib.crc32(first)), given_up)
    one_text = inflating(b"valve ", GIB, start + b"<w:p><w:r><w:t>", b"</w:t></w:r></w:p>" + end)
    yield Bad("one-text.docx", _claiming(one_text, GIB), given_up)
    image = Entry("word/media/image1.png", inflating(b"\0", 4 * GIB), 0xFFFFFFFF)
    main = body(paragraphs(prose(rng)))
    parts = {**_PARTS, "word/document.xml": main}
    rest = [Entry(name, deflated(part), len(part), zlib.crc32(part)) for name, part in parts.items()]
    yield Bad("picture.docx", raw_zip([*rest, image]), f"{given_up}|document")
    many = (Entry(f"word/{n}.xml", b"\3\0", 0) for n in range(60_000))
    yield Bad("entries.docx", raw_zip([*rest, *many]), f"{given_up}|document")
    paragraph = "<w:p>" * 100_000 + "</w:p>" * 100_000
    yield Bad("deep.docx", docx(body(paragraphs(prose(rng)) + paragraph)), _ODD)
    tables = "<w:tbl><w:tr><w:tc>" * 5_000 + paragraphs("v") + "</w:tc></w:tr></w:tbl>" * 5_000
    yield Bad("tables.docx", docx(body(paragraphs(prose(rng)) + tables)), _ODD)
    yield Bad("runs.docx", docx(body(f"<w:p>{'<w:r><w:t>v</w:t></w:r>' * 200_000}</w:p>")), _ODD)
    yield Bad("paragraphs.docx", docx(body(paragraphs(*["v"] * 100_000))), _ODD)
    attributes = " ".join(f'a{n}="v"' for n in range(100_000))
    yield Bad("attributes.docx", docx(body(f"<w:p {attributes}/>{paragraphs(prose(rng))}")), _ODD)


def docx_properties(rng: Random) -> Iterator[Bad]:
    main = body(paragraphs(prose(rng)))
    for name, core in {
        "unended": "<dc:title " * 150_000,
        "unclosed": "<dc:title>v" * 100_000,
        "giant": f"<dc:title>{'v' * 5_000_000}</dc:title>",
        "script": "<dc:title>v</dc:title><dc:language>../../x</dc:language>",
    }.items():
        properties = docx(main, docProps__core_xml=core.encode())
        yield Bad(f"{name}.docx", properties, "document|BROKEN|BOMB|TOO_LARGE", says="")


def locked_docx() -> bytes:
    """What Word writes with a password: a compound file with the stream EncryptedPackage ([MS-OFFCRYPTO], 2.3)."""
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6xIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    header += struct.pack("<I", 0) + b"\xff" * 432
    table = struct.pack("<II", 0xFFFFFFFD, 0xFFFFFFFE) + struct.pack("<8I", *range(3, 10), 0xFFFFFFFE)
    names = [("Root Entry", 5, 0xFFFFFFFE, 0), ("EncryptedPackage", 2, 2, 4096)]
    directory = b"".join(_directory_entry(*name) for name in names) + bytes(256)
    return header + table.ljust(512, b"\xff") + directory + bytes(8 * 512)


def _directory_entry(name: str, kind: int, start: int, size: int) -> bytes:
    encoded = name.encode("utf-16-le")
    child = 1 if kind == 5 else 0xFFFFFFFF
    links = struct.pack("<HBBIII", len(encoded) + 2, kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
    return encoded.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", start, size)


def broken_docx(rng: Random) -> Iterator[Bad]:
    main = body(paragraphs(prose(rng), prose(rng)))
    good = docx(main)
    yield Bad("fine.docx", good, "document", says=CANARY)
    yield Bad("locked.docx", locked_docx(), "ENCRYPTED|UNKNOWN_FORMAT|BROKEN")
    flagged = _claiming(deflated(main), len(main), flags=1, crc=zlib.crc32(main))
    yield Bad("locked-by-zip.docx", flagged, "ENCRYPTED|BROKEN")
    broken = "BROKEN|UNKNOWN_FORMAT|NO_TEXT|BAD_ENCODING"
    for part in (4, 30, 100, len(good) // 2, len(good) - 30, len(good) - 1):
        yield Bad(f"first-{part}.docx", good[:part], broken)
    for name, content in {
        "no-main-part": docx(None),
        "empty-main-part": docx(b""),
        "main-part-is-text": docx(prose(rng).encode()),
        "main-part-is-html": docx(b"<html><p>" + prose(rng).encode()),
        "main-part-cut": docx(main[: len(main) // 2]),
        "main-part-with-nul": docx(main.replace(b"valve", b"val\0ve") + b"\0"),
        "empty-archive": zipped({}),
        "another-archive": zipped({"a.txt": prose(rng).encode()}),
        "spreadsheet": zipped({**_PARTS, "xl/workbook.xml": b"<workbook/>"}),
        "text": prose(rng).encode(),
        "old-word": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(3_000),
        "wrong-sum": _claiming(deflated(main), len(main), crc=1),
    }.items():
        outcomes = f"{broken}|document" if name == "text" else f"{broken}|MISSING_COLUMN|ENCRYPTED"
        yield Bad(f"{name}.docx", content, outcomes)
    yield Bad("no-words.docx", docx(body(paragraphs("", " "))), "NO_TEXT")
    yield Bad("no-paragraphs.docx", docx(body("")), "NO_TEXT")
    yield from _odd_docx(rng, main, good)


def _odd_docx(rng: Random, main: bytes, good: bytes) -> Iterator[Bad]:
    odd = "document|BROKEN|UNKNOWN_FORMAT"
    wide = '<?xml version="1.0" encoding="UTF-16"?>' + main.decode().split("?>", 1)[1]
    lying = main.replace(b'"1.0"', b'"1.0" encoding="UTF-16"')
    macros = docx(main, word__vbaProject=rng.randbytes(1_000))
    slip = zipped({**_PARTS, "word/document.xml": main, "../../escape.txt": b"v", "/tmp/escape.txt": b"v"})
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive:
        for name, part in {**_PARTS, "word/document.xml": main}.items():
            archive.writestr(zipfile.ZipInfo(name), part)
            archive.writestr(zipfile.ZipInfo(name.upper()), part)
    for name, content in {
        "utf-16": docx(wide.encode("utf-16")),
        "says-utf-16": docx(lying),
        "macros": macros,
        "zip-slip": slip,
        "both-cases": twice.getvalue(),
        "noise-in-front": rng.randbytes(300) + good,
        "noise-behind": good + rng.randbytes(300),
        "itself-within": docx(main, word__embeddings__a=good),
    }.items():
        yield Bad(f"{name}.docx", content, odd, says=CANARY)


CLASSES: dict[str, Maker] = {
    "DOCX entities": docx_entities,
    "DOCX bombs": docx_bombs,
    "DOCX properties": docx_properties,
    "broken DOCX": broken_docx,
}

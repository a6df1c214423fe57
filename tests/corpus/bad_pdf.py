"""Bad inputs that are, or seem to be, PDF."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Iterator
from random import Random

from tests.corpus.bad_file import CANARY, GIVEN_UP, MIB, NOT_TEXT, Bad, Maker, prose

_ODD = f"{GIVEN_UP}|PARSER_DIED|ENCRYPTED"
_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")


def stream(content: bytes, entries: str = "") -> bytes:
    """The body of a stream object."""
    return f"<< /Length {len(content)} {entries} >>\nstream\n".encode() + content + b"\nendstream"


def show(text: str) -> bytes:
    """The content of a page that shows a line of text."""
    return f"BT /F1 12 Tf 20 700 Td ({text}) Tj ET".encode()


def pdf(objects: Iterable[bytes], trailer: str = "") -> bytes:
    """A PDF of these objects, numbered from 1, the first of them its catalog (ISO 32000-1, section 7.5)."""
    body, offsets = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n".encode() + content + b"\nendobj\n"
    rows = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(offsets) + 1
    table = f"xref\n0 {size}\n0000000000 65535 f \n{rows}trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\n"
    return body + table.encode() + f"startxref\n{len(body)}\n%%EOF\n".encode()


def one_page(content: bytes, resources: str = "", *more: bytes, catalog: str = "", trailer: str = "") -> bytes:
    """A PDF of one page; `content` is object 5 whole, `more` are the objects from 6 on."""
    return pdf(
        [
            f"<< /Type /Catalog /Pages 2 0 R {catalog} >>".encode(),
            b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 5 0 R "
            + f"/Resources << /Font << /F1 4 0 R >> {resources} >> >>".encode(),
            b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            content,
            *more,
        ],
        trailer,
    )


def _rc4(key: bytes, data: bytes) -> bytes:
    state, j, out, i = list(range(256)), 0, bytearray(), 0
    for n in range(256):
        j = (j + state[n] + key[n % len(key)]) % 256
        state[n], state[j] = state[j], state[n]
    j = 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def locked_pdf(text: str, password: bytes) -> bytes:
    """A PDF under RC4 with 40 bits, the standard handler's revision 2 (ISO 32000-1, section 7.6)."""
    user = (password + _PADDING)[:32]
    owner = _rc4(hashlib.md5(_PADDING).digest()[:5], user)
    identity = bytes(16)
    key = hashlib.md5(user + owner + struct.pack("<i", -4) + identity).digest()[:5]
    content = _rc4(hashlib.md5(key + b"\5\0\0" + b"\0\0").digest()[:10], show(text))
    check = _rc4(key, _PADDING)
    entries = f"/O <{owner.hex()}> /U <{check.hex()}> /P -4"
    handler = f"<< /Filter /Standard /V 1 /R 2 {entries} >>".encode()
    return one_page(stream(content), "", handler, trailer=f"/Encrypt 6 0 R /ID [<{identity.hex()}> <{identity.hex()}>]")


def pdf_as_text(rng: Random) -> Iterator[Bad]:
    body = one_page(stream(show(prose(rng, 10))))
    for suffix in ("txt", "md", "html", "jsonl", "json", "parquet", "docx", "bin", "txt.gz"):
        yield Bad(f"manual.{suffix}", body, f"{NOT_TEXT}|document|BAD_RECORD", None, says=CANARY)


def broken_pdf(rng: Random) -> Iterator[Bad]:
    """Readers mend a good deal; what they cannot mend is BROKEN, what is locked ENCRYPTED."""
    text = prose(rng, 10)
    good = one_page(stream(show(text)))
    yield Bad("fine.pdf", good, "document", says=CANARY)
    yield Bad("locked.pdf", locked_pdf(text, b"password"), "ENCRYPTED")
    yield Bad("locked-by-nothing.pdf", locked_pdf(text, b""), "document|ENCRYPTED", says=CANARY)
    unknown = one_page(stream(show(text)), trailer="/Encrypt << /Filter /Valve /V 9 >>")
    yield Bad("locked-in-an-unknown-way.pdf", unknown, "ENCRYPTED|BROKEN")
    for part in (5, 9, 100, 300, 500, len(good) - 50, len(good) - 10):
        yield Bad(f"first-{part}.pdf", good[:part], "BROKEN|NO_TEXT|document|UNKNOWN_FORMAT")
    for name, body in {
        "no-cross-reference": good[: good.index(b"xref\n")],
        "wrong-start": good.replace(b"startxref\n", b"startxref\n9"),
        "start-at-itself": good[: good.index(b"startxref")] + b"startxref\n0\n%%EOF",
        "noise-in-front": rng.randbytes(500) + good,
        "far-behind-noise": bytes(5_000) + good,
        "noise-within": good[:60] + rng.randbytes(60) + good[120:],
        "noise-behind": good + rng.randbytes(5_000),
        "twice": good + good,
        "line-ends": good.replace(b"\n", b"\r"),
        "previous-is-itself": good.replace(b"/Root 1", b"/Prev 9 /Root 1"),
        "huge-numbers": good.replace(b"/Count 1", b"/Count 99999999999999999999"),
        "negative-length": good.replace(b"/Length ", b"/Length -"),
        "no-root": good.replace(b"/Root 1 0 R", b"/Root 9 0 R"),
        "root-is-a-page": good.replace(b"/Root 1 0 R", b"/Root 3 0 R"),
        "html": b"<html><body>" + text.encode(),
        "text": text.encode(),
    }.items():
        yield Bad(f"{name}.pdf", body, f"{_ODD}|UNKNOWN_FORMAT", None)


def odd_pdf(rng: Random) -> Iterator[Bad]:
    text = show(prose(rng, 10))
    page = stream(text)
    pages = b"<< /Type /Pages /Kids [2 0 R] /Count 1 >>"
    yield Bad("no-pages.pdf", pdf([b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Count 0 >>"]), _ODD)
    yield Bad("pages-in-a-ring.pdf", pdf([b"<< /Type /Catalog /Pages 2 0 R >>", pages]), _ODD)
    picture = stream(bytes(100), "/Subtype /Image /Width 10 /Height 10 /BitsPerComponent 8 /ColorSpace /DeviceGray")
    scan = one_page(stream(b"q 600 0 0 800 0 0 cm /I Do Q"), "/XObject << /I 6 0 R >>", picture)
    yield Bad("scan.pdf", scan, "NO_TEXT")
    yield Bad("empty-page.pdf", one_page(stream(b"")), "NO_TEXT")
    for name, catalog in {
        "script": "/OpenAction << /S /JavaScript /JS (app.alert) >>",
        "launch": "/OpenAction << /S /Launch /F (touch escape) >>",
        "address": "/OpenAction << /S /URI /URI (http://127.0.0.1:9/) >>",
        "form": "/AcroForm << /Fields [] /XFA (x) >>",
        "version": "/Version /9.9",
    }.items():
        yield Bad(f"{name}.pdf", one_page(page, catalog=catalog), "document", says=CANARY)
    outside = one_page(b"<< /Length 0 /F (/etc/passwd) >>\nstream\n\nendstream")
    yield Bad("content-in-another-file.pdf", outside, _ODD)
    for name, content in {
        "arrays": b"[" * 100_000,
        "dictionaries": b"<< /A " * 50_000,
        "saved-states": b"q " * 500_000 + text,
        "long-string": b"BT /F1 1 Tf (" + b"v" * 5_000_000 + b") Tj ET",
        "unclosed-string": b"BT /F1 1 Tf (" * 10_000,
        "many-strings": b"BT /F1 1 Tf " + b"(v) Tj " * 200_000 + b"ET",
        "huge-font": b"BT /F1 1e30 Tf (v) Tj ET",
        "no-such-font": b"BT /F9 1 Tf (v) Tj ET",
        "noise": rng.randbytes(20_000),
    }.items():
        yield Bad(f"{name}.pdf", one_page(stream(content)), _ODD)


def _many_pages(count: int, content: bytes) -> bytes:
    kids = " ".join(f"{n} 0 R" for n in range(5, count + 5))
    one = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents 4 0 R /Resources << /Font << /F1 3 0 R >> >> >>"
    catalog, font = b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
    head = [catalog, f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode(), font, content]
    return pdf([*head, *[one] * count])


def _form(content: bytes, resources: str) -> bytes:
    return stream(content, f"/Type /XObject /Subtype /Form /BBox [0 0 9 9] /Resources << {resources} >>")


def pdf_bombs(rng: Random) -> Iterator[Bad]:
    """Streams that inflate, streams shown again and again, forms that draw forms."""
    text = show(prose(rng, 10)) + b" "
    packer = zlib.compressobj(9)
    block = packer.compress(b" " * 16 * MIB) + packer.flush(zlib.Z_FULL_FLUSH)
    gigabyte = b"\x78\xda" + block[2:] * 64 + b"\x03\0"
    yield Bad("inflates-to-a-gigabyte.pdf", one_page(stream(gigabyte, "/Filter /FlateDecode")), _ODD)
    twice = zlib.compress(zlib.compress(b" " * 256 * MIB, 9), 9)
    yield Bad("inflates-twice.pdf", one_page(stream(twice, "/Filter [/FlateDecode /FlateDecode]")), _ODD)
    filters = " ".join(["/ASCIIHexDecode"] * 5_000)
    yield Bad("thousands-of-filters.pdf", one_page(stream(text, f"/Filter [{filters}]")), _ODD)
    large = stream(zlib.compress(text * 20_000, 9), "/Filter /FlateDecode")
    yield Bad("a-thousand-pages-of-a-megabyte.pdf", _many_pages(1_000, large), _ODD)
    yield Bad("twenty-thousand-pages.pdf", _many_pages(20_000, stream(text)), _ODD)
    forms = [_form(b"/X Do " * 10, f"/XObject << /X {n} 0 R >>") for n in range(7, 15)]
    forms.append(_form(text, "/Font << /F1 4 0 R >>"))
    yield Bad("a-billion-forms.pdf", one_page(stream(b"/X Do"), "/XObject << /X 6 0 R >>", *forms), _ODD)
    itself = _form(b"/X Do", "/XObject << /X 6 0 R >>")
    yield Bad("a-form-of-itself.pdf", one_page(stream(b"/X Do"), "/XObject << /X 6 0 R >>", itself), _ODD)


CLASSES: dict[str, Maker] = {
    "PDF as text": pdf_as_text,
    "broken PDF": broken_pdf,
    "odd PDF": odd_pdf,
    "PDF bombs": pdf_bombs,
}

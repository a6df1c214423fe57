"""DOCX: headings, lists and tables through HTML, and archives that are none or too much."""

import io
import random
import zipfile

import pytest

from components.corpus.limits import MAX_ELEMENTS
from tests.corpus.bad_docx import body, docx, paragraphs
from tests.corpus.reading import document, refusals, sections

STYLES = (
    body("")
    .replace(b"w:document", b"w:styles")
    .replace(b"<w:body></w:body>", b"")
    .replace(
        b"</w:styles>",
        b'<w:style w:type="paragraph" w:styleId="a1"><w:name w:val="Title"/></w:style>'
        b'<w:style w:type="paragraph" w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style>'
        b'<w:style w:type="paragraph" w:styleId="b2"><w:name w:val="heading 2"/></w:style></w:styles>',
    )
)
CORE = b'<cp:p xmlns:cp="c" xmlns:dc="d"><dc:title>Core &amp; title</dc:title><dc:language>de-DE</dc:language></cp:p>'
CELL = "<w:tc>{}</w:tc>"
ENCRYPTED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1_000) + "EncryptedPackage".encode("utf-16-le") + bytes(1_000)


def styled(style: str, text: str) -> str:
    return f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>'


def test_headings_by_their_style_in_any_language():
    main = (
        styled("berschrift1", "Valves") + paragraphs("Turn", "left.") + styled("b2", "Inlet") + paragraphs("Dust it.")
    )
    found = document("a.docx", docx(body(main), word__styles_xml=STYLES, docProps__core_xml=CORE))
    assert (found.title, found.language) == ("Valves", "de-DE")
    assert found.media_type.endswith("wordprocessingml.document")
    assert [(s.path, s.text) for s in found.sections] == [
        (("Valves",), "Turn\nleft."),
        (("Valves", "Inlet"), "Dust it."),
    ]


def test_the_title_is_the_one_in_the_text_else_in_the_properties_else_the_name():
    titled = docx(body(styled("a1", "Guide") + paragraphs("x")), word__styles_xml=STYLES, docProps__core_xml=CORE)
    assert document("a.docx", titled).title == "Guide"
    assert document("a.docx", docx(body(paragraphs("x")), docProps__core_xml=CORE)).title == "Core & title"
    assert document("boiler.docx", docx(body(paragraphs("x")))).title == "boiler"


def test_tables_insertions_and_deletions_are_read_as_they_are_shown():
    row = f"<w:tr>{CELL.format(paragraphs('a'))}{CELL.format(paragraphs('b'))}</w:tr>"
    inserted = "<w:p><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del></w:p>"
    assert sections("a.docx", docx(body(f"<w:tbl>{row}</w:tbl>{inserted}"))) == [((), "a\nb\nnew")]


def test_the_content_says_that_it_is_one():
    assert sections("letter.bin", docx(body(paragraphs("x")))) == [((), "x")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (docx(None, xl__workbook_xml=b"<a/>"), "UNKNOWN_FORMAT"),
        (docx(body(paragraphs("x")))[:-30], "BROKEN"),
        (docx(b"<w:document>"), "BROKEN"),
        (docx(body(paragraphs("x"), head='<!DOCTYPE a [<!ENTITY b "c">]>')), "BROKEN"),
        (ENCRYPTED, "ENCRYPTED"),
        (docx(body("<w:p/>" * (MAX_ELEMENTS + 1) + random.Random(1).randbytes(200_000).hex())), "TOO_LARGE"),
        (docx(body(" " * (70 << 20))), "BOMB"),
    ],
)
def test_what_is_no_document_is_refused(content, reason):
    assert refusals("a.docx", content) == [("", reason)]


def test_a_picture_of_any_size_is_never_unpacked():
    archive = io.BytesIO(docx(body(paragraphs("x"))))
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as made:
        made.writestr("word/media/image1.png", bytes(100 << 20))
    assert sections("a.docx", archive.getvalue()) == [((), "x")]

"""PDF: pages under the outline's headings, lines joined to paragraphs, running heads left out."""

import zlib

import pytest

from tests.corpus.bad_pdf import locked_pdf, stream
from tests.corpus.bad_pdf import pdf as objects
from tests.corpus.reading import document, read, refusals, sections, sources


def pdf(*pages: list[str], outline: tuple[tuple[str, int], ...] = (), title: str = "", catalog: str = "") -> bytes:
    """A PDF of pages of lines; the outline's entries name pages from 0."""
    first = 4 + 2 * len(pages)
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(pages)))
    outlines = f"/Outlines {first} 0 R" if outline else ""
    made = [
        f"<< /Type /Catalog /Pages 2 0 R {outlines} {catalog} >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    parts = [part.encode() for part in made]
    for number, lines in enumerate(pages):
        font = "/Resources << /Font << /F1 3 0 R >> >>"
        parts.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] {font} /Contents {5 + 2 * number} 0 R >>".encode()
        )
        shown = "".join(f"({line}) Tj T* " for line in lines).encode("cp1252")
        parts.append(stream(zlib.compress(b"BT /F1 9 Tf 20 780 Td 12 TL " + shown + b"ET"), "/Filter /FlateDecode"))
    if outline:
        last = first + len(outline)
        parts.append(f"<< /Type /Outlines /First {first + 1} 0 R /Last {last} 0 R /Count {len(outline)} >>".encode())
    for number, (heading, page) in enumerate(outline, start=first + 1):
        follows = f"/Next {number + 1} 0 R" if number < first + len(outline) else ""
        parts.append(f"<< /Title ({heading}) /Parent {first} 0 R {follows} /Dest [{4 + 2 * page} 0 R /Fit] >>".encode())
    parts.append(f"<< /Title ({title}) >>".encode())
    return objects(parts, f"/Info {len(parts)} 0 R")


LONG = "The operator closes the valve before the pressure in the boiler rises above ten bar and then"


def test_pages_are_sections_under_the_outlines_entries():
    body = pdf(
        ["Preface", "Read me first."],
        ["1.1 Valves", "Turn left.", "Care", "Dust it."],
        ["Dust it again."],
        outline=(("Preface", 0), ("Valves", 1), ("Care", 1)),
        title="Boiler guide",
        catalog="/Lang (en-GB)",
    )
    found = document("a.pdf", body)
    assert (found.title, found.language, found.media_type) == ("Boiler guide", "en-GB", "application/pdf")
    assert [(s.path, s.text, s.source) for s in found.sections] == [
        (("Preface",), "Read me first.", "page 1"),
        (("Valves",), "Turn left.", "page 2"),
        (("Care",), "Dust it.", "page 2"),
        (("Care",), "Dust it again.", "page 3"),
    ]


def test_without_an_outline_pages_have_no_headings():
    assert sections("a.pdf", pdf(["One."], [], ["Two."])) == [((), "One."), ((), "Two.")]
    assert sources("a.pdf", pdf(["One."], [], ["Two."])) == ["page 1", "page 3"]


def test_a_heading_that_is_not_on_its_page_begins_with_it():
    body = pdf(["One."], ["Two."], outline=(("Somewhere", 0), ("Else", 1)))
    assert sections("a.pdf", body) == [(("Somewhere",), "One."), (("Else",), "Two.")]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([LONG, "waits until it falls."], f"{LONG} waits until it falls."),
        ([LONG, "Waits until it falls."], f"{LONG} Waits until it falls."),
        ([f"{LONG}.", "Waits."], f"{LONG}.\nWaits."),
        ([f"{LONG[:-4]}ex-", "tinguishes it."], f"{LONG[:-4]}extinguishes it."),
        ([LONG, "• first", "• second"], f"{LONG}\n• first\n• second"),
        (["well-", "Known"], "well-Known"),
        (["Short", "Lines"], "Short\nLines"),
    ],
)
def test_lines_are_joined_where_a_sentence_runs_on(lines, text):
    assert sections("a.pdf", pdf(lines))[0][1] == text


def test_running_heads_and_page_numbers_are_left_out():
    pages = [
        ["Boiler guide, chapter 1", f"Text {name} of it.", f"Page {n} of 4"] for n, name in enumerate("abcd", start=1)
    ]
    assert [text for _, text in sections("a.pdf", pdf(*pages))] == [f"Text {name} of it." for name in "abcd"]


@pytest.mark.parametrize("title", ["", "Microsoft Word - guide.doc", "untitled", "guide_final.indd"])
def test_a_title_that_a_program_made_up_is_none(title):
    assert document("boiler.pdf", pdf(["One."], title=title)).title == "boiler"


def test_a_scan_has_no_sections():
    assert document("a.pdf", pdf([])).sections == ()


@pytest.mark.parametrize("body", [b"%PDF-1.7\n", b"%PDF-1.7 " + b"x" * 5_000, pdf(["One."])[:200]])
def test_what_cannot_be_opened_is_broken(body):
    assert refusals("a.pdf", body) == [("", "BROKEN")]


def test_a_password_is_asked_for():
    assert refusals("a.pdf", locked_pdf("One.", b"secret")) == [("", "ENCRYPTED")]
    assert sections("a.pdf", locked_pdf("One.", b"")) == [((), "One.")]


def test_a_page_that_cannot_be_read_is_told_apart():
    body = pdf(["One."], ["Two."], ["Three."]).replace(b"[4 0 R 6 0 R 8 0 R]", b"[4 0 R 1 0 R 8 0 R]")
    first, second = read("a.pdf", body)
    assert [section.source for section in first.sections] == ["page 1", "page 3"]
    assert (second.record, second.reason) == ("page 2", "BROKEN")


def test_content_that_bursts_is_refused():
    assert refusals("a.pdf", pdf(["x"] * 3_000_000)) == [("", "BOMB")]

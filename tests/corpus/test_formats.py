"""Which format an object is read in, and how objects that are none end."""

import gzip
import io
import random

import pyarrow as pa
import pytest

from components.corpus.config import Fields
from components.corpus.document import Document, Parsed, Rejected
from components.corpus.formats import parse
from components.corpus.limits import MAX_DOCUMENT
from tests.corpus.reading import document, read, refusals, sections

HTML = "text/html"
TEXT = "text/plain"
MARKDOWN = "text/markdown"
JSONL = "application/jsonl"
JSON = "application/json"


@pytest.mark.parametrize(
    ("name", "body", "media_type"),
    [
        ("page.HTM", "<p>x", HTML),
        ("page", "\n <!-- made by hand --> <!DOCTYPE HTML><p>x", HTML),
        ("page", '<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"><p>x</p></html>', HTML),
        ("page.txt", "\ufeff<html><p>x", HTML),
        ("page.json", "<!doctype html><p>x", HTML),
        ("page.md", "<html><p>x".encode("utf-16"), HTML),
        ("fragment", "<div>x</div>", HTML),
        ("guide.md", '<h1 align="center">x</h1>', MARKDOWN),
        ("dir.html/guide.MARKDOWN", "x", MARKDOWN),
        ("note.txt", "<div> is a tag", TEXT),
        ("note.txt", '{"text": "x"}', TEXT),
        ("table.csv", "text,title\nx,y", TEXT),
        ("nameless", "x", TEXT),
        ("a.b.jsonl", '{"text": "x"}', JSONL),
        ("nameless", '{"text": "x"}\n{"text": "y', JSONL),
        ("lines.json", '{"text": "x"}\n{"text": "y"}', JSONL),
        ("one.json", '{\n"text": "x"}', JSON),
        ("guide.md.gz", gzip.compress(b"x"), MARKDOWN),
        ("guide.md.ZST", pa.compress(b"x", codec="zstd", asbytes=True), MARKDOWN),
    ],
)
def test_the_content_says_what_an_object_is_and_its_name_only_which_kind_of_text(name, body, media_type):
    assert read(name, body)[0].media_type == media_type


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("empty.html", b"", "EMPTY"),
        ("empty.txt.gz", gzip.compress(b""), "EMPTY"),
        ("blank.jsonl", b"\n \n", "EMPTY"),
        ("program.txt", b"\x7fELF\x02\x01\x01" + bytes(100), "UNKNOWN_FORMAT"),
        ("picture.md", b"\x89PNG\r\n\x1a\n" + bytes(100), "UNKNOWN_FORMAT"),
        ("sound.txt", b"RIFF\x24\x08\0\0WAVEfmt " + "a quiet sound".encode("utf-16-le") * 99, "UNKNOWN_FORMAT"),
        ("noise.jsonl", random.Random(1).randbytes(4096), "UNKNOWN_FORMAT"),
        ("late.txt", b"text " * 20_000 + random.Random(1).randbytes(50_000), "UNKNOWN_FORMAT"),
        ("feed.xml", b"<?xml version='1.0'?><rss></rss>", "UNKNOWN_FORMAT"),
        ("letter.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "UNKNOWN_FORMAT"),
        ("large.txt", b"x" * (MAX_DOCUMENT + 1), "TOO_LARGE"),
        (
            "large.md.gz",
            gzip.compress(b"x" * 16 + random.Random(1).randbytes(1000).hex().encode() * 17_000),
            "TOO_LARGE",
        ),
        ("tags.html", b"<html>" + b"<p>" * 600_000, "TOO_LARGE"),
    ],
)
def test_an_object_that_is_no_document_is_refused_as_a_whole(name, body, reason):
    (found,) = read(name, body)
    assert found == Rejected(f"s3://b/docs/{name}", "", reason, found.detail)


@pytest.mark.parametrize(
    "body", ["<html><nav>Home</nav><script>x</script>", "<html><h1>Only a heading</h1>", " \n\t\n"]
)
def test_a_document_without_text_has_no_sections(body):
    assert document("page.html", body).sections == ()


def test_a_title_that_nothing_says_is_the_name_without_its_suffixes():
    assert document("boiler.guide.md.gz", gzip.compress(b"x")).title == "boiler.guide"


def test_text_is_one_section_without_a_heading_that_knows_its_lines():
    found = document("note.TXT", "\ufeff\r\n\r\nOne  line.\r\n\t# no heading\r\n")
    assert sections("note.TXT", "\n\nOne  line.\r\r# no heading\n") == [((), "One line.\n# no heading")]
    assert [section.source for section in found.sections] == ["lines 3-4"]


class FullDisk(io.BytesIO):
    """A body whose machine fails."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(28, "No space left on device")


def test_a_failing_machine_is_no_bad_document():
    with pytest.raises(OSError, match="No space"):
        list(parse(FullDisk(b"x"), 1, "s3://b/x.txt", Fields()))


PAGE = b"<html lang=en><title>T</title><main><h1>A</h1><p>One.<table><tr><td>x</table><h2 id=b>B</h2><pre>c\nd</pre>"
GUIDE = b"---\ntitle: T\n---\n# A\n\nOne <b>two</b>.\n\n- x\n\n## B\n\n|a|b|\n|-|-|\n|c|d|\n"
LINES = b'{"id": 1, "title": "T", "text": "One \\ud83d\\ude00 two."}\n' * 9


@pytest.mark.parametrize(("name", "whole"), [("a.html", PAGE), ("a.md", GUIDE), ("a.jsonl", LINES), ("a.txt", GUIDE)])
def test_nothing_crashes_on_broken_bytes(name, whole):
    rng = random.Random(7)
    for _ in range(100):
        body = bytearray(whole)
        for _ in range(10):
            body[rng.randrange(len(body))] = rng.randrange(256)
        for found in read(name, bytes(body[: rng.randrange(len(body))])):
            if isinstance(found, Parsed):
                made = Document.of(found, uri="s3://b/x", version="1")
                assert Document.from_row(made.row()) == made
                made.text.encode()


def test_no_detail_quotes_the_content():
    secret = "hunter2"
    bodies = [f'{{"text": {secret}}}', f'{{"id": ["{secret}"], "text": "x"}}', f"{secret}\0\0\0\0", f"[{secret}]"]
    found = [one for n, body in enumerate(bodies) for one in read(f"{n}.jsonl", body) + read(f"{n}.json", body)]
    assert len(found) >= len(bodies)
    assert all(isinstance(one, Rejected) and secret not in one.detail for one in found)


def test_refusals_carry_the_objects_uri():
    assert refusals("a.jsonl", "{half") == [("1", "BAD_RECORD")]
    assert read("a.jsonl", "{half")[0].uri == "s3://b/docs/a.jsonl"

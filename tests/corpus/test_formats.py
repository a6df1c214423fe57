"""Every format, from bytes to titles, sections and reasons to refuse."""

import random

import pytest

from components.corpus.document import Document, Parsed, Rejected
from components.corpus.formats import parse_html, parse_jsonl, parse_markdown, parse_text, parser_for
from components.corpus.load import parse
from components.corpus.snapshot import Item

PAGE = """<!DOCTYPE html><html lang="en"><head><title>Boiler | Acme</title><script>track()</script></head><body>
<header><h1>Acme</h1></header><nav><ul><li>Home<form><svg><text>logo</text></svg></form></ul></nav>
<main><header><h1>Boiler <em>guide</em></h1></header>Read me first.
<section><h2>Valves</h2><h3>Inlet</h3><p>Turn <b>left</b>.</p><script>more()</script>
<div><h3>Outlet</h3><p>Turn right.</p></div></section>
<h2>Care</h2><p>Dust it.</p><aside>Buy one!</aside></main><footer>(c) Acme</footer></body></html>"""

GUIDE = """# Boiler guide

Read [me](x) first, it is un**believ**ably short.
Really.

## Valves
### Inlet
- Turn `left`.

```
turn --left
```

### Outlet
| turn | way |
|---|---|
| now | right |

Care
----
Dust it.
"""


def documents(name: str, body: str | bytes) -> list[Document | Rejected]:
    body = body.encode() if isinstance(body, str) else body
    return list(parse(Item("documents", f"s3://b/docs/{name}", "v1", len(body)), body))


def sections(name: str, body: str) -> list[tuple[tuple[str, ...], str]]:
    (found,) = documents(name, body)
    return [(section.path, section.text) for section in found.sections]


def test_html_keeps_headings_and_drops_furniture():
    (found,) = documents("page.html", PAGE)
    assert (found.title, found.language, found.media_type) == ("Boiler guide", "en", "text/html")
    assert [(s.path, s.text) for s in found.sections] == [
        (("Boiler guide",), "Read me first."),
        (("Boiler guide", "Valves", "Inlet"), "Turn left."),
        (("Boiler guide", "Valves", "Outlet"), "Turn right."),
        (("Boiler guide", "Care"), "Dust it."),
    ]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("<p>Before.</p><h2>A</h2><p>In a.</p>", [((), "Before."), (("A",), "In a.")]),
        (
            "<h2>A</h2>a<h1>B</h1>b<h4>C</h4>c<h3>D</h3>d",
            [(("A",), "a"), (("B",), "b"), (("B", "C"), "c"), (("B", "D"), "d")],
        ),
        ("<h1>A</h1><h1>B</h1>b", [(("B",), "b")]),
        ("<h1></h1><h2>A</h2>a", [(("A",), "a")]),
        ("<h1>A<div>a<h2>B</h2></div></h1>b", [(("AaB",), "b")]),
        ("<div><p>One</p>two</div><i>three</i>", [((), "One\ntwo\nthree")]),
        ("<table><tr><td>a</td><td>b</td></tr><tr><th>c</th></tr></table>", [((), "a\nb\nc")]),
        ("<p>a  &amp;\n b<br>c<!-- not me --></p>", [((), "a & b\nc")]),
        ("<pre>a\n  <b>b\nc</b></pre>d\ne", [((), "a\nb\nc\nd e")]),
        ("<article>one</article><article>two</article>", [((), "one\ntwo")]),
        ("<header>Acme</header><article>one</article><aside>x</aside>", [((), "one")]),
        ("<article>teaser</article><div role=main>one</div>", [((), "one")]),
        ("<body><p>never closed <b>bold", [((), "never closed bold")]),
    ],
)
def test_html_in_every_shape(body, found):
    assert sections("page.html", f"<html>{body}") == found


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ("<h1> A\n b </h1>x", "A b"),
        ("<title> Head\n er </title><p>x</p><h1>A</h1>y", "Head er"),
        ("<p>x</p>", "page"),
        ("<title></title><p>x</p>", "page"),
    ],
)
def test_the_title_is_the_first_heading_else_the_head_else_the_name(body, title):
    (found,) = documents("page.html", f"<html>{body}")
    assert found.title == title


def test_markdown_keeps_headings_and_reads_through_markup():
    assert sections("guide.md", GUIDE) == [
        (("Boiler guide",), "Read me first, it is unbelievably short. Really."),
        (("Boiler guide", "Valves", "Inlet"), "Turn left.\nturn --left"),
        (("Boiler guide", "Valves", "Outlet"), "turn\nway\nnow\nright"),
        (("Boiler guide", "Care"), "Dust it."),
    ]
    assert documents("guide.md", GUIDE)[0].title == "Boiler guide"
    assert documents("guide.markdown", "Only text.")[0].title == "guide"


def test_text_is_one_section_without_a_heading():
    assert sections("note.TXT", "\ufeffOne  line.\r\n\r\n# no heading\n") == [((), "One line.\n# no heading")]


def test_jsonl_is_a_document_a_line_and_a_bad_line_is_rejected_alone():
    lines = [
        '{"id": "a", "title": " The  title ", "text": "One."}',
        "{half",
        "",
        '{"_id": 0, "text": "Two."}',
        '{"text": "Three, with \u2028 and \u0085 in it.", "id": null}',
        '{"title": "no text"}',
        '{"text": null}',
        '["text"]',
        "[" * 100_000,
        '{"id": "a", "text": "Another."}',
        '{"id": "half a pair", "title": "\\ud83d", "text": "\\ud83d \\ud83d\\ude00"}\r',
    ]
    found = documents("many.jsonl", "\n".join(lines))
    kept = [(d.uri.partition("#")[2], d.title, d.text) for d in found if isinstance(d, Document)]
    assert kept == [
        ("a", "The title", "One."),
        ("0", "0", "Two."),
        ("5", "5", "Three, with and in it."),
        ("half a pair", "\ufffd", "\ufffd \U0001f600"),
    ]
    assert found[0].sections[0].path == ("The title",)
    assert [(r.record, r.reason) for r in found if isinstance(r, Rejected)] == [
        *((str(n), "BAD_RECORD") for n in (2, 6, 7, 8, 9)),
        ("10", "DUPLICATE_KEY"),
    ]
    assert len({d.id for d in found if isinstance(d, Document)}) == len(kept)


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("data.pdf", b"%PDF-1.7", "UNKNOWN_FORMAT"),
        ("nameless", b"", "UNKNOWN_FORMAT"),
        ("empty.html", b"", "NO_TEXT"),
        ("empty.md", b"", "NO_TEXT"),
        ("blank.txt", b" \n\t\n", "NO_TEXT"),
        ("page.html", b"<html><nav>Home</nav><script>x</script><h1>Only a heading</h1></html>", "NO_TEXT"),
        ("frames.html", b"<html><frameset><frame src=x></frameset></html>", "NO_TEXT"),
        ("one.jsonl", b'{"text": " "}', "NO_TEXT"),
    ],
)
def test_what_is_no_document_is_rejected_with_a_reason(name, body, reason):
    (found,) = documents(name, body)
    assert (found.reason, found.uri) == (reason, f"s3://b/docs/{name}")


@pytest.mark.parametrize(
    ("name", "body", "media_type"),
    [
        ("a/page", b"\n <!DOCTYPE HTML><p>x", "text/html"),
        ("page.txt", b"<html><p>x", "text/html"),
        ("page.HTM", b"<p>x", "text/html"),
        ("a.b.jsonl", b"", "application/jsonl"),
        ("dir.md/nameless", b"# x", None),
    ],
)
def test_the_beginning_and_the_suffix_say_what_it_is(name, body, media_type):
    known = parser_for(name, body)
    assert (known and known[0]) == media_type


@pytest.mark.parametrize("parser", [parse_html, parse_markdown, parse_text, parse_jsonl])
def test_nothing_crashes_on_broken_bytes(parser):
    rng = random.Random(7)
    whole = {parse_html: PAGE, parse_markdown: GUIDE, parse_text: GUIDE, parse_jsonl: '{"text": "One – two."}\n' * 9}[
        parser
    ]
    for _ in range(100):
        body = bytearray(whole.encode())
        for _ in range(20):
            body[rng.randrange(len(body))] = rng.randrange(256)
        for found in parser(bytes(body[: rng.randrange(len(body))]), "s3://b/x"):
            if isinstance(found, Parsed):
                document = Document.of(found, uri="s3://b/x", version="1", media_type="x")
                assert Document.from_row(document.row()) == document
                document.text.encode()


def test_deep_nesting_is_read_in_time():
    assert sections("deep.html", "<html>" + "<h1><div>" * 5000 + "x" + "</div></h1>" * 5000 + "deep")[0][1] == "deep"
    assert sections("deep.html", "<html>" + "<div>" * 10_000 + "deep") == [((), "deep")]

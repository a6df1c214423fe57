"""Markdown: headings with their lines, front matter, and HTML in between."""

import pytest

from tests.corpus.reading import document, sections, sources

GUIDE = """# Boiler guide

Read [me](x) first, it is un**believ**ably short.
Really.

## Valves
### Inlet
- Turn `left`.

```
# turn
turn --left
```

### Outlet {#out}
| turn | way |
|---|---|
| now | right |

Care
----
Dust it.
"""


def test_headings_are_kept_and_markup_is_read_through():
    assert sections("guide.md", GUIDE) == [
        (("Boiler guide",), "Read me first, it is unbelievably short. Really."),
        (("Boiler guide", "Valves", "Inlet"), "Turn left.\n# turn\nturn --left"),
        (("Boiler guide", "Valves", "Outlet"), "turn\nway\nnow\nright"),
        (("Boiler guide", "Care"), "Dust it."),
    ]
    assert sources("guide.md", GUIDE) == ["lines 1-4", "lines 7-12", "lines 15-18", "lines 20-22"]
    assert document("guide.md", GUIDE).title == "Boiler guide"


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_front_matter_gives_title_and_language_and_lines_are_still_counted_from_the_top(line_end):
    body = '---\ntitle: "The guide: all"\nlang: de\ntags: [a, b]\n---\n\n# Boiler\n\nDust it.\n'.replace("\n", line_end)
    found = document("guide.md", body)
    assert (found.title, found.language) == ("The guide: all", "de")
    assert [(section.path, section.text, section.source) for section in found.sections] == [
        (("Boiler",), "Dust it.", "lines 7-9")
    ]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("---\nnot closed\n", "not closed"),
        ("---\n[broken: yaml\n---\nx", "x"),
        ("---\n- a list\n---\nx", "a list"),
        ("---\na: &a [x, x]\nb: {<<: *a}\n---\nx", "x"),
        ("text\n\n---\ntitle: T\n---\nx", "title: T"),
    ],
)
def test_what_is_no_front_matter_is_text(body, text):
    found = document("guide.md", body)
    assert text in " ".join([*(h for s in found.sections for h in s.path), *(s.text for s in found.sections)])


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("One <b>two</b><br>three &amp; <kbd>&lt;</kbd>.", [((), "One two\nthree & <.")]),
        ("<details><summary>More</summary>\n\n**It** `<b>` works.\n\n</details>", [((), "More\nIt <b> works.")]),
        ("<!-- hidden -->\n\nx\n\n<script>y()</script>", [((), "x")]),
        ('<h1 align="center">Top</h1>\n\nx\n\n## Sub\ny', [(("Top",), "x"), (("Top", "Sub"), "y")]),
        ("<table><tr><td>a<td>b</table>\n\nx\n- y", [((), "a\nb\nx\ny")]),
        ("A <!-- b", [((), "A <!-- b")]),
    ],
)
def test_html_in_it_is_read_as_html(body, found):
    assert sections("guide.md", body) == found


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("![the *pump*](p.png) a[^1] b\n\n[^1]: note", "the pump a b\nnote"),
        ("1. a\n   > b\n2. c", "a\nb\nc"),
        ("~~old~~ [new][n] <http://a.b>\n\n[n]: x", "old new http://a.b"),
        ("> - " * 30 + "deep", "deep"),
    ],
)
def test_text_in_every_shape(body, text):
    assert sections("guide.md", body) == [((), text)]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["[", "![[](", "*a **a ", "> ", "`a` ", "<b>x ", "# a\n\n", "- a\n", "|a"])
def test_absurd_markup_is_read_in_time(piece):
    assert document("guide.md", f"start {piece * 50_000}").sections

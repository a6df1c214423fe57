"""HTML: what is content and what is furniture, headings, anchors, titles, and pages made to hurt."""

import re
from collections import Counter

import pytest

from components.corpus import html, nesting
from tests.corpus.reading import document, sections, sources
from tests.corpus.sites import SITES, page

PAGE = """<!DOCTYPE html><html lang="en"><head><title>Boiler | Acme</title><script>track()</script></head><body>
<header><h1>Acme</h1></header><nav><ul><li>Home<form><svg><text>logo</text></svg></form></ul></nav>
<main><header><h1>Boiler <em>guide</em></h1></header>Read me first.
<section id="valves"><h2>Valves</h2><h3>Inlet<a class="headerlink" href="#in">¶</a></h3><p>Turn <b>left</b>.</p>
<script>more()</script><div><h3 id="out&amp;let">Outlet</h3><p>Turn right.</p></div></section>
<h2><a name="care"></a>Care</h2><p>Dust it.</p><aside>Buy one!</aside></main><footer>(c) Acme</footer></body></html>"""


def test_headings_anchors_and_language_are_kept_and_furniture_is_not():
    found = document("page.html", PAGE)
    assert (found.title, found.language, found.media_type) == ("Boiler guide", "en", "text/html")
    assert [(s.path, s.text, s.source) for s in found.sections] == [
        (("Boiler guide",), "Read me first.", ""),
        (("Boiler guide", "Valves", "Inlet"), "Turn left.", "#valves"),
        (("Boiler guide", "Valves", "Outlet"), "Turn right.", "#out&let"),
        (("Boiler guide", "Care"), "Dust it.", "#care"),
    ]


def token_f1(found: str, gold: str) -> float:
    """The harmonic mean of precision and recall of words, counted as often as they stand there."""
    one, other = (Counter(re.findall(r"\w+", text.casefold())) for text in (found, gold))
    return 2 * sum((one & other).values()) / (sum(one.values()) + sum(other.values()))


@pytest.mark.parametrize("site", SITES)
def test_of_every_kind_of_site_the_article_is_left(site):
    for seed in range(20):
        body, article = page(site, seed)
        found = html.parse(body)
        headings = dict.fromkeys(heading for section in found.sections for heading in section.path)
        text = " ".join([*headings, *(section.text for section in found.sections)])
        gold = " ".join([*([article.title] if article.title in headings else []), *article.gold])
        assert token_f1(text, gold) >= 0.95, seed
        assert found.title.endswith(article.title)
        assert [section.source for section in found.sections if section.path][-1].startswith("#part-")


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
        ("<h2>C#</h2>a<h2>F <a href='#f'>#</a></h2>b", [(("C#",), "a"), (("F",), "b")]),
        ("<div><p>One</p>two</div><i>three</i>", [((), "One\ntwo\nthree")]),
        ("<table><tr><td>a</td><td>b</td></tr><tr><th>c</th></tr></table>", [((), "a\nb\nc")]),
        ("<p>a  &amp;&lt;b&gt;\n &nbsp; b<br>c<!-- <p>not me --></p>", [((), "a &<b> b\nc")]),
        ("<pre>a\n  <b>b\nc</b></pre>d\ne", [((), "a\nb\nc\nd e")]),
        ('<p title="a > b" hidden="until">x</p><p title="a > b">y', [((), "y")]),
        ("<p>soft\u00adly<wbr>un<b>believ</b>ably\u200b</p>", [((), "softlyunbelievably")]),
        ("<article>one</article><article>two</article>", [((), "one\ntwo")]),
        ("<header>Acme</header><article>one</article><aside>x</aside>", [((), "one")]),
        ("<article>teaser</article><div role=main>one</div>", [((), "one")]),
        ("<main></main><p>one</p>", [((), "one")]),
        ("<body><p>never closed <b>bold", [((), "never closed bold")]),
        ("<frameset><frame src=x></frameset>", []),
    ],
)
def test_text_and_headings_in_every_shape(body, found):
    assert sections("page.html", f"<html>{body}") == found


@pytest.mark.parametrize(
    "body",
    [
        "<div class='content with-sidebar'>kept</div>",
        "<div class='hidden md:block'>kept</div>",
        "<div class=related><h1>kept</h1>kept</div>",
        "<div id=sidebar>kept and much longer than all the rest</div><p>kept</p>",
        "<h2 id=search>kept</h2><p>kept</p><dl><dt id=menu>kept<dd>kept</dl>",
        "<section id=cookies><h2>kept</h2><p>kept</p></section><p>kept, and longer than the section that is on cookies",
        "<form><p>kept</p></form>",
        "<h2><button>kept</button></h2>kept",
        "<aside class='callout'>kept</aside>",
        "<div role=tabpanel hidden>kept</div><p>kept, and much longer than the panel that is not shown",
        "<ul><li><a>kept</a></li><li><a>kept</a></li><li><a>kept</a></li></ul>",
    ],
)
def test_content_that_looks_like_furniture_is_kept(body):
    assert words(f"<html>{body}").count("kept") == body.count("kept")


def words(body: str) -> str:
    """All that is shown of a page: headings, once each, and text."""
    found = document("page.html", body).sections
    return " ".join([*dict.fromkeys(heading for one in found for heading in one.path), *(one.text for one in found)])


@pytest.mark.parametrize(
    "body",
    [
        "<div style='color:red; display : NONE'>gone</div>",
        "<div class='hidden'>gone</div>",
        "<div class='pageBreadcrumbs__inner'>gone</div>",
        "<div id='back-to-top'>gone</div>",
        "<form><input value=gone><label>gone</label></form>",
        "<h2>a <button>gone</button></h2>",
        "<p><a>gone</a> | <a>gone</a> | <a>gone</a></p>",
        '<xmp><a "gone</xmp>',
    ],
)
def test_furniture_without_a_tag_of_its_own_is_dropped(body):
    shown = words(f"<html>{body}<p>A text that is longer than whatever stands above.")
    assert "gone" not in shown
    assert "longer" in shown


@pytest.mark.parametrize(
    ("body", "title"),
    [
        ("<h1> A\n b </h1>x", "A b"),
        ("<title> Head\n er </title><p>x</p><h1>A</h1>y", "Head er"),
        ("<title>A - Acme</title><p>x</p><h2>A</h2>y", "A"),
        ("<title>A - Acme</title><header><h1>A</h1></header><main>x</main>", "A"),
        ("<title>A - Acme</title><header><h1>Acme</h1></header><main>x</main>", "A - Acme"),
        ("<svg><title>logo</title></svg><p>x</p><h2>A</h2>y", "A"),
        ("<p>x</p>", "page"),
        ("<title></title><p>x</p>", "page"),
    ],
)
def test_the_title_is_the_pages_heading_else_the_head_else_the_name(body, title):
    assert document("page.html", f"<html>{body}").title == title


def test_a_section_without_an_anchor_stands_where_the_heading_above_it_does():
    assert sources("page.html", "<html>a<h1 id=x>A</h1>a<h2>B</h2>b<p id=y>c</p><h2>C</h2>d") == ["", "#x", "#x", "#x"]


@pytest.mark.parametrize(
    ("charset", "meta"), [("utf-16", ""), ("cp1252", ""), ("iso-8859-2", "iso-8859-2"), ("utf-8", "windows-1252")]
)
def test_bytes_are_read_in_the_charset_they_are_in(charset, meta):
    body = f'<html><head><meta charset="{meta}"></head><p>Größe ž' if meta == "iso-8859-2" else "<html><p>Größe"
    assert sections("page.html", body.encode(charset))[0][1].startswith("Größe")


BOMBS = {
    "nested": "<div>" * 100_000 + "<h2>deep</h2>text",
    "nested, and closed by others": "<div></span>" * 20_000 + "<h2>deep</h2>text",
    "nested, and closed in comments": "<div><!--</div>-->" * 20_000 + "<h2>deep</h2>text",
    "nested, of many names": "".join(f"<x{n}>" for n in range(20_000)) + "<h2>deep</h2>text",
    "attributes": f"<p {' '.join(f'a{n}' for n in range(100_000))}><h2>deep</h2>text",
    "attributes that hide their end": "<p " + " ".join(f'a{n}=">"' for n in range(30_000)) + "><h2>deep</h2>text",
    "formatting": "<p>" + "".join(f"<font a={n}>" for n in range(2_000)) + "<p>x" * 2_000 + "<h2>deep</h2>text",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", BOMBS)
def test_pages_made_to_hurt_are_read_in_time_without_their_containers(name):
    assert not nesting._harmless(BOMBS[name])
    assert sections("page.html", f"<html>{BOMBS[name]}")[-1] == (("deep",), "text")


def test_an_ordinary_page_is_not_flattened():
    body, _ = page("docusaurus", 1)
    large = body.decode().replace("</main>", "<p>one <b>two</b></p><ul><li>x</ul>" * 3_000 + "</main>")
    assert nesting.tame(large) is large

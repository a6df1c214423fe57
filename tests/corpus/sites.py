"""Pages as common site generators write them, around a text that is known: what of them is content, the test knows.

Each site wraps the same kind of article (headings, paragraphs, lists, code, a table, a note) into its own navigation,
banners, permalinks and hidden elements, in the markup and class names of that generator's default theme.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape

_TEXT = """valve pump boiler pressure the of and a turn left right before after filter tank relief sensor replace inspect
    monthly operator must never exceed bar degree hot cold water inlet outlet gasket torque bolt panel reset alarm log
    technician if when then is are shows red green lamp manual section drain refill vent air slowly check level record"""
WORDS = _TEXT.split()


@dataclass
class Article:
    """An article and its gold text: every word that a reader of the page came for."""

    title: str
    gold: list[str] = field(default_factory=list)
    body: list[str] = field(default_factory=list)


def sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words)).capitalize() + "."


def article(seed: int, permalink: Callable[[str], str] = lambda anchor: "") -> Article:
    """A random article; `permalink` is what the site puts behind each heading's words."""
    rng = random.Random(seed)
    made = Article(sentence(rng, 4)[:-1])
    for number in range(rng.randint(2, 6)):
        heading, anchor = sentence(rng, 3)[:-1], f"part-{number}"
        made.body.append(f'<h2 id="{anchor}">{heading}{permalink(anchor)}</h2>')
        made.gold.append(heading)
        for _ in range(rng.randint(1, 3)):
            text = sentence(rng, rng.randint(15, 60))
            made.body.append(f"<p>{text.replace('valve', '<code>valve</code>', 1)}</p>")
            made.gold.append(text)
        shape = rng.choice([_list, _table, _code, _note, _tabs])
        markup, texts = shape(rng)
        made.body.append(markup)
        made.gold += texts
    return made


def _list(rng: random.Random) -> tuple[str, list[str]]:
    items = [sentence(rng, 8) for _ in range(4)]
    shown = "".join(f'<li><a href="x.html">{item[:10]}</a>{item[10:]}</li>' for item in items)
    return f"<ul>{shown}</ul>", items


def _table(rng: random.Random) -> tuple[str, list[str]]:
    rows = [[sentence(rng, 3) for _ in range(3)] for _ in range(4)]
    cells = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="docutils"><tbody>{cells}</tbody></table>', [cell for row in rows for cell in row]


def _code(rng: random.Random) -> tuple[str, list[str]]:
    lines = [f"pump --{word} 3  # {sentence(rng, 3)}" for word in rng.choices(WORDS, k=3)]
    shown = "\n".join(f'<span class="hljs-comment">{escape(line)}</span>' for line in lines)
    return f'<div class="highlight"><pre><code>{shown}</code></pre><button class="copy">Copy</button></div>', lines


def _note(rng: random.Random) -> tuple[str, list[str]]:
    text = sentence(rng, 12)
    return f'<aside class="admonition note"><p>Note</p><p>{text}</p></aside>', ["Note", text]


def _tabs(rng: random.Random) -> tuple[str, list[str]]:
    first, second = sentence(rng, 9), sentence(rng, 9)
    return f'<div role="tabpanel">{first}</div><div role="tabpanel" hidden>{second}</div>', [first, second]


def links(rng: random.Random, count: int) -> str:
    return "".join(f'<li class="toctree-l1"><a href="{n}.html">{sentence(rng, 3)}</a></li>' for n in range(count))


def sphinx(made: Article, rng: random.Random) -> str:
    """The classic Sphinx layout: `div.body` is the main region by its role."""
    return f"""<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">
<title>{made.title} — Acme 1.0 documentation</title>
<script>var DOCUMENTATION_OPTIONS = {{}};</script></head><body>
<div class="related" role="navigation" aria-label="Related"><h3>Navigation</h3><ul>{links(rng, 6)}</ul></div>
<div class="document"><div class="documentwrapper"><div class="bodywrapper"><div class="body" role="main">
<section id="top"><h1>{made.title}<a class="headerlink" href="#top" title="Link to this heading">¶</a></h1>
{"".join(made.body)}</section><div class="clearer"></div></div></div></div>
<div class="sphinxsidebar" role="navigation"><div class="sphinxsidebarwrapper"><h1 class="logo"><a>Acme</a></h1>
<h3>Table of Contents</h3><ul>{links(rng, 30)}</ul><div id="searchbox" style="display: none" role="search">
<h3>Quick search</h3>
<form action="search.html"><input name="q"><input type="submit" value="Go"></form></div></div></div></div>
<div class="footer" role="contentinfo">© Copyright 2026, Acme. Created using Sphinx 7.</div></body></html>"""


def read_the_docs(made: Article, rng: random.Random) -> str:
    """The Read the Docs theme: breadcrumbs and buttons stand around the main region."""
    return f"""<html class="writer-html5" lang="en"><head><title>{made.title} - Acme</title></head>
<body class="wy-body-for-nav">
<div class="wy-grid-for-nav"><nav data-toggle="wy-nav-shift" class="wy-nav-side"><div class="wy-side-scroll">
<ul>{links(rng, 40)}</ul>
</div></nav><section class="wy-nav-content-wrap"><div class="wy-nav-content"><div class="rst-content">
<div role="navigation" aria-label="Page navigation"><ul class="wy-breadcrumbs"><li><a href="/">Home</a></li>
<li>{made.title}</li>
<li class="wy-breadcrumbs-aside"><a>Edit on GitHub</a></li></ul><hr></div>
<div role="main" class="document" itemscope><div itemprop="articleBody">
<h1>{made.title}<a class="headerlink" href="#a">¶</a></h1>
{"".join(made.body)}</div></div><footer><div class="rst-footer-buttons" role="navigation"><a>Previous</a><a>Next</a>
</div>
<div role="contentinfo"><p>© Copyright Acme.</p></div>Built with Sphinx using a theme.</footer></div></div>
</section></div>
<div class="rst-versions" role="note"><span>v: latest</span></div></body></html>"""


def docusaurus(made: Article, rng: random.Random) -> str:
    """Docusaurus: CSS modules, so that names carry a hash; permalinks are zero-width spaces."""
    return f"""<!doctype html><html lang="en" dir="ltr" class="docs-wrapper"><head>
<title>{made.title} | Acme</title></head>
<body class="navigation-with-keyboard"><div role="region" aria-label="Skip to main content">
<a class="skipToContent_fXgn"
href="#__docusaurus_skipToContent_fallback">Skip to main content</a></div><nav class="navbar navbar--fixed-top">
<a>Acme</a>
<a>Docs</a><a>Blog</a></nav><div class="main-wrapper"><div class="docsWrapper_hBAB">
<aside class="theme-doc-sidebar-container">
<ul class="theme-doc-sidebar-menu menu__list">{links(rng, 40)}</ul></aside><main class="docMainContainer_TBSr">
<div class="container">
<div class="row"><div class="col docItemCol_VOVn"><div class="docItemContainer_Djhp"><article>
<nav class="theme-doc-breadcrumbs
breadcrumbsContainer_Z_bl" aria-label="Breadcrumbs"><ul class="breadcrumbs"><li>Guides</li><li>{made.title}</li>
</ul></nav>
<div class="tocCollapsible_ETCw theme-doc-toc-mobile"><button type="button">On this page</button></div>
<div class="theme-doc-markdown markdown"><header><h1>{made.title}</h1></header>{"".join(made.body)}</div>
<footer class="theme-doc-footer"><a class="theme-edit-this-page">Edit this page</a>
<span class="theme-last-updated">Last updated
on Jan 3</span></footer></article><nav class="pagination-nav" aria-label="Docs pages"><a>Previous Installation</a>
<a>Next Upgrading</a></nav></div></div><div class="col col--3">
<div class="tableOfContents_bqdL theme-doc-toc-desktop"><ul>
{links(rng, 8)}</ul></div></div></div></div></main></div></div>
<footer class="footer footer--dark">Copyright Acme</footer></body></html>"""


def mkdocs(made: Article, rng: random.Random) -> str:
    """Material for MkDocs: labels and check boxes drive the navigation, an article lies in the main region."""
    return f"""<!doctype html><html lang="en" class="no-js"><head><title>{made.title} - Acme</title></head>
<body dir="ltr">
<input class="md-toggle" data-md-toggle="drawer" type="checkbox" id="__drawer">
<label class="md-overlay" for="__drawer"></label>
<div data-md-component="skip"><a href="#x" class="md-skip">Skip to content</a></div>
<div data-md-component="announce"></div>
<header class="md-header"><nav class="md-header__inner md-grid"><span>Acme</span></nav></header>
<div class="md-container">
<main class="md-main"><div class="md-main__inner md-grid"><div class="md-sidebar md-sidebar--primary">
<nav class="md-nav"><ul>
{links(rng, 30)}</ul></nav></div><div class="md-sidebar md-sidebar--secondary">
<nav class="md-nav md-nav--secondary"><ul>
{links(rng, 8)}</ul></nav></div><div class="md-content" data-md-component="content">
<article class="md-content__inner md-typeset">
<a href="edit" title="Edit this page" class="md-content__button md-icon"><svg><path d="M1 1"/></svg></a>
<h1>{made.title}</h1>
{"".join(made.body)}<aside class="md-source-file"><span class="md-source-file__fact">January 3, 2026</span></aside>
</article></div></div>
</main><footer class="md-footer"><div class="md-copyright">Made with Material</div></footer></div></body></html>"""


def confluence(made: Article, rng: random.Random) -> str:
    """A page of a Confluence space export: the title stands outside of the content, nothing is marked by role."""
    return f"""<!DOCTYPE html><html><head><title>Plant : {made.title}</title></head>
<body class="theme-default aui-theme-default">
<div id="page"><div id="main" class="aui-page-panel"><div id="main-header"><div id="breadcrumb-section">
<ol id="breadcrumbs">
<li class="first"><span><a href="index.html">Plant</a></span></li><li><span><a>Manuals</a></span></li></ol></div>
<h1 id="title-heading" class="pagetitle"><span id="title-text">Plant : {made.title}</span></h1></div>
<div id="content" class="view"><div class="page-metadata">Created by <span class="author">Somebody</span>, last
modified on Jan 03, 2026
</div><div id="main-content" class="wiki-content group">{"".join(made.body)}</div><div class="pageSection group">
<div class="pageSectionHeader"><h2 id="attachments" class="pageSectionTitle">Attachments:</h2></div>
<div class="greybox">
<a href="attachments/1.png">valve.png</a> (image/png)</div></div></div></div><div id="footer" role="contentinfo">
<section
class="footer-body"><p>Document generated by Confluence on Jan 05, 2026</p></section></div></div></body></html>"""


def mediawiki(made: Article, rng: random.Random) -> str:
    """MediaWiki's older skin: everything is a div, edit links stand in the headings' line."""
    edit = '<span class="mw-editsection"><span>[</span><a href="e">edit</a><span>]</span></span>'
    body = "".join(made.body).replace("</h2>", f"</h2>{edit}")
    return f"""<!DOCTYPE html><html class="client-nojs" lang="en" dir="ltr"><head>
<title>{made.title} - Acme Wiki</title></head>
<body class="mediawiki ltr sitedir-ltr"><div id="mw-page-base" class="noprint"></div>
<div id="content" class="mw-body">
<div id="siteNotice"></div><h1 id="firstHeading" class="firstHeading">{made.title}</h1><div id="bodyContent">
<div id="siteSub"
class="noprint">From Acme Wiki</div><a class="mw-jump-link" href="#mw-head">Jump to navigation</a>
<div id="mw-content-text"
class="mw-body-content"><div class="mw-parser-output"><div id="toc" class="toc" role="navigation"><h2>Contents</h2>
<ul>
{links(rng, 6)}</ul></div>{body}<div class="navbox"><a>Pumps</a> <a>Valves</a></div></div>
<div class="printfooter">Retrieved from
"https://wiki.example.com"</div></div><div id="catlinks" class="catlinks">Categories: <a>Boilers</a></div></div></div>
<div id="mw-navigation"><h2>Navigation menu</h2><div id="mw-head"><ul>{links(rng, 10)}</ul></div><div id="mw-panel">
<ul>
{links(rng, 20)}</ul></div></div><div id="footer" role="contentinfo"><ul>
<li>This page was last edited on 3 January 2026.</li></ul>
</div></body></html>"""


def blog(made: Article, rng: random.Random) -> str:
    """A blog with one article among teasers, share buttons, an author's box, comments and a cookie banner."""
    teasers = "".join(f'<div class="card"><a href="{n}"><h3>{sentence(rng, 5)}</h3></a></div>' for n in range(3))
    return f"""<!DOCTYPE html><html lang="en-US"><head><title>{made.title} &#8211; Acme Blog</title>
<style>.x{{}}</style></head>
<body class="post-template-default single single-post has-sidebar">
<div id="cookie-notice" class="cookie-consent">We use cookies
to improve your experience. <button>Accept</button> <a>Privacy policy</a></div>
<a class="skip-link screen-reader-text">Skip to
content</a><div id="masthead" class="site-header"><p class="site-title">Acme Blog</p>
<div class="main-navigation menu"><ul>
{links(rng, 6)}</ul></div></div><div id="content" class="site-content"><article class="post hentry">
<header class="entry-header">
<h1 class="entry-title">{made.title}</h1><div class="entry-meta post-meta">Posted on January 3, 2026 by admin</div>
</header>
<div class="entry-content">{"".join(made.body)}<div class="sharedaddy sd-sharing-enabled"><h3>Share this:</h3><ul>
<li>Twitter</li>
<li>Facebook</li></ul></div><div id="jp-relatedposts" class="jp-relatedposts"><h3>Related</h3>{teasers}</div></div>
<footer class="entry-footer">Filed under <a>pumps</a></footer></article><div id="comments" class="comments-area">
<h2>2 thoughts</h2>
<ol class="comment-list"><li>Great post, thank you!</li><li>First.</li></ol><div id="respond"><h3>Leave a Reply</h3>
</div></div>
<div id="secondary" class="widget-area"><section class="widget widget_search"><label>Search</label></section>
<section class="widget">
<h2>Recent Posts</h2><ul>{links(rng, 5)}</ul></section></div></div>
<div id="colophon" class="site-footer">Proudly powered</div></body></html>"""


def plain(made: Article, rng: random.Random) -> str:
    """A page by hand: no main region, no classes, a list of links above and below, a hidden dialogue."""
    return f"""<html><head><title>{made.title}</title></head><body><header><p>Acme Works Intranet</p></header>
<ul>{links(rng, 7)}</ul>
<h1>{made.title}</h1>{"".join(made.body)}<p style="display:none">Loading the user's session, please wait for a
while</p>
<div aria-hidden="true">menu close expand search language</div><hr><ul>{links(rng, 5)}</ul>
<footer>Acme Works, room 12</footer>
</body></html>"""


def web_forms(made: Article, rng: random.Random) -> str:
    """An intranet page that lies in a form as a whole, with tables of links and a hidden state."""
    return f"""<html xmlns="http://www.w3.org/1999/xhtml"><head><title>{made.title}</title></head><body>
<form id="aspnetForm" method="post">
<input type="hidden" name="__VIEWSTATE" value="{"A" * 400}"><div id="s4-ribbonrow" class="ms-dialogHidden">
<div role="menubar">File Edit
Share</div></div><div id="sideNavBox" class="ms-core-navigation sidebar"><ul>{links(rng, 12)}</ul></div>
<div id="contentBox">
<div class="breadcrumb">Home &gt; Manuals &gt; Boilers</div><div class="ms-rtestate-field">
<h1>{made.title}</h1>{"".join(made.body)}</div>
</div><select name="lang"><option>English</option><option>Deutsch</option></select></form></body></html>"""


PILCROW = '<a class="headerlink" href="#{}" title="Link to this heading">¶</a>'
HASH = '<a class="hash-link" aria-label="Direct link" href="#{}">\u200b</a>'
SITES: dict[str, tuple[Callable[[Article, random.Random], str], str]] = {
    "sphinx": (sphinx, PILCROW),
    "read_the_docs": (read_the_docs, PILCROW),
    "docusaurus": (docusaurus, HASH),
    "mkdocs": (mkdocs, PILCROW),
    "confluence": (confluence, ""),
    "mediawiki": (mediawiki, ""),
    "blog": (blog, '<a class="anchor" href="#{}">#</a>'),
    "plain": (plain, ""),
    "web_forms": (web_forms, ""),
}


def page(site: str, seed: int) -> tuple[bytes, Article]:
    """A page of that site, and the article in it."""
    build, permalink = SITES[site]
    made = article(seed, lambda anchor: permalink.format(anchor))
    return build(made, random.Random(seed + 1)).encode(), made

"""What of a page is not its content: navigation, banners, share bars, comments, and everything hidden.

Tags and ARIA roles say most of it. Where a site speaks only through class names and ids, their words do: not as exact
names, which differ between sites, but as words within them (`page-breadcrumbs`, `breadcrumbsContainer`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

from selectolax.lexbor import LexborHTMLParser, LexborNode

TAGS = """script, style, noscript, template, iframe, object, embed, canvas, audio, video, svg, annotation, nav, footer,
    dialog, menu, select, textarea, input, label, datalist, noembed, noframes, xmp, plaintext, frameset, aside, button,
    form"""
_ROLES = """navigation banner contentinfo search complementary dialog alertdialog menu menubar toolbar tablist status
    tooltip"""
ROLES = frozenset(_ROLES.split())
HEADINGS = frozenset(("h1", "h2", "h3", "h4", "h5", "h6", "summary"))
BOXES = frozenset(("div", "section", "header", "ul", "ol", "table"))
"""Where an id can name furniture; on a term, a heading or an anchor it names what is explained there."""
SIGNS = ("class", "role", "hidden", "aria-hidden", "style")
"""The attributes that say more than an id does."""
CONTAINERS = """.wiki-content, #mw-content-text, .theme-doc-markdown, .markdown-body, .md-content,
    .rst-content .document, .post-content, .entry-content, .article-content, .article-body, [itemprop=articleBody]"""
"""Where common site generators put the content, if they mark it no better."""

_WORDS = """
    ad ads advert advertisement advertisements announcement backlinks backtotop banner bottombar breadcrumb breadcrumbs
    byline catlinks comments consent cookie cookies copyright disqus donate editlink editsection feedback footer gdpr
    hatnote jumplink lastmodified lastupdated masthead menu menubar metadata mobilenav modal nav navbar
    navbox navigation navlinks navmenu newsletter nextprev noprint pager pagination popup prevnext printfooter
    printonly promo promotion rating recommended recommendations related relatedposts relations respond screenreader
    search searchbox searchform share sharebar sharedaddy sharing sidebar sidebars sidenav signup siteheader sitenav
    skiplink skiplinks skipnav social socials sphinxsidebar sphinxsidebarwrapper sponsor sponsored sponsors subscribe
    subscription tableofcontents tagcloud toc topbar topnav tooltip widget widgets
"""
_PHRASES = """
    author-bio author-box back-to-top edit-link edit-page edit-this-page edit-section
    jump-link last-modified last-updated on-this-page post-meta prev-next next-prev read-more read-next reading-time
    screen-reader see-also-links site-footer site-header skip-link skip-to skip-nav sr-only tag-list toc-drawer
    visually-hidden was-this
"""
_FURNITURE = re.compile(rf"(?:^|[\s_-])(?:{'|'.join((_WORDS + _PHRASES).split())})(?:$|[\s_-])")
_ABOUT_OTHERS = re.compile(r"(?:^|(?<=\s))(?:has|with|no|without|hide|show)-\S*|\S*:\S*")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ATTRIBUTE = re.compile(r' (class|id|role|hidden|aria-hidden|style)="([^"]{0,300})"')
_INVISIBLE = re.compile(r"(?:display\s*:\s*none|visibility\s*:\s*hidden)", re.I)
_NOTE = re.compile(
    r"(?:^|[\s_-])(?:note|tip|warning|caution|important|danger|info|hint|admonition|aside|callout|footnote|topic)"
)

MANY = 3
"""Links in one place that may be navigation."""
LINKS = 0.8
"""Where the page does not mark its content, a place with more of its text in links is navigation."""
INDEX = 0.9
"""A page of which more is in such places is an index, and they its content."""
STEPS = 3
"""How far above a link the element is that may be a list of links."""
WORK = 20
"""How often a page's text is looked through, at most."""
SELECTED = 100
"""Attributes that are sought by a selector."""
MOSTLY = 0.5
"""Something named like furniture that holds more than this share of the text, and fewer of it in links, is content."""


@lru_cache(maxsize=16_384)
def is_furniture(attribute: str, value: str) -> bool:
    """Whether an attribute says so; `has-sidebar` and `md:hidden` speak of something else."""
    if attribute in ("class", "id"):
        words = _ABOUT_OTHERS.sub("", _CAMEL.sub("-", value)).lower()
        return _FURNITURE.search(words) is not None or words.strip() == "hidden"
    if attribute == "style":
        return _INVISIBLE.search(value) is not None
    if attribute == "role":
        return value.lower() in ROLES
    return attribute == "hidden" or value == "true"


def roots(tree: LexborHTMLParser) -> Iterator[tuple[LexborNode, bool]]:
    """The elements that may hold the page's content, best first, and whether the page marks them as such."""
    found = tree.css("main, [role=main]") or tree.css("article")
    if len(found) != 1:
        found = found[:1] if found and found[0].tag != "article" else tree.css(CONTAINERS)[:1]
    for root in found:
        yield root, True
    if tree.body is not None:
        yield tree.body, False


def strip(root: LexborNode, marked: bool) -> str:
    """The HTML of `root` without its furniture; `header` goes only where it is the page's, not an article's."""
    _drop(root, (node for node in root.css(TAGS if marked else f"{TAGS}, header") if not _belongs(node)))
    if not marked:
        _drop_link_lists(root)
    html = root.html or ""
    named = {found for found in set(_ATTRIBUTE.findall(html)) if is_furniture(*found)}
    if not named:
        return html
    whole = len(root.text())
    _drop(root, (node for node in _affordable(_named(root, named), whole) if not _is_content(node, whole)))
    return root.html or ""


def _named(root: LexborNode, named: set[tuple[str, str]]) -> list[LexborNode]:
    """The elements that have one of these attributes; a long selector would be tried on every element."""
    if len(named) <= SELECTED:
        return root.css(", ".join(f'[{attribute}="{_quoted(value)}"]' for attribute, value in sorted(named)))
    nodes = root.css("[class], [id], [role], [hidden], [aria-hidden], [style]")
    return [node for node in nodes if any((name, value or "") in named for name, value in node.attributes.items())]


def _affordable(nodes: Iterable[LexborNode], whole: int) -> Iterator[LexborNode]:
    """The first of the nodes: nested by the thousand, each of them would be read again with all that is in it."""
    budget = 10_000 + WORK * whole
    for node in nodes:
        budget -= len(node.text())
        if budget < 0:
            return
        yield node


def _drop(root: LexborNode, nodes: Iterable[LexborNode]) -> None:
    """Nodes are only detached, so one inside another that went before does no harm; the root itself stays."""
    for node in list(nodes):
        if node.mem_id != root.mem_id:
            node.decompose()


def _belongs(node: LexborNode) -> bool:
    """A note set apart, a form around a whole page, a heading that is a button as a whole."""
    tag = node.tag
    if tag == "aside":
        return _NOTE.search(node.attributes.get("class") or "") is not None
    if tag == "button":
        above = node.parent
        return above is not None and above.tag in HEADINGS and node.prev is None and node.next is None
    return tag == "form" and node.css_first("p, h1, h2, h3") is not None


def _is_content(node: LexborNode, whole: int) -> bool:
    """What holds the title or most of the text is content, whatever its name; so is a tab's panel that is not shown."""
    attributes = node.attributes
    if attributes.get("role") == "tabpanel" or node.css_first("h1, main, article") is not None:
        return True
    if not any(is_furniture(name, attributes[name] or "") for name in SIGNS if name in attributes) and _is_section(
        node
    ):
        return True
    return len(node.text()) > MOSTLY * whole and _link_share(node) < MOSTLY


def _is_section(node: LexborNode) -> bool:
    """Whether an id alone means nothing: generators make ids of headings, and a section on cookies is no banner."""
    if node.tag not in BOXES:
        return True
    return node.css_first("h2, h3, h4, h5, h6") is not None and _link_share(node) < MOSTLY


def _drop_link_lists(root: LexborNode) -> None:
    """Drop what is little but links; not if hardly anything else is left: an index is a page too."""
    whole = len(root.text())
    lists = [node for node in _affordable(_link_lists(root), whole) if _link_share(node) > LINKS]
    if sum(len(node.text()) for node in lists) < INDEX * whole:
        _drop(root, lists)


def _link_lists(root: LexborNode) -> list[LexborNode]:
    """The elements right above at least three links, where an item or a cell of a table does not count as one."""
    above: dict[int, LexborNode] = {}
    count: Counter[int] = Counter()
    for link in root.css("a"):
        node = link.parent
        for _ in range(STEPS):
            if node is not None and node.tag in ("li", "span", "td", "dd", "b", "strong"):
                node = node.parent
        if node is not None:
            above[node.mem_id] = node
            count[node.mem_id] += 1
    return [above[number] for number, links in count.items() if links >= MANY]


def _link_share(node: LexborNode) -> float:
    """How much of a node's text is in links (0 to 1)."""
    links = sum(len(link.text(strip=True)) for link in node.css("a"))
    return links / max(1, len(node.text(strip=True)))


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\a ")

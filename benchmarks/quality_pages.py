"""reStructuredText as the pages of a documentation site, one for each chapter, for the product's own parser to read.

docutils reads it. What only Sphinx knows, some hundred directives and roles, is registered as it is met.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.core import publish_doctree
from docutils.parsers.rst import Directive, directives, roles
from docutils.utils import unescape

from benchmarks.quality_packages import Source, texts
from pipelines.demo_reference import opening

DIRECTIVE = re.compile(r"^\s*\.\. ([\w:.+-]+)::", re.MULTILINE)
ROLE = re.compile(r":([\w:.+-]+):`")
_REMARKS = "note tip hint important warning caution attention danger error seealso admonition"
REMARKS = frozenset(_REMARKS.split())
"""Directives whose text begins on their own line."""
_SILENT = """
code-block code sourcecode parsed-literal literalinclude highlight console testcode testoutput doctest math image figure
graphviz list-table csv-table table toctree contents include index raw productionlist only ifconfig meta default-domain
module py:module currentmodule py:currentmodule
"""
SILENT = frozenset(_SILENT.split())
"""Directives of which nothing is read: code, pictures, tables, lists of pages."""
ASIDE = (
    nodes.section,
    nodes.title,
    nodes.literal_block,
    nodes.comment,
    nodes.system_message,
    nodes.field_list,
    nodes.footnote,
    nodes.substitution_definition,
    nodes.table,
    nodes.Text,
)


def pages(sources: Sequence[Source], cache: Path) -> Iterator[tuple[str, bytes]]:
    """Key and body of every page; the key is `PACKAGE/FILE/NUMBER.html`."""
    return (page for source in sources for name, text in texts(source, cache) for page in _pages(name, text))


def _pages(name: str, text: str) -> Iterator[tuple[str, bytes]]:
    """The chapters of a file: the sections right below its title, and what stands before them."""
    tree = parse(text)
    tops = [node for node in tree.children if isinstance(node, nodes.section)]
    page = tops[0] if len(tops) == 1 else tree
    title = _title(page)
    chapters = [node for node in page.children if isinstance(node, nodes.section)]
    bodies = [_own(page), *("".join(_html(chapter, 2)) for chapter in chapters)]
    for number, body in enumerate(bodies):
        if "<p>" in body:
            html = (
                f"<html lang='en'><body><main>{f'<h1>{escape(title)}</h1>' if title else ''}{body}</main></body></html>"
            )
            yield f"{name}/{number:02}.html", html.encode()


def parse(text: str) -> nodes.document:
    """The tree of a text; of directives and roles that only Sphinx knows, what stands within them."""
    for found in set(DIRECTIVE.findall(text)):
        kind = _Silent if found in SILENT or "auto" in found else _Remark if found in REMARKS else _Nested
        directives.register_directive(found, kind)
    for found in set(ROLE.findall(text)):
        roles.register_local_role(found, _role)
    known = {"report_level": 5, "halt_level": 5, "doctitle_xform": False, "_disable_config": True}
    known |= {"file_insertion_enabled": False, "raw_enabled": False}
    return publish_doctree(text, settings_overrides=known)


class _Nested(Directive):  # type: ignore[misc]
    """Keeps what stands within: the description of a class, or of what a version changed."""

    optional_arguments = 1
    final_argument_whitespace = True
    has_content = True
    option_spec: Any = defaultdict(lambda: directives.unchanged, {"class": directives.unchanged})

    def run(self) -> list[nodes.Node]:
        """Parse the content."""
        within = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, within)
        return list(within.children)


class _Remark(_Nested):
    """Keeps its first line too."""

    optional_arguments = 0
    option_spec = None


class _Silent(_Nested):
    """Keeps nothing."""

    def run(self) -> list[nodes.Node]:
        """Nothing."""
        return []


def _role(_name: str, raw: str, text: str, *_: object) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """What a reader sees of `label <target>`, `~module.Name` or `!Name`."""
    label = re.sub(r"\s*<[^<>]*>$", "", unescape(text)) or unescape(text)
    return [nodes.inline(raw, label.rpartition(".")[2] if label.startswith("~") else label.lstrip("!"))], []


def _title(section: nodes.Element) -> str:
    return next((" ".join(node.astext().split()) for node in section.children if isinstance(node, nodes.title)), "")


def _html(section: nodes.section, level: int) -> Iterator[str]:
    """A section and those below it."""
    yield f"<h{level}>{escape(_title(section))}</h{level}>{_own(section)}"
    for node in section.children:
        if isinstance(node, nodes.section):
            yield from _html(node, min(level + 1, 6))


def _own(section: nodes.Element) -> str:
    """The first paragraphs of a section itself: as much as a page of the AWS reference shows."""
    return opening("".join(f"<p>{escape(text)}</p>" for text in _paragraphs(section)))


def _paragraphs(node: nodes.Node) -> Iterator[str]:
    for child in node.children:
        if isinstance(child, nodes.paragraph):
            yield " ".join(child.astext().split())
        elif not isinstance(child, ASIDE):
            yield from _paragraphs(child)

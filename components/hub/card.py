"""The model card: what was trained on, measured and decided, in numbers; it quotes no document and no query."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from components.gate.verdict import Verdict


def write_card(path: Path, verdict: Verdict, verdict_digest: str) -> None:
    """Write the card of the candidate that `verdict` is about."""
    loader = PackageLoader("components.hub", "templates")
    # The card is Markdown and holds numbers and our own sentences only: there is nothing to escape.
    markdown = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True)  # noqa: S701
    template = markdown.get_template("card.md.j2")
    path.write_text(template.render(verdict=verdict, verdict_digest=verdict_digest), encoding="utf-8")

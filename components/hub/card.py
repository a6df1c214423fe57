"""The model card: what was trained on, measured and decided, in numbers; it quotes no document and no query."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from components.gate.approval import Approval
from components.gate.verdict import Verdict


def write_card(path: Path, verdict: Verdict, verdict_digest: str, approval: Approval | None = None) -> None:
    """Write the card of the candidate that `verdict` is about, and that somebody approved if that was asked for."""
    loader = PackageLoader("components.hub", "templates")
    # The card is Markdown and holds numbers and our own sentences; what an approver wrote is escaped where it stands.
    markdown = Environment(loader=loader, undefined=StrictUndefined, trim_blocks=True)  # noqa: S701
    known = {"verdict": verdict, "verdict_digest": verdict_digest, "approval": approval}
    path.write_text(markdown.get_template("card.md.j2").render(known), encoding="utf-8")

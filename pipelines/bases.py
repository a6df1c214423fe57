"""`touchstone bases`: untuned bases side by side on the line's own dev queries, before anybody trains one."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from components.store.errors import TouchstoneError
from pipelines import local
from pipelines.recipe import Recipe
from pipelines.screen import Screen

HEAD = f"\n  {'':<44} {'nDCG@10':>7} {'params':>8} {'dim':>5} {'tokens':>6} {'a second':>8}  {'licence':<12} made for"


def compare(recipe: Recipe, screen: Screen, models: Iterable[str], servers: list[int]) -> list[dict[str, Any]]:
    """Run the pipeline until the pairs, then score the recipe's base and `models` on the dev side.

    Args:
        recipe: The line.
        screen: Where progress is drawn.
        models: References of models: `s3://` addresses, folders, Hub ids.
        servers: Pids whose memory counts as the run's.

    Returns:
        The rows, best first (`components.training.bases.Base`).

    Raises:
        UserError: what is wrong with the recipe, its sources or its base.
        TouchstoneError: RUN_DIED when the comparison ended without rows.
    """
    record = local.run_until(recipe, screen, until="pairs", servers=servers)
    folder = Path(record["log"]).parent / "bases"
    folder.mkdir()
    request, out = folder / "request.json", folder / "bases.json"
    asked = {"base": recipe.base_model, "others": list(models), "documents": recipe.training.dev_documents}
    request.write_text(json.dumps(asked | record["found"]["paths"], indent=1))
    watch = local.Watch(folder, screen, servers)
    watch.follow(local.spawn("components.training.bases", [str(request), str(out)], folder, {}))
    local.told(watch.log)
    if not out.exists():
        raise TouchstoneError("RUN_DIED", "the comparison of bases ended early", fix=f"See {folder}/output.log.")
    rows: list[dict[str, Any]] = json.loads(out.read_bytes())
    return rows


def draw(screen: Screen, rows: list[dict[str, Any]], base: str) -> None:
    """The table, best first; `*` marks the recipe's base."""
    screen.text(HEAD)
    for row in (row for row in rows if not row["problem"]):
        screen.text(_row(row, base))
    failed = [row for row in rows if row["problem"]]
    if failed:
        screen.text("\n  not scored:")
    for row in failed:
        made_for = f" ({row['domain']})" if row["domain"] else ""
        screen.text(f"  {row['reference']}{made_for}: {row['problem']}")
    screen.text("\n  * the recipe's base_model. All models as they are, untrained, on the dev queries.")


def _row(row: dict[str, Any], base: str) -> str:
    """One model; of a long reference the end tells most."""
    name, _, revision = row["reference"].partition("@")
    name = f"{name}@{revision[:8]}" if revision else name
    name = name if len(name) <= 42 else f"..{name[-40:]}"
    mark, tokens = "*" if row["reference"] == base else " ", f"{row['tokens']:,}" if row["tokens"] else "any"
    size = f"{row['parameters']:>7,.1f}M {row['dimension']:>5} {tokens:>6} {row['rate']:>8,.0f}"
    return f"{mark} {name:<44} {row['quality']:>7.3f} {size}  {row['licence']:<12} {row['domain']}".rstrip()

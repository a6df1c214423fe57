"""Is the candidate better? On all queries, or, where the recipe says so, on those of documents new to the champion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from components.evaluation.scores import BASE, CHAMPION
from components.gate.config import FreshConfig
from components.gate.statistics import Comparison
from components.gate.trial import Mask, Trial
from components.gate.verdict import Reason


def short(trial: Trial, name: str, found: Comparison, least: float, where: str = "") -> Iterator[str]:
    """What is missing for "better than that model"; nothing when it is proved."""
    if trial.same(name, found.differing):
        yield f"the candidate ranks as the {name} does{where}: training found nothing better"
        return
    low, high = found.interval
    gain = f"gain against the {name}{where} {found.gain:+.4f} (95% {low:+.4f} to {high:+.4f})"
    if not found.gain >= least:
        yield f"{gain}; needed {least:+.3f}"
    if not found.p_value <= trial.alpha:
        p = f"p = {found.p_value:.4f}, needed {trial.alpha:.5f}"
        yield f"a gain like that against the {name}{where} could be chance: {p}"


def hidden(trial: Trial, name: str, found: Comparison, where: str = "") -> Iterator[str]:
    """Whether few large losses that the test has not met could hide behind many small gains."""
    if not found.p_free <= trial.alpha:
        text = f"{found.clusters:,} clusters are too few for so small a gain against the {name}{where}"
        p = f"p = {found.p_free:.4f} with one of them, needed {trial.alpha:.5f}"
        yield f"{text}: large losses that are rare could be missing in the test ({p})"


def _unproved(trial: Trial, name: str, found: Comparison, least: float, where: str = "") -> list[str]:
    """What is missing, and what could be missing where nothing visible is."""
    return list(short(trial, name, found, least, where)) or list(hidden(trial, name, found, where))


def whole(trial: Trial, comparisons: Mapping[str, Comparison]) -> list[str]:
    """What is missing on all queries, against champion and base; both must be beaten, so the level is not split."""
    least = trial.config.min_gain
    return [text for name in trial.judges for text in _unproved(trial, name, comparisons[name], least)]


@dataclass(frozen=True)
class Fresh:
    """The second way: queries of documents that came in after the champion was trained, and the rest.

    Attributes:
        closed: Why this way cannot be gone, "" when it can.
        new: The candidate against the champion on what is new; None when closed.
        rest: The same on the rest; None when there is no rest.
    """

    config: FreshConfig
    mask: Mask
    closed: str
    new: Comparison | None = None
    rest: Comparison | None = None

    @classmethod
    def of(cls, trial: Trial) -> Fresh | None:
        """As the recipe declares it; None when it does not, or nothing was ever promoted."""
        config = trial.config.fresh
        if config is None or CHAMPION not in trial.scores.values:
            return None
        known = trial.scores.contenders[CHAMPION].segments
        mask = np.array(trial.scores.born) >= known if known is not None else np.zeros(len(trial.everything), bool)
        if closed := _closed(known, int(mask.sum()), config):
            return cls(config, mask, closed)
        rest = trial.compare(CHAMPION, ~mask, 0) if (~mask).any() else None
        return cls(config, mask, "", trial.compare(CHAMPION, mask, config.min_gain), rest)

    def missing(self, trial: Trial, base: Comparison) -> list[str]:
        """What is missing for this way: better on what is new, no worse on the rest, and better than the base."""
        if self.closed or self.new is None:
            return [self.closed]
        found = [*_unproved(trial, CHAMPION, self.new, self.config.min_gain, " on new documents")]
        if self.rest and not self.rest.lower_bound(trial.alpha) > -self.config.margin:
            bound = f"bound {self.rest.lower_bound(trial.alpha):+.4f}; allowed {-self.config.margin:+.3f}"
            found.append(f"it may have got worse on the documents the champion knew: {self.rest.gain:+.4f}, {bound}")
        return [*found, *_unproved(trial, BASE, base, trial.config.min_gain)]


def _closed(known: int | None, queries: int, config: FreshConfig) -> str:
    if known is None:
        return "the champion does not tell which documents were there when it was trained"
    few = f"{queries:,} sealed queries are about documents new to the champion; needed {config.min_queries:,}"
    return "" if queries >= config.min_queries else few


def not_better(texts: list[str]) -> Iterator[Reason]:
    """The texts as reasons to hold."""
    yield from (Reason(decision="HOLD_NOT_BETTER", text=text) for text in texts)


def proved(trial: Trial, found: Comparison, fresh: Fresh | None, guards: list[str]) -> Reason:
    """The reason to promote; `fresh` where that way led here."""
    held = f"; {', '.join(guards)} held" if guards else ""
    if fresh and fresh.new:
        where = f", on {fresh.new.queries:,} queries of new documents, no worse on the rest"
        return Reason(decision="PROMOTE", text=f"{_better(CHAMPION, fresh.new)}{where}{held}")
    return Reason(decision="PROMOTE", text=f"{_better(trial.against, found)}{held}")


def _better(name: str, found: Comparison) -> str:
    low, high = found.interval
    gain = f"{found.gain:+.4f} nDCG@10 (95% {low:+.4f} to {high:+.4f})"
    return f"better than the {name} by {gain}, {chance(found.p_value)}"


def chance(p_value: float) -> str:
    """A p-value as people read it."""
    return f"p = {p_value:.4f}" if p_value >= 0.0001 else "p < 0.0001"

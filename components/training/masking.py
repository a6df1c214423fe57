"""What an anchor must not be ranked against: its own positive again, and what the guide finds just as right.

A documentation answers one question in several places. Ranked as wrong, the other places teach the opposite of what
search needs. The guide is the frozen base (after GISTEmbed, Solatorio 2024), the margin positive-aware and relative
(NV-Retriever, Moreira et al. 2024).
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

MARGIN = 0.95
"""A text is left out when the guide finds it closer than this part of the positive's similarity."""
MOST = 0.1
"""At most this part of what an anchor is ranked against is left out, the closest first."""


class Seen(Protocol):
    """The part of a batch that decides what is left out; see `loss.Batch`."""

    @property
    def numbers(self) -> Tensor: ...  # noqa: D102
    @property
    def guiding(self) -> Tensor | None: ...  # noqa: D102
    @property
    def guides(self) -> Tensor | None: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102


class Mask:
    """Decides, and counts what it decided.

    Attributes:
        left_out: Texts left out of rankings so far.
        ranked: Texts there were to rank against so far.
    """

    def __init__(self, *, guided: bool) -> None:
        """Leave out equal texts alone, or also what the guide finds nearly as close."""
        self.guided = guided
        self.left_out, self.ranked = torch.zeros(()), 0

    @property
    def share(self) -> float:
        """Part of what could be ranked against that was left out."""
        return float(self.left_out) / max(1, self.ranked)

    def documents(self, batch: Seen, rows: Tensor) -> Tensor:
        """Documents that some anchors are not ranked against (rows x all documents)."""
        known = batch.numbers[1, rows + batch.offset][:, None] == batch.numbers[1:].flatten()[None, :]
        same = batch.numbers[0, rows + batch.offset][:, None] == batch.numbers[0][None, :]
        known[:, : same.shape[1]] |= same
        guiding = None if batch.guiding is None else batch.guiding[0, rows]
        guides = None if batch.guides is None else batch.guides[1:].flatten(0, 1)
        return self._decided(known, guiding, guides, rows + batch.offset)

    def anchors(self, batch: Seen, rows: Tensor) -> Tensor:
        """Anchors that some positives are not ranked against (rows x all anchors)."""
        own, all_ = batch.numbers[:2, rows + batch.offset, None], batch.numbers[:2, None, :]
        guiding = None if batch.guiding is None else batch.guiding[1, rows]
        guides = None if batch.guides is None else batch.guides[0]
        return self._decided((own == all_).any(dim=0), guiding, guides, rows + batch.offset)

    def _decided(self, known: Tensor, guiding: Tensor | None, guides: Tensor | None, own: Tensor) -> Tensor:
        """Known to be right, or found as close as what is right; the own one stays."""
        if self.guided and guiding is not None and guides is not None:
            known = known | close(guiding @ guides.T, own)
        left_out = known.scatter(1, own[:, None], False)
        self.left_out = self.left_out.to(left_out.device) + left_out.sum()
        self.ranked += left_out.numel() - len(left_out)
        return left_out


def close(near: Tensor, own: Tensor) -> Tensor:
    """Which texts are closer than the margin allows, the closest few of each row (rows x texts).

    Args:
        near: What the guide finds (rows x texts), cosines.
        own: Where each row's own text stands (rows).
    """
    few = int(MOST * near.shape[1])
    if not few:
        return torch.zeros_like(near, dtype=torch.bool)
    right = near.gather(1, own[:, None])
    others = near.scatter(1, own[:, None], -torch.inf)
    return (others > right - (1 - MARGIN) * right.abs()) & (others >= others.topk(few, dim=1).values[:, -1:])

"""What all processes have, in one tensor, so that an anchor is ranked against the batches of all of them.

The gather of torch's own (`torch.distributed.nn`, which sentence-transformers 6.2 uses) is deprecated and, on gloo,
gives wrong gradients without a word where they do not lie in one piece of memory.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class _Gather(torch.autograd.Function):
    """Joined along the second dimension, by rank; every process's share of the gradient comes back."""

    @staticmethod
    def forward(context: Any, own: Tensor) -> Tensor:
        parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, own.contiguous())
        context.size = own.shape[1]
        return torch.cat(parts, dim=1)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total.narrow(1, dist.get_rank() * context.size, context.size)


def gather(own: Tensor) -> Tensor:
    """The tensors of all processes along the second dimension, in the order of ranks (a x b*processes x ...).

    Args:
        own: This process's (a x b x ...); the same shape in all of them.
    """
    found: Tensor = _Gather.apply(own.contiguous())
    return found

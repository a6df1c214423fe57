"""How much memory a process may use: asked of the GPU, of the container, of the machine."""

from __future__ import annotations

from pathlib import Path

import psutil
import torch

LIMITS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)
"""What a container may use and what it uses (cgroup 2 and 1)."""


def free(device: str, processes: int = 1) -> float:
    """Bytes that this process may still use.

    Args:
        device: `cpu` or `cuda:N`.
        processes: How many share the machine's memory; a GPU is not shared.
    """
    if device.startswith("cuda"):
        return float(torch.cuda.mem_get_info(torch.device(device))[0])
    return min([float(psutil.virtual_memory().available), *_left()]) / processes


def _left() -> list[float]:
    """What the container's limit leaves, where there is one."""
    return [float(limit.read_text()) - float(used.read_text()) for limit, used in LIMITS if _limited(limit)]


def _limited(limit: Path) -> bool:
    return limit.is_file() and limit.read_text().strip().isdecimal()

"""Which number format the hardware computes fast and right: asked of the hardware, not of the user."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import torch

from components.store.errors import TouchstoneError

FAST_BF16 = {"avx512_bf16", "amx_bf16"}


def device() -> str:
    """This process's GPU (`LOCAL_RANK` of a launcher, else the first) when there is one, else `cpu`."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"


def check_devices(gpus: int) -> None:
    """A pod that got other GPUs than it asked for would work, slowly or on too few, and say nothing.

    Raises:
        TouchstoneError: WRONG_DEVICES.
    """
    found = torch.cuda.device_count()
    if gpus and found != gpus:
        fix = 'Ask for as many as the node gives, or gpus: "0" for the processor.'
        known = {"found": str(found), "expected": str(gpus), "fix": fix}
        raise TouchstoneError("WRONG_DEVICES", "other GPUs than asked for", **known)


def precision(device: str) -> str:
    """`bf16` on sm80+ and on processors with bf16 instructions, `fp16` on older GPUs, else `fp32`.

    Never fp16 on a CPU: measured at a fifth of fp32's speed.
    """
    if device.startswith("cuda"):
        return "bf16" if torch.cuda.get_device_capability(0) >= (8, 0) else "fp16"
    return "bf16" if _cpu_flags() & FAST_BF16 else "fp32"


def autocast(device: str, precision: str) -> contextlib.AbstractContextManager[object]:
    """The context in which a forward pass runs in that precision."""
    if precision == "fp32":
        return contextlib.nullcontext()
    kind = torch.bfloat16 if precision == "bf16" else torch.float16
    context: contextlib.AbstractContextManager[object] = torch.autocast(device.partition(":")[0], dtype=kind)
    return context


def _cpu_flags() -> set[str]:
    """The processor's instruction sets as Linux tells them; none elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return set(next((line for line in lines if line.startswith("flags")), "").split())

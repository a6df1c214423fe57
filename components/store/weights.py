"""Files of weights: their headers, read by the format's own library, which builds no tensor.

Source: https://github.com/huggingface/safetensors, "Format": the offsets cover the file without hole or overlap.
"""

from __future__ import annotations

import math
from pathlib import Path

from safetensors import SafetensorError, safe_open

from components.store.model_json import refused


def count(name: str, path: Path) -> int:
    """How many numbers the tensors of a safetensors file hold.

    Raises:
        UserError: UNSAFE_MODEL when the file is none, is cut short, or its header says what is not so.
    """
    try:
        with safe_open(path, framework="np") as file:
            return sum(math.prod(file.get_slice(tensor).get_shape()) for tensor in file.keys())  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, MemoryError):
        raise refused(name, "no sound safetensors file") from None

"""DeepSpeed's ZeRO-2: gradients and the optimizer's state in shares, one to each process (Rajbhandari et al. 2020).

A recipe's `training.deepspeed: zero2`. Below a billion parameters plain data parallel training is as good and simpler:
weights, gradients and AdamW's state of 100 million take 1.6 GB, which every GPU has. At a billion they are 16 GB in
each process; shared by eight about 6, the weights whole in each.

Weights stay 32 bit, and what runs in 16 bit is chosen by `torch.autocast`, as without DeepSpeed: its own `bf16` mode
would save a candidate of rounded weights.
"""

from __future__ import annotations

import importlib.util
import os
from typing import Any

from components.store.errors import UserError
from components.training.config import TrainingConfig

ZERO2: dict[str, Any] = {
    "zero_optimization": {"stage": 2, "overlap_comm": True, "reduce_bucket_size": "auto"},
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    "gradient_clipping": "auto",
    "optimizer": {"type": "AdamW", "params": {"lr": "auto", "weight_decay": "auto", "torch_adam": True}},
    "torch_autocast": {"enabled": False, "dtype": "bfloat16", "lower_precision_safe_modules": []},
}
"""torch's AdamW, since DeepSpeed's own is compiled with CUDA's compiler, which images of GPUs do not carry. Gradients
are summed in 32 bit: no module may send its own in 16."""


def require(config: TrainingConfig, processes: int) -> None:
    """Refuse what cannot work before anything is loaded.

    Raises:
        UserError: NO_DEEPSPEED or NOTHING_TO_SHARD.
    """
    if not config.deepspeed:
        return
    if importlib.util.find_spec("deepspeed") is None:
        fix = "Install the extra deepspeed (pip install -c constraints.txt '.[deepspeed]'), or leave training.deepspeed"
        fix += " out: below a billion parameters it gains nothing."
        raise UserError("NO_DEEPSPEED", "training.deepspeed is set, and DeepSpeed is not installed", fix=fix)
    if processes < 2:
        fix = "Ask for more GPUs, or leave training.deepspeed out."
        found = f"{processes} process"
        raise UserError("NOTHING_TO_SHARD", "DeepSpeed shards over processes", found=found, expected="2", fix=fix)


def prepare(config: TrainingConfig, device: str) -> None:
    """Tell the libraries, before the processes meet."""
    if device == "cpu":
        os.environ["DS_ACCELERATOR"] = "cpu"  # else whoever imports it, used or not, hears that there is no GPU
    if config.deepspeed:
        os.environ["ACCELERATE_USE_DEEPSPEED"] = "true"


def settings(precision: str) -> dict[str, Any]:
    """DeepSpeed's configuration for hardware of that precision; without bf16 everything is 32 bit."""
    return ZERO2 | {"torch_autocast": ZERO2["torch_autocast"] | {"enabled": precision == "bf16"}}

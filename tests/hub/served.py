"""What the evaluation would have written beside a small model."""

from __future__ import annotations

from pathlib import Path

from components.evaluation import parity, reference
from components.store.models import Model


def evidence(model: Model) -> Path:
    """The artifact `parity` of a model; asked for again, the same one."""
    path = model.path.with_name(f"{model.path.name} parity")
    if not path.exists():
        parity.write(reference.measure(model.path, model.fingerprint), path, {})
    return path

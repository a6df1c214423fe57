"""What the evaluation would have written beside a small model."""

from __future__ import annotations

from pathlib import Path

from components.evaluation import parity, reference
from components.hub.declared import Declared
from components.store.models import Model

DECLARED = Declared(name="tests", recipe="7" * 64, licences={"documents": ["CC-BY-4.0", "unknown"]})
"""What the recipe would tell the card."""


def evidence(model: Model) -> Path:
    """The artifact `parity` of a model; asked for again, the same one."""
    path = model.path.with_name(f"{model.path.name} parity")
    if not path.exists():
        parity.write(reference.measure(model.path, model.fingerprint), path, {})
    return path

"""Served as tested: what ships must make, for whoever loads it, the vectors that the evaluation saw.

The folder is loaded as it will ship, in a process of its own that imports the library and nothing of ours.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from components.evaluation import parity
from components.evaluation.parity import FILE, not_as_tested
from components.store.errors import TouchstoneError
from components.store.intake import fingerprint, inspect

SCRIPT = Path(__file__).with_name("reproduce.py")
PATIENCE = 1800
"""Seconds; billions of parameters on a processor take a while."""
KEPT = ("PATH", "HOME", "TMPDIR", "LD_LIBRARY_PATH", "OMP_NUM_THREADS")
"""Of the environment; a model that is tried out gets none of the keys in it."""


def ship(folder: Path, evidence: Path) -> None:
    """Put `parity.json` into a folder that is to be published, and see that the folder reproduces it.

    Args:
        folder: The candidate's files.
        evidence: The artifact `parity` of the run.

    Raises:
        TouchstoneError: NOT_SERVED_AS_TESTED.
    """
    (folder / FILE).write_bytes(parity.read(evidence).as_bytes())
    check(folder)


def check(folder: Path) -> float:
    """Whether a folder with a `parity.json` does what that says; it need not be ours, intake comes first.

    Returns:
        The largest difference of one number.

    Raises:
        UserError: UNSAFE_MODEL, NOT_A_MODEL, NO_PARITY.
        TouchstoneError: NOT_SERVED_AS_TESTED.
    """
    weights, known = fingerprint(inspect(folder)), parity.load(folder / FILE)
    if known.fingerprint != weights:
        raise not_as_tested(f"{FILE} is of another model", known.fingerprint[:8], weights[:8])
    found = fresh(folder)
    if found["dimension"] != known.dimension:
        expected = f"{known.dimension} numbers"
        raise not_as_tested("the model as it would ship makes other vectors", f"{found['dimension']} numbers", expected)
    if not found["difference"] <= known.tolerance:
        where = f"a difference of {found['difference']:.2g} in number {found['number']} of the parity {found['kind']}"
        expected = f"at most {known.tolerance:g}"
        raise not_as_tested("the model as it would ship makes other vectors than were tested", where, expected)
    return float(found["difference"])


def fresh(folder: Path) -> dict[str, Any]:
    """What `reproduce` finds in a process of its own, offline, without our modules and without the environment's keys.

    Raises:
        TouchstoneError: NOT_SERVED_AS_TESTED when the folder does not load there.
    """
    known = {name: os.environ[name] for name in KEPT if name in os.environ}
    known |= {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-I", str(SCRIPT), str(folder.resolve())]
    try:
        done = subprocess.run(command, env=known, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        found = f"no end in {PATIENCE} seconds"
        raise not_as_tested("the model as it would ship was not seen to work", found) from None
    if done.returncode:
        raise _fails(done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _fails(stderr: str) -> TouchstoneError:
    """The exception's type alone: its message may hold paths."""
    last = stderr.rstrip().rpartition("\n")[2].partition(":")[0]
    return not_as_tested("the model as it would ship does not load with sentence-transformers alone", last[:80])

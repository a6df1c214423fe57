"""Which untuned base is best on a line's dev queries: `python -m components.training.bases REQUEST.json OUT.json`.

It is a process of its own so that what libraries say goes to a log, and a model that is too large for the machine
does not take the command line with it.
"""

from __future__ import annotations

import gc
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from components.retrieval.encoder import Encoder
from components.retrieval.loading import load
from components.store import licence
from components.store.addresses import is_store, split_reference
from components.store.errors import TouchstoneError, UserError, unexpected
from components.store.events import note, step
from components.store.models import Model
from components.store.pull import pin, pull
from components.training.dev import DevSet
from components.training.shortlist import domain

HUB_ID = re.compile(r"hf://.+|\w[\w.-]*/[\w.-]+(@\w+)?")


@dataclass(frozen=True)
class Base:
    """A model as it is, before any training.

    Attributes:
        reference: As it was asked for.
        domain: What it was made for, if the shortlist knows it.
        problem: Why it could not be scored; empty if it was, and then the figures below hold.
        quality: Mean dev nDCG@10.
        parameters: Millions.
        dimension: Of its vectors.
        tokens: The longest text; 0 without a limit.
        licence: As its card says, else `unknown`.
        rate: Passages a second on this machine, the first batches (of queries) not counted.
    """

    reference: str
    domain: str = ""
    problem: str = ""
    quality: float = 0.0
    parameters: float = 0.0
    dimension: int = 0
    tokens: int = 0
    licence: str = "unknown"
    rate: float = 0.0


def compare(base: str, others: Iterable[str], dev: DevSet) -> list[Base]:
    """Score the line's base and others, best first; what could not be scored stands last, with the reason.

    Args:
        base: The recipe's `base_model`.
        others: References of other models; one that is the base's is left out.
        dev: The line's dev queries and the passages that they are searched in. The passages were cut for the base:
            a model that takes shorter texts sees only their beginnings, as it would in a run.

    Raises:
        UserError: NO_DEV_QUERIES, or why the base cannot be scored.
    """
    if not dev.queries:
        raise UserError("NO_DEV_QUERIES", "nothing to compare bases on", fix="Raise pairs.shares.dev.")
    found = [score(base, dev), *(_tried(one, dev) for one in dict.fromkeys(others) if one != base)]
    return sorted(found, key=lambda one: (bool(one.problem), -one.quality))


def score(reference: str, dev: DevSet) -> Base:
    """Fetch a model as a run would fetch its base, and score it.

    Raises:
        UserError: NO_HUB, NO_MODEL, UNSAFE_MODEL, NOT_A_MODEL and what else pulling and loading raise.
    """
    address = split_reference(reference)[0]
    if not is_store(address) and not Path(address).exists() and HUB_ID.fullmatch(reference):
        fix = "Write hf:// before it to take it from the Hub."
        raise UserError("NO_HUB", "no folder here has that name", fix=fix)
    pinned = pin(reference, base=True)
    if not pinned:
        raise UserError("NO_MODEL", f"{reference} holds no model", found="nothing was ever promoted there")
    with tempfile.TemporaryDirectory() as work:
        pull(pinned, Path(work) / "model", optional=False)
        return _measured(reference, Model.open(Path(work) / "model").path, dev)


def _tried(reference: str, dev: DevSet) -> Base:
    """Score a model, or say why that is not possible: one that fails must not end the comparison."""
    name = domain(split_reference(reference)[0])
    try:
        return score(reference, dev)
    except TouchstoneError as error:
        found = f"{error.what}: {error.found}" if error.found else error.what
        return Base(reference, name, problem=found)
    except Exception as error:  # too large for the GPU, an architecture that does not run here, and so on
        return Base(reference, name, problem=unexpected(error, "while it was scored").what)
    finally:
        gc.collect()


def _measured(reference: str, folder: Path, dev: DevSet) -> Base:
    model = load(folder)
    encoder = Encoder(model)
    queries = encoder.queries(dev.queries)
    start = time.monotonic()
    passages = encoder.passages(dev.index.texts, f"passages of {split_reference(reference)[0].rpartition('/')[2]}")
    seconds = max(time.monotonic() - start, 1e-9)
    return Base(
        reference,
        domain(split_reference(reference)[0]),
        quality=float(dev.scores(queries, passages).mean()),
        parameters=sum(part.numel() for part in model.parameters()) / 1e6,
        dimension=passages.shape[1],
        tokens=model.max_seq_length or 0,
        licence=licence.named(folder),
        rate=len(passages) / seconds,
    )


def main(request: str, out: str) -> int:
    """Compare what the file `request` names and write the rows to `out`.

    Args:
        request: JSON with `base`, `others`, `judged`, `passages` (artifacts' paths) and `documents` (how many to
            search in).
        out: Where the rows go, as JSON.
    """
    try:
        with step("bases"):
            asked = json.loads(Path(request).read_bytes())
            dev = DevSet.read(Path(asked["judged"]), Path(asked["passages"]), asked["documents"])
            found = compare(asked["base"], asked["others"], dev)
            Path(out).write_text(json.dumps([asdict(one) for one in found]))
            note(f"{len(found)} bases on {len(dev.queries):,} dev queries and {len(dev.index.texts):,} passages")
    except TouchstoneError:
        return 1  # the step has told it
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

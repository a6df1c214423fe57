"""How the Hugging Face Hub is asked: a client with limits, one place that asks again, typed errors.

HF_ENDPOINT names an enterprise Hub or a mirror, HF_TOKEN (or `hf auth login`) says who asks, HF_HUB_OFFLINE forbids it.
Steps are offline for every library, whoever started them (`events.environment`): only what is asked here goes out.
The library's own retries are switched off for answers: they would wait as long as a header says, and beside ours they
would multiply. What a server may have done already is never sent again from here (`Repository.commit`).
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils._http import default_client_factory, hf_raise_for_status, parse_ratelimit_headers
from huggingface_hub.utils.tqdm import disable_progress_bars

from components.store.addresses import on_loopback
from components.store.errors import TouchstoneError, TransientError, UserError
from components.store.events import OFFLINE

TIMEOUT = 60.0
"""Seconds without a byte of an answer before the question counts as unanswered."""
TRIES = 4
PAUSE = 1.0
"""Seconds before the second try, at most; each next pause is twice as long."""
LONGEST = 90.0
"""The longest wait that the Hub may ask for (its windows are five minutes); a longer one ends the step."""
BUSY = {408, 409, 412, 425, 429}
"""Refusals that a later try may not meet; 5xx are others."""

T = TypeVar("T")


def opened() -> huggingface_hub.HfApi:
    """The library's client for the endpoint of the environment.

    Raises:
        UserError: HUB_INSECURE when it would send a token, or get weights, without encryption.
    """
    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or constants.ENDPOINT
    parts = urlsplit(endpoint)
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and on_loopback(parts.hostname))):
        fix = "Name the Hub's address with https:// in HF_ENDPOINT."
        raise UserError("HUB_INSECURE", "HF_ENDPOINT is no https address", found=parts.scheme or "none", fix=fix)
    return huggingface_hub.HfApi(endpoint=endpoint)


def asked(what: str, ask: Callable[[], T]) -> T:
    """Ask, again after a pause where the Hub or the way to it fails; only for what may be done twice.

    Args:
        what: Whom or what for, as messages name it: `the model owner/name`.
        ask: The question.

    Raises:
        UserError: NO_SUCH_REPOSITORY, NO_SUCH_REVISION, NO_TOKEN, BAD_TOKEN, HUB_FORBIDDEN, HUB_TOO_LARGE,
            HUB_REFUSED, HUB_OFFLINE.
        TransientError: HUB_UNREACHABLE.
    """
    for number in range(TRIES):
        try:
            with online():
                return ask()
        except Exception as error:  # the library's own, httpx's and the system's
            told, wait = judged(error, what), waiting(error)
            if not isinstance(told, TransientError) or wait > LONGEST or number == TRIES - 1:
                raise told from None
        time.sleep(max(wait, random.uniform(0.5, 1) * PAUSE * 2**number))
    raise AssertionError("the last try returns or raises")


@contextlib.contextmanager
def online() -> Iterator[None]:
    """Let the library ask the Hub for as long as the block lasts, unless the person who runs this forbids it.

    Raises:
        UserError: HUB_OFFLINE.
    """
    global _inside
    if (os.environ.get(OFFLINE) or os.environ.get("HF_HUB_OFFLINE", "")).upper() in ("1", "ON", "YES", "TRUE"):
        raise judged(OfflineModeIsEnabled(), "")
    with _lock:
        _inside += 1
        constants.HF_HUB_OFFLINE = False
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            constants.HF_HUB_OFFLINE = _usual and not _inside


def judged(error: Exception, what: str) -> TouchstoneError:
    """The typed error for what the library raised; a TransientError where asking again may help."""
    if isinstance(error, TouchstoneError):
        return error
    if isinstance(error, OfflineModeIsEnabled):
        fix = "Unset it, or do this where the Hub can be reached."
        return UserError("HUB_OFFLINE", "HF_HUB_OFFLINE forbids to ask the Hub", fix=fix)
    status = _status(error)
    if isinstance(error, RepositoryNotFoundError | HFValidationError):  # what is private or gated is not found either
        fix = "Look at its name; for a private or gated one set HF_TOKEN."
        return UserError("NO_SUCH_REPOSITORY", f"the Hub has no {what}", fix=fix)
    if isinstance(error, RevisionNotFoundError):
        return UserError("NO_SUCH_REVISION", f"the {what} has no such revision")
    if isinstance(error, EntryNotFoundError):
        return UserError("NO_SUCH_FILE", f"the {what} has no such file")
    if 400 <= status < 500 and status not in BUSY:
        return _refused(status, what)
    found = f"{status}{_again(waiting(error))}" if status else type(error).__name__
    fix = "Try again later, or name a mirror of the Hub in HF_ENDPOINT."
    return TransientError("HUB_UNREACHABLE", f"the Hub does not answer for {what}", found=found, fix=fix)


def conflict(error: Exception) -> bool:
    """Whether the Hub says that the branch has moved: 412, "A commit has happened since"."""
    return _status(error) == 412


def waiting(error: Exception) -> float:
    """Seconds that the Hub asks to wait (`RateLimit: "api";r=0;t=55`, or `Retry-After`); 0 without a word."""
    headers: Any = next((one.response.headers for one in _causes(error) if isinstance(one, HfHubHTTPError)), {})
    limit = parse_ratelimit_headers(headers)
    if limit and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    told = str(headers.get("Retry-After", ""))
    return float(told) if told.isdigit() else 0.0


def signed_in(api: huggingface_hub.HfApi) -> dict[str, Any]:
    """Who the token belongs to.

    Raises:
        UserError: NO_TOKEN, BAD_TOKEN.
    """
    if huggingface_hub.get_token() is None:
        raise _refused(401, "question who asks")
    return asked("question who asks", api.whoami)


def _refused(status: int, what: str) -> UserError:
    if status == 401 and huggingface_hub.get_token() is None:
        fix = "Set HF_TOKEN, from a secret and never in the recipe."
        return UserError("NO_TOKEN", f"the Hub wants a token for the {what}", fix=fix)
    if status == 401:
        fix = "Make a new one in the Hub's settings, and set HF_TOKEN to it."
        return UserError("BAD_TOKEN", f"the Hub does not accept the token for the {what}", fix=fix)
    if status in (402, 403):
        fix = "Publishing needs a token that may write there, and room in the owner's storage."
        return UserError("HUB_FORBIDDEN", f"the token may not do this with the {what}", found=str(status), fix=fix)
    if status == 404:
        return UserError("NO_SUCH_REPOSITORY", f"the Hub has no {what}", fix="Look at its name and at the token.")
    if status == 413:
        fix = "Publish a smaller model, or ask the Hub's operator for more room."
        return UserError("HUB_TOO_LARGE", f"the Hub does not take so much for the {what}", found="413", fix=fix)
    return UserError("HUB_REFUSED", f"the Hub refuses what was asked of the {what}", found=str(status))


def _again(seconds: float) -> str:
    return f", and again in {seconds:.0f} s at the earliest" if seconds else ""


def _status(error: Exception) -> int:
    return next((int(one.response.status_code) for one in _causes(error) if isinstance(one, HfHubHTTPError)), 0)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and what it was raised from: an upload that fails is wrapped."""
    while error is not None:
        yield error
        error = error.__cause__


def _limited() -> Any:
    """The library's HTTP client, with a time limit on every question and errors raised where it would retry."""

    def bounded(request: Any) -> None:
        known = request.extensions.get("timeout") or {}
        limits = {name: known.get(name) or TIMEOUT for name in ("connect", "read", "write", "pool")}
        request.extensions = {**request.extensions, "timeout": limits}

    def told(response: Any) -> None:
        if response.status_code in (408, 429) or response.status_code >= 500:
            response.read()
            hf_raise_for_status(response)

    client = default_client_factory()
    hooks = client.event_hooks
    client.event_hooks = {"request": [*hooks["request"], bounded], "response": [*hooks["response"], told]}
    return client


_lock, _inside, _usual = threading.Lock(), 0, constants.HF_HUB_OFFLINE
constants.HF_HUB_DISABLE_XET = True  # its uploads neither ask what a server speaks nor fall back (huggingface_hub#4507)
disable_progress_bars()
huggingface_hub.set_client_factory(_limited)

"""What Kubeflow Pipelines answers when it does not do as asked, as errors that a person can act on."""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from kfp_server_api.exceptions import ApiException
from urllib3.exceptions import HTTPError

from components.store.errors import TouchstoneError, TransientError, UserError

T = TypeVar("T")

TRIES = 4
PAUSE = 2.0
"""Seconds before the second try; twice as long before each further one."""

_NOBODY = ("unauthenticated", "no user identity", "invalid_token")
_DENIED = ("not authorized", "permissiondenied", "authorization failure")


class AlreadyThere(TouchstoneError):
    """Somebody else made it first."""


def patiently(ask: Callable[[], T]) -> T:
    """What `ask` returns; a server that is away for a moment is asked again.

    Raises:
        UserError: KFP_LOGIN, KFP_FORBIDDEN, KFP_NOT_FOUND, KFP_REFUSED.
        TransientError: KFP_UNAVAILABLE after several tries.
        AlreadyThere: When what was to be made is there.
    """
    for attempt in range(TRIES):
        try:
            with typed():
                return ask()
        except TransientError:
            if attempt == TRIES - 1:
                raise
            time.sleep(PAUSE * 2**attempt * random.uniform(0.5, 1))
    raise AssertionError


@contextlib.contextmanager
def typed() -> Iterator[None]:
    """Turn what kfp's client raises into errors of ours."""
    try:
        yield
    except ApiException as error:
        raise _told(error.status or 0, _message(error)) from None
    except HTTPError as error:  # urllib3's: no answer at all
        raise _away(type(error).__name__) from None


def _told(status: int, message: str) -> TouchstoneError:
    """The error for a status; "who are you?" may come as 400 or 500, and as a redirect to a login page."""
    words = message.lower()
    if 300 <= status < 400 or status == 401 or any(word in words for word in _NOBODY):
        return login(message)
    if status == 403 or any(word in words for word in _DENIED):
        fix = "Check cluster.namespace (a missing one is denied too) and the role binding of who asks."
        return UserError("KFP_FORBIDDEN", "Kubeflow Pipelines denies it", found=message, fix=fix)
    if status == 409:
        return AlreadyThere("KFP_EXISTS", "it is there already", found=message)
    if status == 404:
        fix = "Check cluster.host, with its path, and that Kubeflow Pipelines is of version 2.17 or newer."
        return UserError("KFP_NOT_FOUND", "Kubeflow Pipelines knows no such thing", found=message, fix=fix)
    if status in (0, 429) or status >= 500:
        return _away(f"{status} {message}".strip())
    return UserError("KFP_REFUSED", "Kubeflow Pipelines refuses it", found=message, fix="Mend what it says.")


def login(found: str) -> UserError:
    """Nobody is logged in, or not any more."""
    fix = "Set KF_PIPELINES_TOKEN or KF_PIPELINES_COOKIE anew, or run where a service account's token is mounted."
    return UserError("KFP_LOGIN", "Kubeflow Pipelines does not know who asks", found=found, fix=fix)


def _away(found: str) -> TransientError:
    fix = "Look at the pods ml-pipeline and mysql of Kubeflow; then do it again, nothing is done twice."
    return TransientError("KFP_UNAVAILABLE", "Kubeflow Pipelines does not answer", found=found, fix=fix)


def _message(error: ApiException) -> str:
    """The first line of what the server says; below it stands a Go stack."""
    body: Any = error.body or ""
    with contextlib.suppress(ValueError, TypeError):
        told = json.loads(body)
        body = next((told[name] for name in ("error", "message", "error_message") if told.get(name)), body)
    text = str(body or error.reason or "")
    return text.split("\n")[0][:200] if not text.lstrip().startswith("<") else "a page, not an answer of the API"

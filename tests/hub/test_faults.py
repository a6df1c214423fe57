"""Publishing through a network and a store that misbehave: each answer reaches the right end, and never two."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.hub import moving
from components.store import s3_client
from components.store.errors import TouchstoneError
from components.store.pull import pin
from components.store.s3_models import S3Models
from pipelines.s3_server import S3Server
from tests.hub.test_publish import Line
from tests.servers.faulty_s3 import ALWAYS, Fault, faulty
from tests.store.faults import impatient

POINTER = "/hub/production.json"
MENDED = {
    "reset before the answer": {"kind": "silence"},
    "answer lost after it was done": {"kind": "lost"},
    "500": {"kind": "status", "status": 500, "code": "InternalError"},
    "502": {"kind": "status", "status": 502, "code": "BadGateway"},
    "429": {"kind": "status", "status": 429, "code": "TooManyRequests", "headers": {"Retry-After": "1"}},
    "503": {"kind": "status"},
    "409, another write is under way": {"kind": "status", "status": 409, "code": "ConditionalRequestConflict"},
    "412, though nobody moved": {"kind": "status", "status": 412, "code": "PreconditionFailed"},
    "401": {"kind": "status", "status": 401, "code": "ExpiredToken"},
}
"""Once, on the pointer's write: it is the promotion all the same."""
ENDS = {
    "denied": ({"kind": "status", "status": 403, "code": "AccessDenied"}, "ACCESS_DENIED"),
    "no such bucket": ({"kind": "status", "status": 404, "code": "NoSuchBucket"}, "NO_SUCH_BUCKET"),
    "too large": ({"kind": "status", "status": 413, "code": "EntityTooLarge"}, "STORE_FULL"),
    "a full bucket": ({"kind": "status", "status": 507, "code": "QuotaExceeded"}, "STORE_FULL"),
    "500 for good": ({"kind": "status", "status": 500, "code": "InternalError"}, "PROMOTION_OPEN"),
    "never an answer": ({"kind": "silence"}, "PROMOTION_OPEN"),
    "somebody always in between": ({"kind": "status", "status": 412, "code": "PreconditionFailed"}, "PROMOTION_OPEN"),
}
"""Always, on the pointer's write: a typed end, and production where it was."""


@pytest.fixture
def line(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Line:
    """A line with a champion, and no waiting between tries."""
    monkeypatch.setattr(moving, "PAUSE", 0.001)
    found = Line(f"{place}/state", f"{place}/hub", tmp_path)
    found.publish("one")
    return found


def through(line: Line, s3: S3Server, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> str:
    """Publish the second candidate while the fault lasts; its outcome, or the error's code."""
    champion = pin(line.hub)
    verdict = line.verdict("two", champion)
    with faulty(s3.endpoint, fault) as proxy, impatient(20), monkeypatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL_S3", proxy.endpoint)
        s3_client.client.cache_clear()
        try:
            return line.publish("two", champion, verdict).outcome
        except TouchstoneError as error:
            return error.code
        finally:
            patched.undo()
            s3_client.client.cache_clear()
            assert fault.hits


@pytest.mark.parametrize("case", MENDED)
def test_what_happens_once_is_not_noticed(line: Line, s3: S3Server, monkeypatch: pytest.MonkeyPatch, case: str) -> None:
    fault = Fault(method="PUT", match=POINTER, **MENDED[case])  # type: ignore[arg-type]
    assert through(line, s3, monkeypatch, fault) == "PROMOTED"
    assert [one.run for one in S3Models(line.hub).history()] == ["run-two", "run-one"]


@pytest.mark.parametrize("case", ENDS)
def test_what_does_not_end_is_a_typed_error_and_production_stays(
    line: Line, s3: S3Server, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    made, code = ENDS[case]
    before = line.production()
    fault = Fault(method="PUT", match=POINTER, times=ALWAYS, **made)  # type: ignore[arg-type]
    assert through(line, s3, monkeypatch, fault) == code
    assert line.production() == before
    assert line.publish("two", f"{line.hub}@{before.revision}").outcome == "PROMOTED", "and later it can be done"


def test_an_answer_lost_after_every_try_is_found_by_the_next_run(
    line: Line, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion = pin(line.hub)
    fault = Fault("lost", method="PUT", match=POINTER, times=ALWAYS)
    assert through(line, s3, monkeypatch, fault) == "PROMOTED", "reading shows it"
    assert line.publish("two", champion).outcome == "ALREADY_PROMOTED"
    assert len(list(S3Models(line.hub).history())) == 2

"""The proxy really does what its script says: a client that neither retries nor verifies notices every kind."""

import http.client
import time
from urllib.parse import urlsplit

import boto3
import pytest
from botocore import exceptions as aws
from botocore.config import Config

from components.store.s3 import Folder
from tests.servers.faulty_s3 import ALWAYS, Fault, faulty

BODY = b"0123456789" * 100


def trusting(endpoint: str):
    """A client with one try and no checks."""
    checks = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    once = Config(retries={"total_max_attempts": 1}, read_timeout=1, **checks)
    return boto3.Session().client("s3", endpoint_url=endpoint, config=once)


def read(endpoint: str, place: str, **wanted: str) -> bytes:
    bucket, _, prefix = place.removeprefix("s3://").partition("/")
    return trusting(endpoint).get_object(Bucket=bucket, Key=f"{prefix}/key", **wanted)["Body"].read()


@pytest.fixture
def written(place: str) -> str:
    Folder(place).write("key", BODY)
    return place


def test_without_a_script_the_real_server_answers(s3, written):
    with faulty(s3.endpoint) as proxy:
        assert read(proxy.endpoint, written) == BODY
        assert read(proxy.endpoint, written, Range="bytes=3-5") == b"345"
        assert proxy.asked("GET", "/key") == 2
        with pytest.raises(aws.ClientError, match="PreconditionFailed"):
            read(proxy.endpoint, written, IfMatch='"0"')


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (Fault("status"), "SlowDown"),
        (Fault("status", status=403, code="AccessDenied"), "AccessDenied"),
        (Fault("silence"), "Connection"),
        (Fault("reset", at=10), "Connection"),
        (Fault("truncate", at=0), "IncompleteRead"),
        (Fault("truncate", at=10), "IncompleteRead"),
        (Fault("length", at=5), "IncompleteRead"),
        (Fault("delay", seconds=2), "Read timeout"),
        (Fault("drip_headers", seconds=2), "Read timeout"),
        (Fault("drip", seconds=2), "Read timeout"),
        (Fault("lost"), "Connection"),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_a_client_without_retries_fails(s3, written, fault, raised):
    with faulty(s3.endpoint, fault) as proxy:
        with pytest.raises((aws.ClientError, aws.BotoCoreError), match=raised):
            read(proxy.endpoint, written)
        assert fault.hits == 1


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (Fault("flip", at=10), BODY[:10] + b"1" + BODY[11:]),
        (Fault("length", at=-10), BODY[:-10]),
        (Fault("answer", respond=lambda target: b"another", headers={"ETag": '"1"'}), b"another"),
        (Fault("edit", change=bytes.upper), BODY),
    ],
    ids=lambda value: value.kind if isinstance(value, Fault) else "",
)
def test_a_client_without_checks_takes_what_comes(s3, written, fault, found):
    with faulty(s3.endpoint, fault) as proxy:
        assert read(proxy.endpoint, written) == found
        assert fault.hits == 1


def test_a_checksum_that_is_wrong_is_seen_by_those_who_look(s3, written):
    fault = Fault("headers", headers={"X-Amz-Checksum-Crc32": "AAAAAA=="})
    with faulty(s3.endpoint, fault) as proxy, pytest.raises(aws.FlexibleChecksumError):
        read(proxy.endpoint, written, ChecksumMode="ENABLED")


def test_a_write_changes_on_its_way_or_its_answer_is_lost(s3, place):
    bucket, _, key = f"{place}/key".removeprefix("s3://").partition("/")
    with faulty(s3.endpoint, Fault("flip_request", method="PUT", at=1), Fault("lost", method="PUT")) as proxy:
        with pytest.raises(aws.BotoCoreError):
            trusting(proxy.endpoint).put_object(Bucket=bucket, Key=key, Body=b"abc")
        assert proxy.hits == 2
    with faulty(s3.endpoint) as proxy:
        assert read(proxy.endpoint, place) == b"acc"


def test_only_the_requests_meant_are_hit_and_only_so_often(s3, written):
    ran: list[int] = []
    fault = Fault("run", match="/key$", after=1, times=2, action=lambda: ran.append(1))
    other = Fault("status", match="/another", times=ALWAYS)
    with faulty(s3.endpoint, fault, other) as proxy:
        for _ in range(5):
            read(proxy.endpoint, written)
    assert (len(ran), fault.seen, fault.hits, other.hits) == (2, 5, 2, 0)


def test_a_drip_takes_its_time_and_ends_with_the_proxy(s3, written):
    with faulty(s3.endpoint, Fault("drip", seconds=0.002)) as proxy:
        began = time.monotonic()
        assert read(proxy.endpoint, written) == BODY
        assert time.monotonic() - began > 1.5
    with faulty(s3.endpoint, Fault("drip", seconds=60)) as proxy:
        connection = http.client.HTTPConnection(urlsplit(proxy.endpoint).netloc, timeout=10)
        connection.request("GET", "/status")
        answer = connection.getresponse()
    began = time.monotonic()
    answer.read()
    connection.close()
    assert time.monotonic() - began < 5

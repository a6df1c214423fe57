"""Reading objects in the version listed: many small ones fast, large ones into a file."""

import dataclasses
import datetime
import hashlib
import ipaddress
import itertools
import multiprocessing
import os
import time
import tracemalloc
import zlib
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import botocore.endpoint
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from components.store import s3_client, s3_fetch, s3_read
from components.store.connection import USUAL, Connection
from components.store.errors import TouchstoneError, UserError
from components.store.s3 import Entry, Folder
from components.store.s3_client import client
from components.store.s3_fetch import address, fetch
from components.store.s3_read import PIECE, download_exact, read_exact
from tests.servers.faulty_s3 import ALWAYS, Fault, faulty

BODIES = {f"{n % 7}/{n:03}.txt": f"text {n}".encode() * n for n in range(200)}
ODD = {key: key.encode() for key in ("a b", "\u00e9", "e\u0301", "%2e%2e/x", "a+b", "tab\t", "x\x01", "A", "..a")}
ODD["marker/"] = b""
SSE = {"X-Amz-Server-Side-Encryption": "aws:kms"}


@pytest.fixture(scope="module")
def small(s3) -> Folder:
    folder = Folder("s3://tests/fetched")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda item: folder.write(*item), {**BODIES, **ODD}.items()))
    return folder


@pytest.fixture
def few(place: str) -> Folder:
    for n in range(5):
        Folder(place).write(str(n), bytes([n]) * 100)
    return Folder(place)


@pytest.fixture
def at_once(monkeypatch) -> None:
    """No waiting between tries."""
    monkeypatch.setattr(s3_read, "time", SimpleNamespace(sleep=lambda _: None, monotonic=time.monotonic))


def codes(found: Iterator[tuple[Entry, bytes | TouchstoneError]]) -> dict[str, object]:
    return {entry.key: body.code if isinstance(body, TouchstoneError) else body for entry, body in found}


def test_every_object_comes_whole_in_the_order_asked_for(small):
    wanted = sorted(small.entries(), key=lambda entry: entry.etag)
    found = list(fetch(iter(wanted)))
    assert [entry for entry, _ in found] == wanted
    assert {entry.key: body for entry, body in found} == {**BODIES, **ODD}


def test_plain_keys_take_one_request_each_at_the_connection_given(s3, small):
    wanted = [entry for entry in small.entries() if entry.key in BODIES]
    with faulty(s3.endpoint) as proxy:
        assert codes(fetch(wanted, Connection(endpoint=proxy.endpoint))) == BODIES
        assert len(proxy.requests) == len(BODIES)


def test_a_slow_consumer_holds_the_readers_back(s3, small):
    wanted = [entry for entry in small.entries() if entry.size > 1000][:60]
    with faulty(s3.endpoint) as proxy:
        found = fetch(wanted, Connection(endpoint=proxy.endpoint), memory=10_000)
        next(found)
        time.sleep(0.3)
        assert len(proxy.requests) < 15
        assert len(list(found)) == len(wanted) - 1
        before = len(proxy.requests)
        found = fetch(wanted, Connection(endpoint=proxy.endpoint), in_flight=2)
        next(found)
        time.sleep(0.3)
        found.close()
        assert len(proxy.requests) - before < 15


def test_an_object_that_was_replaced_or_deleted_has_changed(few):
    wanted = few.entries()
    few.write("1", b"new")
    few.delete("3")
    found = codes(fetch(wanted))
    assert {key: found[key] for key in "13"} == dict.fromkeys("13", "SNAPSHOT_CHANGED")
    assert {key: found[key] for key in "024"} == {key: bytes([int(key)]) * 100 for key in "024"}


def test_a_version_that_was_replaced_or_deleted_is_still_read(s3, tmp_path):
    folder = Folder("s3://kept")
    folder.ensure_bucket()
    client().put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    for key in "abc":
        folder.write(key, key.encode() * 10)
    wanted = folder.entries()
    folder.write("a", b"new")
    folder.delete("b")
    assert codes(fetch(wanted)) == {key: key.encode() * 10 for key in "abc"}
    download_exact(wanted[1], tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"b" * 10
    client().delete_object(Bucket="kept", Key="a", VersionId=wanted[0].version_id)
    assert codes(fetch(wanted[:1])) == {"a": "SNAPSHOT_CHANGED"}


@pytest.mark.parametrize(
    ("code", "message", "named"), [("AccessDenied", "", "no s3:GetObject"), ("AccessDenied", "kms: no", "kms:Decrypt")]
)
def test_one_object_that_is_denied_is_named_and_the_others_come(s3, few, code, message, named):
    refusal = Fault("status", match="/2$", status=403, code=code, headers={"message": message}, times=ALWAYS)
    with faulty(s3.endpoint, refusal) as proxy:
        found = dict(fetch(few.entries(), Connection(endpoint=proxy.endpoint)))
    errors = [(entry.key, body) for entry, body in found.items() if isinstance(body, TouchstoneError)]
    assert [(key, type(error), error.code) for key, error in errors] == [("2", UserError, "ACCESS_DENIED")]
    assert few.address("2") in str(errors[0][1])
    assert named in str(errors[0][1])


def encrypted(times: int = ALWAYS, **headers: str) -> tuple[Fault, list[Entry]]:
    """A server whose ETags are digits that have nothing to do with the bytes, as with SSE-KMS."""
    body = b"encrypted"
    wanted = [Entry(f"{n}", f"s3://tests/kms/{n}", len(body), hashlib.md5(b"other").hexdigest()) for n in range(40)]
    told = {"ETag": f'"{wanted[0].etag}"', "Last-Modified": "Mon, 23 Nov 2026 09:00:00 GMT", **headers}
    return Fault("answer", match="/kms/", respond=lambda _: body, headers=told, times=times), wanted


def test_an_etag_that_is_no_md5_is_believed_only_where_a_key_or_a_checksum_explains_it(s3, at_once):
    for headers, outcome in (
        ({}, "OBJECT_DAMAGED"),
        ({"X-Amz-Server-Side-Encryption": "AES256"}, "OBJECT_DAMAGED"),
        (SSE, b"encrypted"),
        ({"X-Amz-Checksum-Crc32": b64encode(zlib.crc32(b"encrypted").to_bytes(4)).decode()}, b"encrypted"),
        ({**SSE, "X-Amz-Checksum-Crc32": "AAAAAA=="}, "OBJECT_DAMAGED"),
    ):
        fault, wanted = encrypted(**headers)
        with faulty(s3.endpoint, fault) as proxy:
            assert codes(fetch(wanted[:1], Connection(endpoint=proxy.endpoint))) == {"0": outcome}, headers


@pytest.fixture(scope="session")
def certificates(tmp_path_factory) -> tuple[Path, Path, Path]:
    """Files of an authority's certificate, and of one it gave to 127.0.0.1 with its key."""
    folder = tmp_path_factory.mktemp("tls")
    authority, leaf = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Test authority")])
    today = datetime.datetime.now(datetime.UTC)
    extensions = {
        "ca": (x509.BasicConstraints(ca=True, path_length=0), authority),
        "leaf": (x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), leaf),
    }
    for file, (extension, key) in extensions.items():
        subject = name if file == "ca" else x509.Name([])
        made = x509.CertificateBuilder(name, subject, key.public_key(), x509.random_serial_number())
        dated = made.not_valid_before(today - datetime.timedelta(days=1)).not_valid_after(
            today + datetime.timedelta(days=1)
        )
        signed = dated.add_extension(extension, critical=True).sign(authority, hashes.SHA256())
        (folder / f"{file}.pem").write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    encoded = leaf.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(encoded)
    return folder / "ca.pem", folder / "leaf.pem", folder / "key.pem"


def test_an_authority_of_ones_own_is_trusted_where_it_is_named(s3, small, certificates, environment):
    authority, *certificate = certificates
    wanted = [entry for entry in small.entries() if entry.key in BODIES]
    with faulty(s3.endpoint, certificate=tuple(certificate)) as proxy:
        named = Connection(endpoint=proxy.endpoint, ca_bundle=str(authority))
        assert codes(fetch(wanted, named)) == BODIES
        lane = s3_fetch.lane_to(named, "tests")
        assert lane.read(f"fetched/{wanted[0].key}", wanted[0]) == BODIES[wanted[0].key], "the fast way trusts it too"
        assert Folder(small.uri, named).read("a b") == b"a b"
        unnamed = Connection(endpoint=proxy.endpoint)
        with pytest.raises(UserError, match="certificate is not trusted") as raised:
            Folder(small.uri, unnamed).read("a b")
        assert raised.value.code == "S3_UNTRUSTED"
        assert codes(fetch(wanted[:1], unnamed)) == {wanted[0].key: "S3_UNTRUSTED"}
        environment(AWS_CA_BUNDLE=str(authority))
        assert codes(fetch(wanted[:1], unnamed)) == {wanted[0].key: BODIES[wanted[0].key]}


def test_an_encrypted_bucket_is_learnt_and_read_fast_over_tls_alone(s3, certificates):
    authority, *certificate = certificates
    for tls in (True, False):
        fault, wanted = encrypted(**SSE)
        with faulty(s3.endpoint, fault, certificate=tuple(certificate) if tls else None) as proxy:
            there = Connection(endpoint=proxy.endpoint, ca_bundle=str(authority) if tls else None)
            list(fetch(wanted[:1], there))
            before = len(proxy.requests)
            slow = s3_fetch.lane_to(there, "tests").read("kms/1", wanted[1]) is None
            assert slow is not tls
            assert set(codes(fetch(wanted, there)).values()) == {b"encrypted"}
            assert before == 2
            assert len(proxy.requests) == before + tls + len(wanted), "one request each"


def test_a_busy_server_is_given_more_tries_than_botocore_has(s3, few, at_once, monkeypatch):
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=lambda _: None))
    busy = Fault("status", match="/3$", times=8)
    with faulty(s3.endpoint, busy) as proxy:
        assert codes(fetch(few.entries(), Connection(endpoint=proxy.endpoint)))["3"] == bytes([3]) * 100
    assert busy.hits == 8


def test_after_many_failures_in_a_row_the_fast_way_rests(s3, small, monkeypatch):
    wanted = [entry for entry in small.entries() if entry.key in BODIES][:60]
    first_tries = [Fault("status", match=f"{entry.key}$") for entry in wanted[: s3_fetch.MISSES]]
    with faulty(s3.endpoint, *first_tries) as proxy:
        there = Connection(endpoint=proxy.endpoint)
        found = codes(fetch(wanted, there, in_flight=1))
        assert found == {entry.key: BODIES[entry.key] for entry in wanted}
        assert len(proxy.requests) == len(wanted) + s3_fetch.MISSES
        lane = s3_fetch.lane_to(there, "tests")
        key = f"fetched/{wanted[0].key}"
        assert lane.read(key, wanted[0]) is None
        monkeypatch.setattr(s3_fetch, "time", SimpleNamespace(monotonic=lambda: lane._rests_until + 1))
        assert lane.read(key, wanted[0]) == BODIES[wanted[0].key]


def _in_a_child(address: str, answer: "multiprocessing.Queue[int]") -> None:
    folder = Folder(address)
    answer.put(sum(isinstance(body, bytes) for _, body in fetch(folder.entries())))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_child_process_reads_with_clients_of_its_own(small, method):
    """The parent has read before: its threads and connections do not exist in the child."""
    list(fetch(small.entries()))
    context = multiprocessing.get_context(method)
    answer = context.Queue()
    child = context.Process(target=_in_a_child, args=(small.uri, answer), daemon=True)
    child.start()
    assert answer.get(timeout=60) == len(BODIES) + len(ODD)
    child.join()


def test_credentials_that_ran_out_are_asked_for_again(s3, few, environment, tmp_path):
    file = tmp_path / "credentials"
    environment(AWS_ACCESS_KEY_ID=None, AWS_SECRET_ACCESS_KEY=None, AWS_SHARED_CREDENTIALS_FILE=str(file))

    def renew(key: str) -> None:
        file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {s3.secret_key}\n")

    renew(s3.access_key)
    wanted = few.entries()
    expired = Fault("status", method="GET|PUT", status=400, code="ExpiredToken")
    with faulty(s3.endpoint, expired) as proxy:
        there = Connection(endpoint=proxy.endpoint)
        renew("AKIARANOUT")
        client(there)
        renew(s3.access_key)
        few_there = Folder(few.uri, there)
        few_there.write("0", bytes(100))
        assert few_there.read("0") == bytes(100)
        expired.seen, expired.times = 0, ALWAYS
        assert codes(fetch(wanted[1:2], there)) == {"1": "BAD_CREDENTIALS"}


def test_a_pods_role_is_taken_and_renewed_for_both_ways_of_reading(s3, environment, tmp_path):
    """Web identity (IRSA), with credentials so short-lived that they are due again at once."""
    (tmp_path / "token").write_text("of the service account")
    role = {"AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/docs", "AWS_WEB_IDENTITY_TOKEN_FILE": f"{tmp_path}/token"}
    body, numbers = b"text", itertools.count()
    entry = Entry("a", "s3://docs/a", len(body), hashlib.md5(body).hexdigest())
    told = {"ETag": f'"{entry.etag}"', "Last-Modified": "Mon, 23 Nov 2026 09:00:00 GMT"}
    assume = Fault("answer", method="POST", respond=lambda _: assumed_role(next(numbers)), times=ALWAYS)
    read = Fault("answer", match="/docs/a", respond=lambda _: body, headers=told, times=ALWAYS)
    with faulty(s3.endpoint, assume, read) as proxy:
        keys = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_ENDPOINT_URL_STS": proxy.endpoint}
        environment(**keys, **role)
        there = Connection(endpoint=proxy.endpoint)
        for _ in range(2):
            assert read_exact(entry, there).body == body
            assert s3_fetch.lane_to(there, "docs").read("a", entry) == body
        sent = zip(proxy.headers, proxy.requests, strict=True)
        used = [headers["x-amz-security-token"] for headers, request in sent if "/docs/a" in request]
    assert len(used) == 4
    assert used[0] < used[2], "boto3's second read"
    assert set(used) <= {f"token-{n}" for n in range(9)}


def assumed_role(number: int) -> bytes:
    """The answer of AWS's token service (API_AssumeRoleWithWebIdentity), for five minutes."""
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=5)
    parts = {"AccessKeyId": "ASIAROLE", "SecretAccessKey": "secret", "SessionToken": f"token-{number}"}
    rows = "".join(f"<{name}>{value}</{name}>" for name, value in parts.items())
    text = f"<Credentials>{rows}<Expiration>{until:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>"
    result = f"<AssumeRoleWithWebIdentityResult>{text}</AssumeRoleWithWebIdentityResult>"
    return f"<AssumeRoleWithWebIdentityResponse>{result}</AssumeRoleWithWebIdentityResponse>".encode()


def test_an_address_is_the_one_that_boto3_resolved(environment, s3):
    environment(AWS_ENDPOINT_URL_S3=None)
    west = "https://s3.eu-west-1.amazonaws.com"
    for connection, bucket, expected in (
        (Connection(region="eu-west-1"), "docs", ("https://docs.s3.eu-west-1.amazonaws.com", True)),
        (Connection(region="eu-west-1"), "dotted.docs", (west, False)),
        (Connection(region="eu-west-1", path_style=True), "docs", (west, False)),
        (Connection(endpoint="http://minio:9000/"), "docs", ("http://minio:9000", False)),
        (Connection(endpoint="http://minio:9000", path_style=False), "docs", ("http://docs.minio:9000", True)),
    ):
        assert address(connection, bucket) == expected


def test_variables_that_only_the_fast_client_knows_do_not_lead_it_elsewhere(s3, few, environment):
    wanted = few.entries()
    with faulty(s3.endpoint) as proxy, faulty(s3.endpoint) as decoy:
        environment(AWS_ENDPOINT=decoy.endpoint, AWS_ENDPOINT_URL=decoy.endpoint, AWS_SKIP_SIGNATURE="true")
        assert len(codes(fetch(wanted, Connection(endpoint=proxy.endpoint)))) == 5
        assert (len(proxy.requests), len(decoy.requests)) == (5, 0)


@pytest.fixture(scope="module")
def large(s3) -> tuple[Entry, bytes]:
    body = os.urandom(6 * PIECE + 12_345)
    folder = Folder("s3://tests/large")
    folder.write("file", body)
    (entry,) = folder.entries()
    return entry, body


def test_a_large_object_goes_on_where_it_broke_off(s3, large, tmp_path):
    entry, body = large
    cuts = [Fault("truncate", match="/file", after=n, at=2 * PIECE + 77) for n in range(2)]
    with faulty(s3.endpoint, *cuts) as proxy:
        download_exact(entry, tmp_path / "new" / "file", Connection(endpoint=proxy.endpoint))
        assert len(proxy.requests) == 3
    assert (tmp_path / "new" / "file").read_bytes() == body
    assert os.listdir(tmp_path / "new") == ["file"]


def test_a_large_object_takes_little_memory(large, tmp_path):
    entry, body = large
    tracemalloc.start()
    download_exact(entry, tmp_path / "file")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < len(body) // 2


def test_a_transfer_that_creeps_on_is_given_up(s3, large, tmp_path, at_once):
    entry, _ = large
    crumbs = Fault("truncate", match="/file", at=10, times=ALWAYS)
    with faulty(s3.endpoint, crumbs) as proxy, pytest.raises(TouchstoneError) as raised:
        download_exact(entry, tmp_path / "file", Connection(endpoint=proxy.endpoint))
    assert raised.value.code == "S3_INTERRUPTED"
    assert os.listdir(tmp_path) == []


def test_an_object_replaced_while_it_is_read_has_changed(s3, place, tmp_path):
    folder = Folder(place)
    folder.write("file", b"old" * PIECE)
    (entry,) = folder.entries()
    cut = Fault("truncate", match="/file", at=PIECE + 1)
    swap = Fault("run", match="/file", after=1, action=lambda: folder.write("file", b"new" * PIECE))
    with faulty(s3.endpoint, cut, swap) as proxy, pytest.raises(TouchstoneError) as raised:
        download_exact(entry, tmp_path / "file", Connection(endpoint=proxy.endpoint))
    assert (raised.value.code, swap.hits) == ("SNAPSHOT_CHANGED", 1)
    assert os.listdir(tmp_path) == []


def test_bytes_of_another_size_than_listed_are_never_given_out(few, tmp_path, at_once):
    (entry, *_) = few.entries()
    for size in (0, 99, 101):
        wrong = dataclasses.replace(entry, size=size)
        assert codes(fetch([wrong])) == {"0": "OBJECT_DAMAGED"}
        with pytest.raises(TouchstoneError, match="arrives damaged"):
            download_exact(wrong, tmp_path / "file")


def test_an_object_of_nothing_is_an_object(place, tmp_path):
    Folder(place).write("nothing", b"")
    (entry,) = Folder(place).entries()
    assert codes(fetch([entry])) == {"nothing": b""}
    assert read_exact(entry).body == b""
    download_exact(entry, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b""


def test_clients_are_made_once_for_each_connection(s3):
    assert client(Connection(endpoint=s3.endpoint)) is client(Connection(endpoint=s3.endpoint))
    assert client(Connection(endpoint=s3.endpoint)) is not client(USUAL)
    assert client(Connection(region="eu-west-1")).meta.region_name == "eu-west-1"
    assert s3_client.session_of(client(USUAL)).get_credentials().access_key == s3.access_key

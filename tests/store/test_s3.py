"""The S3 door, against a real server."""

import json
import socket
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from types import SimpleNamespace

import botocore.endpoint
import pytest

from components.store import s3 as door
from components.store.errors import TouchstoneError, TransientError, UserError
from components.store.s3 import READS, Entry, Folder
from tests.servers.broken_bodies import BODY, breaking_off

WRONG = "a-wrong-but-still-secret-key"


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """What botocore would have waited between its tries."""
    found: list[float] = []
    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=found.append))
    return found


@pytest.fixture(scope="module")
def forbidden(s3) -> Folder:
    """A bucket in which nothing is allowed."""
    folder = Folder("s3://forbidden")
    folder.ensure_bucket()
    rule = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "arn:aws:s3:::forbidden/*"}
    listing = rule | {"Action": "s3:ListBucket", "Resource": "arn:aws:s3:::forbidden"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [rule, listing]})
    door._client().put_bucket_policy(Bucket="forbidden", Policy=policy)
    return folder


@pytest.mark.parametrize(
    "address",
    [
        "",
        "bucket/prefix",
        "http://bucket/prefix",
        "s3://",
        "s3:///prefix",
        "s3://two words/prefix",
        f"s3://k:{WRONG}/x@b",
    ],
)
def test_an_address_that_names_no_bucket_is_refused(address):
    with pytest.raises(UserError) as raised:
        Folder(address)
    assert raised.value.code == "BAD_ADDRESS"
    assert WRONG not in str(raised.value)


def test_a_missing_bucket_is_named(s3):
    folder = Folder("s3://no-such-bucket/prefix")
    for use in (lambda: folder.read("a"), lambda: folder.find("a"), lambda: list(folder.list())):
        with pytest.raises(UserError, match="s3://no-such-bucket/prefix") as raised:
            use()
        assert raised.value.code == "NO_SUCH_BUCKET"


def test_a_missing_object_is_none_to_those_who_ask_and_an_error_to_those_who_need_it(place, tmp_path):
    folder = Folder(place)
    assert folder.find("a") is None
    assert not folder.exists("a")
    for use in (lambda: folder.read("a"), lambda: folder.download("a", tmp_path / "a")):
        with pytest.raises(TouchstoneError) as raised:
            use()
        assert raised.value.code == "NO_SUCH_OBJECT"


@pytest.mark.parametrize(
    ("variables", "code"),
    [
        ({"AWS_SECRET_ACCESS_KEY": WRONG}, "BAD_CREDENTIALS"),
        ({"AWS_ACCESS_KEY_ID": "AKIANOBODY"}, "BAD_CREDENTIALS"),
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "NO_CREDENTIALS"),
        ({"AWS_PROFILE": "nobody"}, "NO_CREDENTIALS"),
        ({"AWS_ENDPOINT_URL_S3": "no address"}, "S3_SETTINGS"),
    ],
    ids=["wrong secret", "unknown key", "no keys", "unknown profile", "bad endpoint"],
)
def test_the_users_mistakes_are_typed_and_no_message_holds_a_secret(environment, s3, place, variables, code):
    environment(**{"AWS_SECRET_ACCESS_KEY": s3.secret_key, "AWS_EC2_METADATA_DISABLED": "true"} | variables)
    with pytest.raises(UserError) as raised:
        Folder(place).read("a")
    assert raised.value.code == code
    shown = "".join(traceback.format_exception(raised.value)) + str(raised.value.record())
    assert s3.secret_key not in shown
    assert WRONG not in shown


def test_a_server_that_is_not_there_is_tried_five_times(environment, place, waits):
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
    environment(AWS_ENDPOINT_URL_S3=f"http://127.0.0.1:{port}")
    with pytest.raises(UserError, match=f"nobody answers at http://127.0.0.1:{port}") as raised:
        Folder(place).read("a")
    assert raised.value.code == "S3_UNREACHABLE"
    assert len(waits) == 4


@pytest.mark.parametrize("action", ["GetObject", "PutObject", "ListBucket", "upload"])
def test_a_denied_request_names_the_permission_that_is_missing(forbidden, action, tmp_path):
    (tmp_path / "file").write_bytes(b"text")
    use = {
        "GetObject": lambda: forbidden.find("a"),
        "PutObject": lambda: forbidden.swap("a", b"", expected=None),
        "ListBucket": lambda: list(forbidden.list()),
        "upload": lambda: forbidden.upload("a", tmp_path / "file"),
    }[action]
    with pytest.raises(UserError, match=f"s3:{action.replace('upload', 'PutObject')}") as raised:
        use()
    assert raised.value.code == "ACCESS_DENIED"


def test_only_the_version_asked_for_is_read(place):
    folder = Folder(place)
    old = folder.write("a", b"old")
    assert folder.read("a", etag=old) == b"old"
    folder.write("a", b"new")
    with pytest.raises(TouchstoneError) as raised:
        folder.read("a", etag=old)
    assert raised.value.code == "SNAPSHOT_CHANGED"


def test_swap_takes_only_what_was_read(place):
    folder = Folder(place)
    assert folder.swap("a", b"1", expected=None)
    assert not folder.swap("a", b"2", expected=None)
    _, etag = folder.find("a")
    assert folder.swap("a", b"2", expected=etag)
    assert not folder.swap("a", b"3", expected=etag)
    assert not folder.swap("never there", b"3", expected=etag)
    assert folder.read("a") == b"2"


def test_a_listing_is_complete_in_order_and_relative(place):
    strange = ["..a", "a b", "a%20b", "é", "e\u0301", "A", "a", "sub/folder/x", "+?&=#"]
    wanted = sorted([*strange, *(f"{n:04}" for n in range(1001))], key=str.encode)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: Folder(place).write(key, b"x"), wanted))
    Folder(f"{place}0").write("a neighbour", b"x")
    found = list(Folder(f"{place}/").list())
    assert [entry.key for entry in found] == wanted
    assert found[0] == Entry("+?&=#", f"{place}/+?&=#", 1, found[0].etag)
    assert {Folder(place).read(key) for key in strange} == {b"x"}


def test_a_file_of_several_parts_comes_back_and_can_be_pinned(place, tmp_path):
    folder, body = Folder(place), bytes(range(256)) * 40_000
    (tmp_path / "file").write_bytes(body)
    folder.upload("a", tmp_path / "file")
    folder.download("a", tmp_path / "new" / "file")
    assert (tmp_path / "new" / "file").read_bytes() == body
    (entry,) = folder.list()
    assert folder.read("a", etag=entry.etag) == body


def test_a_body_that_breaks_off_is_read_again_but_not_for_ever(environment):
    with breaking_off(READS - 1) as endpoint:
        environment(AWS_ENDPOINT_URL_S3=endpoint)
        assert Folder("s3://bucket").read("key") == BODY
    with breaking_off(READS) as endpoint:
        environment(AWS_ENDPOINT_URL_S3=endpoint)
        with pytest.raises(TransientError, match="s3://bucket/key: the transfer broke off"):
            Folder("s3://bucket").find("key")

"""Listing: every key exactly once, whatever it is called and whatever the server does in between."""

import itertools
import json
import random
import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, quote, urlsplit
from xml.sax.saxutils import escape

import pytest

from components.store import s3_listing
from components.store.connection import Connection
from components.store.errors import TouchstoneError
from components.store.s3 import Entry, Folder
from components.store.s3_client import client
from tests.servers.faulty_s3 import ALWAYS, Fault, faulty

ODD = [
    "..",
    "../up",
    "a/../b",
    "a/./b",
    "a//b",
    "a/b",
    "/a/b",
    "//",
    "%2e%2e/x",
    "a%20b",
    "a b",
    "a+b",
    "\u00e9",
    "e\u0301",
    "K",
    "k",
    "dir",
    "dir/",
    "dir/x",
    "line\nbreak",
    "tab\t",
    "\x00\x01\x7f",
    "&amp;<b>'\"",
    "\\back\\slash",
    "\U0001f600",
    "\u00e9" * 512,
    "x" * 1024,
]


def listed(keys: Iterable[str], page: int = 1000, cut: Callable[[str], str] = str) -> Callable[[str], bytes]:
    """A ListObjectsV2 over `keys`: prefix, delimiter, pages of up to `page`, keys percent-encoded as asked.

    It copies https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html; `cut` changes the XML.
    """
    ordered = sorted(keys)

    def respond(target: str) -> bytes:
        query = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        if "list-type" not in query:
            return b"<VersioningConfiguration/>"
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter")
        rows: dict[str, bool] = {}
        for key in (key for key in ordered if key.startswith(prefix)):
            head, slash, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            rows[prefix + head + slash if slash else key] = bool(slash)
        start = int(query.get("continuation-token", "0"))
        parts = [_row(name, common) for name, common in list(rows.items())[start : start + page]]
        more = start + page < len(rows)
        token = f"<NextContinuationToken>{start + page}</NextContinuationToken>" if more else ""
        flag = f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
        return cut(f"<ListBucketResult>{flag}{token}{''.join(parts)}</ListBucketResult>").encode()

    return respond


def _row(name: str, common: bool) -> str:
    spelled = escape(quote(name))
    if common:
        return f"<CommonPrefixes><Prefix>{spelled}</Prefix></CommonPrefixes>"
    return f"<Contents><Key>{spelled}</Key><Size>3</Size><ETag>&quot;{'0' * 32}&quot;</ETag></Contents>"


def entries(endpoint: str, address: str = "s3://bucket") -> list[Entry]:
    return list(Folder(address, Connection(endpoint=endpoint)).entries())


@pytest.fixture
def from_script(s3):
    """Lists what a script answers, and tells how many requests it took."""

    def run(respond: Callable[[str], bytes], address: str = "s3://bucket") -> tuple[list[Entry], list[str]]:
        with faulty(s3.endpoint, Fault("answer", respond=respond, times=ALWAYS)) as proxy:
            return entries(proxy.endpoint, address), [r for r in proxy.requests if "list-type" in r]

    return run


@pytest.fixture(scope="module")
def nested(s3) -> Folder:
    """999 keys, in a folder of 1000, in a folder of 1001, in a folder of 2500.

    SeaweedFS lists p/q/ before p/q-c, which is not the order of the keys.
    """
    keys = [f"p/q/a/{n:03}" for n in range(999)] + ["p/q/b", "p/q-c"] + [f"d{n % 3}/{n}" for n in range(1499)]
    folder = Folder("s3://tests/nested")
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: folder.write(key, key.encode()), keys))
    return folder


@pytest.mark.parametrize(
    ("below", "count"), [("nothing", 0), ("p/q/b", 0), ("p/q/a", 999), ("p/q", 1000), ("p", 1001), ("", 2500)]
)
def test_every_object_is_listed_once_in_order(nested, below, count):
    folder = nested / below if below else nested
    found = folder.entries()
    assert len(found) == count
    assert [entry.key for entry in found] == sorted({entry.key for entry in found})
    assert set(found) == set(folder.list())
    assert not found or found[0] == Entry(
        found[0].key, folder.address(found[0].key), len(f"{below}/{found[0].key}".lstrip("/")), found[0].etag
    )


def test_a_small_folder_takes_one_page_and_a_large_one_is_divided(s3, nested, monkeypatch):
    with faulty(s3.endpoint) as proxy:
        whole = entries(proxy.endpoint, nested.uri)
        assert (proxy.asked("GET", "list-type"), proxy.asked("GET", "delimiter")) == (3, 0)
        monkeypatch.setattr(s3_listing, "PATIENCE", 1)
        assert entries(proxy.endpoint, nested.uri) == whole
        assert proxy.asked("GET", "delimiter=/") >= 1
        assert {"d0/", "d1/", "d2/", "p/"} == set(re.findall(r"prefix=nested/(\w+/)&", " ".join(proxy.requests)))


@pytest.mark.parametrize("seed", range(6))
def test_a_divided_listing_is_the_whole_of_any_tree(from_script, monkeypatch, seed):
    monkeypatch.setattr(s3_listing, "PATIENCE", 1)
    chance = random.Random(seed)
    names = ["", "a", "b", "..", "%2e", "\u00e9", "e\u0301", "z z"]
    keys = {"/".join(chance.choices(names, k=chance.randint(1, 5))) for _ in range(150)} - {""}
    keys |= {f"only/one/way/{key}" for key in keys if seed % 2}
    found, _ = from_script(listed(keys, page=chance.choice([5, 20])))
    assert [entry.key for entry in found] == sorted(keys)
    below, _ = from_script(listed(keys, page=10), "s3://bucket/a/b")
    assert [entry.uri for entry in below] == [f"s3://bucket/{key}" for key in sorted(keys) if key.startswith("a/b/")]


def test_one_prefix_is_followed_to_where_it_divides_and_a_flat_folder_is_read_on(from_script):
    deep = [f"a/b/c/{part}/{n:04}" for part in "xyz" for n in range(3000)]
    found, requests = from_script(listed(deep))
    assert [entry.key for entry in found] == deep
    assert sum("delimiter" in request for request in requests) == 4
    assert len(requests) == 3 + 4 + 9
    flat = [f"{n:05}" for n in range(7000)]
    found, requests = from_script(listed(flat))
    assert ([entry.key for entry in found], len(requests)) == (flat, 7)
    crowd = [f"{n:05}/x" for n in range(7000)]
    found, requests = from_script(listed(crowd))
    assert ([entry.key for entry in found], len(requests)) == (crowd, 7)


@pytest.mark.parametrize("page", [1000, 3])
def test_odd_keys_are_listed_as_they_are(from_script, page):
    found, _ = from_script(listed(ODD, page))
    assert [entry.key for entry in found] == sorted(ODD)
    assert [entry.uri for entry in found] == [f"s3://bucket/{key}" for key in sorted(ODD)]


def test_a_key_on_two_pages_counts_once(from_script):
    keys = [f"{n:02}" for n in range(20)]

    def cut(text: str) -> str:
        return text.replace("</ListBucketResult>", f"{_row('07', False) * 2}</ListBucketResult>")

    found, _ = from_script(listed(keys, page=4, cut=cut))
    assert [entry.key for entry in found] == keys


def test_a_key_that_the_server_forgets_is_missed_here(from_script):
    """No client can know; the test shows that the others would see it."""
    found, _ = from_script(listed("abc", cut=lambda text: text.replace(_row("b", False), "")))
    assert [entry.key for entry in found] == ["a", "c"]


def test_keys_that_come_and_go_while_listing_do_no_harm(from_script):
    keys = [f"{n:03}" for n in range(100)]
    growing = keys.copy()

    def respond(target: str) -> bytes:
        growing.append(f"{len(growing)}x")
        return listed(growing, page=10)(target)

    found, _ = from_script(respond)
    assert {entry.key for entry in found} >= set(keys)
    assert len(found) == len({entry.key for entry in found})


@pytest.mark.parametrize(
    "tokens",
    [itertools.repeat("4"), itertools.cycle(["4", "8", "0"]), (str(n % 3 + 10 * n) for n in itertools.count(1))],
    ids=["the same", "a circle", "new ones without end"],
)
def test_a_server_that_repeats_itself_is_found_out(from_script, monkeypatch, tokens):
    monkeypatch.setattr(s3_listing, "REPEATED", 20)
    page = listed([f"{n:02}" for n in range(20)], page=4)

    def respond(target: str) -> bytes:
        text = page(re.sub(r"continuation-token=\d+", "continuation-token=4", target)).decode()
        return re.sub(r"(?<=<NextContinuationToken>)\d+", lambda _: next(tokens), text).encode()

    with pytest.raises(TouchstoneError, match="s3://bucket cannot be listed: found the same page again") as raised:
        from_script(respond)
    assert raised.value.code == "LISTING_BROKEN"


@pytest.mark.parametrize(
    "cut",
    [
        lambda text: text.replace("false", "true"),
        lambda text: text.replace("</ListBucketResult>", f"{_row('elsewhere', False)}</ListBucketResult>"),
    ],
    ids=["no way to the next page", "keys of another prefix"],
)
def test_a_page_that_contradicts_itself_is_refused(from_script, cut):
    with pytest.raises(TouchstoneError, match="s3://bucket/p cannot be listed") as raised:
        from_script(listed(["p/a"], cut=cut), "s3://bucket/p")
    assert raised.value.code == "LISTING_BROKEN"


def test_a_listing_cut_to_nothing_is_not_an_empty_folder(s3, nested):
    with faulty(s3.endpoint, Fault("truncate", match="list-type", at=0, times=2)) as proxy:
        assert len(entries(proxy.endpoint, f"{nested.uri}/p/q")) == 1000


@pytest.fixture(scope="module")
def versioned(s3) -> Folder:
    """A bucket that keeps versions: one object replaced, one deleted, one from before."""
    folder = Folder("s3://versioned/docs")
    folder.ensure_bucket()
    folder.write("before", b"1")
    _versioning("versioned", "Enabled")
    for key, body in (("replaced", b"old"), ("replaced", b"new!"), ("deleted", b"1"), ("dir/a b", b"1")):
        folder.write(key, body)
    folder.delete("deleted")
    return folder


def _versioning(bucket: str, status: str) -> None:
    client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": status})


def test_current_versions_are_listed_where_the_bucket_keeps_them(versioned):
    found = {entry.key: entry for entry in versioned.entries()}
    assert sorted(found) == ["before", "dir/a b", "replaced"]
    assert found["before"].version_id == "", "the null version is replaced by the next write"
    assert found["replaced"].size == 4
    kept = client().get_object(Bucket="versioned", Key="docs/replaced", VersionId=found["replaced"].version_id)
    assert kept["Body"].read() == b"new!"
    assert found["dir/a b"].version_id


def test_versions_are_listed_page_by_page(versioned, monkeypatch):
    whole = versioned.entries()
    ask = s3_listing.Listing._ask
    monkeypatch.setattr(
        s3_listing.Listing, "_ask", lambda self, *args: ask(self, args[0], args[1], {"MaxKeys": 1, **(args[2] or {})})
    )
    assert versioned.entries() == whole


def test_a_suspended_bucket_has_no_version_to_rely_on(s3):
    folder = Folder("s3://suspended")
    folder.ensure_bucket()
    _versioning("suspended", "Enabled")
    _versioning("suspended", "Suspended")
    folder.write("a", b"1")
    assert [entry.version_id for entry in folder.entries()] == [""]


@pytest.mark.parametrize("action", ["versioning$", "versions&"])
@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (501, "NotImplemented")])
def test_a_bucket_that_does_not_tell_its_versions_is_listed_by_its_etags(s3, versioned, action, status, code):
    refusal = Fault("status", match=action, status=status, code=code, times=ALWAYS)
    with faulty(s3.endpoint, refusal) as proxy:
        found = entries(proxy.endpoint, versioned.uri)
    assert refusal.hits
    assert [(entry.key, entry.version_id) for entry in found] == [("before", ""), ("dir/a b", ""), ("replaced", "")]


def test_a_denied_listing_stays_denied(s3):
    folder = Folder("s3://unlisted")
    folder.ensure_bucket()
    rule = {"Effect": "Deny", "Principal": "*", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::unlisted"}
    client().put_bucket_policy(Bucket="unlisted", Policy=json.dumps({"Version": "2012-10-17", "Statement": [rule]}))
    with pytest.raises(TouchstoneError, match="s3://unlisted: access denied") as raised:
        folder.entries()
    assert raised.value.code == "ACCESS_DENIED"

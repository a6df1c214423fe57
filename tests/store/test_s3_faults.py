"""A sample of the campaign of faults (`tests/store/faults.py`), and what an oracle over single faults cannot say."""

import os

import pytest

from components.store.connection import Connection
from components.store.errors import TouchstoneError
from components.store.s3 import Folder
from components.store.state import State
from tests.servers.faulty_s3 import ALWAYS, Fault, faulty
from tests.store import faults


def test_faults_lead_to_exact_bytes_or_to_one_error_that_names_the_object(s3, place):
    outcomes = faults.faults_campaign(s3.endpoint, place, sample=9)
    assert {outcome.phase for outcome in outcomes} == set(faults.PHASES)
    assert [outcome for outcome in outcomes if outcome.violation] == []


def test_the_oracle_sees_what_is_wrong(s3, place, monkeypatch):
    monkeypatch.setattr(faults, "PHASES", {"large": ("GET", "/large", {"flip last"})})
    monkeypatch.setattr("components.store.s3_read._must_match", lambda *_: False)
    assert [outcome.violation for outcome in faults.faults_campaign(s3.endpoint, place)] == ["another file"] * 2


def test_every_kind_is_tried_somewhere():
    assert set().union(*(kinds for _, _, kinds in faults.PHASES.values())) == set(faults.KINDS)


@pytest.mark.parametrize("size", [1000, 9 << 20])
def test_bytes_that_change_on_their_way_to_the_server_are_sent_again(s3, place, tmp_path, size):
    body = os.urandom(size)
    (tmp_path / "file").write_bytes(body)
    with faulty(s3.endpoint, Fault("flip_request", method="PUT", at=77)) as proxy:
        there = Folder(place, Connection(endpoint=proxy.endpoint))
        there.upload("a", tmp_path / "file") if size > 1000 else there.write("a", body)
        assert proxy.hits == 1
    assert Folder(place).read("a") == body


def test_a_swap_that_somebody_else_won_is_lost_even_where_the_answer_got_lost(s3, place):
    """The server's refusal of a second try is a loss, unless what stands there is what was sent."""
    real = Folder(place)
    was = real.write("a", b"1")
    other = Fault("run", method="PUT", after=1, action=lambda: real.write("a", b"somebody else's"))
    with faulty(s3.endpoint, Fault("silence", method="PUT"), other) as proxy:
        assert not Folder(place, Connection(endpoint=proxy.endpoint)).swap("a", b"2", expected=was)
    assert real.read("a") == b"somebody else's"


def test_a_change_of_the_state_happens_once_though_the_answer_to_it_got_lost(s3, place, environment):
    State(place).put("count.json", 1)
    with faulty(s3.endpoint, Fault("lost", method="PUT")) as proxy:
        environment(AWS_ENDPOINT_URL_S3=proxy.endpoint)
        assert State(place).update("count.json", lambda count: count + 1) == 2
    environment(AWS_ENDPOINT_URL_S3=s3.endpoint)
    assert State(place).get("count.json") == 2


@pytest.mark.parametrize("times", [2, ALWAYS])
def test_a_download_that_breaks_off_goes_on_or_leaves_nothing(s3, place, tmp_path, times):
    body = os.urandom(5 << 20)
    Folder(place).write("model", body)
    cut = Fault("truncate", match="/model", at=2_000_000 if times == 2 else 9, times=times)
    with faulty(s3.endpoint, cut) as proxy:
        there = Folder(place, Connection(endpoint=proxy.endpoint))
        if times == 2:
            there.download("model", tmp_path / "new" / "model")
            assert (tmp_path / "new" / "model").read_bytes() == body
            return
        with pytest.raises(TouchstoneError, match=f"{place}/model: the transfer broke off") as raised:
            there.download("model", tmp_path / "new" / "model")
        assert raised.value.code == "S3_INTERRUPTED"
        assert os.listdir(tmp_path / "new") == []


def test_an_upload_that_fails_leaves_no_object(s3, place, tmp_path):
    (tmp_path / "model").write_bytes(os.urandom(20 << 20))
    refusal = Fault("status", method="PUT", match="partNumber=3", status=403, code="AccessDenied", times=ALWAYS)
    with faulty(s3.endpoint, refusal) as proxy:
        with pytest.raises(TouchstoneError, match=f"{place}/model: access denied"):
            Folder(place, Connection(endpoint=proxy.endpoint)).upload("model", tmp_path / "model")
        assert proxy.asked("DELETE", "uploadId") == 1, "the parts that were sent are given up"
    assert not Folder(place).exists("model")

"""The door to a language model, against a loopback server that misbehaves."""

import math
import time

import httpx2
import openai
import pytest

from components.pairs import llm
from components.pairs.config import Asked
from components.pairs.llm import Answer, Door, NoAnswer, Prompt
from components.store.errors import UserError
from tests.servers.llm import Does, Model, model

KEY = "sk-of-nobody-0123"
PASSAGE = "PASSAGE 0123456789abcdef\nThe boiler has a valve.\nEND OF PASSAGE 0123456789abcdef"
PROMPT = Prompt('Write "keywords".', PASSAGE, {"type": "object"}, 100)


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(llm, "RETRIES", 1)


def ask(server: Model, timeout: float = 10, prompt: Prompt = PROMPT) -> Answer | NoAnswer:
    """What one question to the server brings."""
    door = Door(Asked(endpoint=server.endpoint, model="small"), timeout)
    try:
        return door.ask(prompt)
    finally:
        door.close()


def test_a_question_is_asked_so_that_the_same_answer_comes_again():
    with model() as server:
        assert ask(server) == Answer('{"keywords": "valve boiler"}', "stop", 100, 40)
    (request,) = server.requests
    assert (request["temperature"], request["seed"], request["max_tokens"]) == (0, 1, 100)
    assert request["response_format"]["json_schema"]["strict"] is True
    assert [message["role"] for message in request["messages"]] == ["system", "user"]
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_server_without_keys_needs_none(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    with model() as server:
        assert isinstance(ask(server), Answer)


@pytest.mark.parametrize(("kind", "forms"), [("no_schema", ["schema", "plain"]), ("reasoning", list(llm.FORMS))])
def test_the_form_that_the_server_takes_is_found_once(kind, forms):
    with model(Does(kind)) as server:
        door = Door(Asked(endpoint=server.endpoint, model="small"), 10)
        assert isinstance(door.ask(PROMPT), Answer)
        assert len(server.requests) == len(forms)
        assert isinstance(door.ask(PROMPT), Answer)
        assert len(server.requests) == len(forms) + 1
        door.close()
    last = server.requests[-1]
    assert ("response_format" in last, "temperature" in last) == (kind == "reasoning", kind == "no_schema")


@pytest.mark.parametrize(
    ("does", "reason", "requests"),
    [
        (Does("status", status=400), "REQUEST_REFUSED", 3),
        (Does("status", status=413), "DENIED", 1),
        (Does("status", status=429, headers={"Retry-After": "0.1"}), "RATE_LIMITED", 2),
        (Does("status", status=429, headers={"Retry-After": "9999"}), "RATE_LIMITED", 1),
        (Does("status", status=500), "SERVER_ERROR", 2),
        (Does("status", status=503), "SERVER_ERROR", 2),
        (Does("redirect", status=307, headers={"Location": "http://127.0.0.1:9/v1"}), "SERVER_ERROR", 1),
        (Does("reset"), "NO_CONNECTION", 2),
        (Does("html"), "NO_COMPLETION", 1),
        (Does("null"), "NO_COMPLETION", 1),
        (Does("large"), "ANSWER_TOO_LARGE", 1),
        (Does("packed"), "ANSWER_TOO_LARGE", 1),
    ],
    ids=lambda value: f"{value.kind} {value.status}" if isinstance(value, Does) else "",
)
def test_what_is_no_answer_has_a_reason_and_an_end(does, reason, requests):
    with model(does) as server:
        found = ask(server)
    assert isinstance(found, NoAnswer)
    assert (found.reason, len(server.requests)) == (reason, requests)


@pytest.mark.parametrize("kind", ["hang", "drip"])
def test_an_answer_has_so_many_seconds_however_it_comes(kind):
    start = time.monotonic()
    with model(Does(kind)) as server:
        found = ask(server, timeout=0.5)
        assert len(server.requests) == 2
    assert found == NoAnswer("TIMEOUT", PROMPT.most), "the server may charge for what came too late"
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_what_passes_is_tried_again(status):
    with model(Does("status", status=status, times=1, headers={"Retry-After": "0.1"})) as server:
        assert isinstance(ask(server), Answer)
        assert len(server.requests) == 2


def test_a_rate_limit_is_waited_for_as_long_as_the_server_says():
    start = time.monotonic()
    with model(Does("status", status=429, times=1, headers={"Retry-After": "1.5"})) as server:
        assert isinstance(ask(server), Answer)
    assert time.monotonic() - start > 1.5


def test_of_ten_megabytes_no_more_is_read_than_an_answer_may_have():
    request = httpx2.Request("POST", "http://127.0.0.1:9/v1", extensions={"until": math.inf})
    body = iter([b"x" * (1 << 16)] * 160)
    with pytest.raises(openai.OpenAIError):
        list(llm._Watched(body, request))
    read = 160 - len(list(body))
    assert (read - 1) << 16 == llm.LARGEST


@pytest.mark.parametrize(
    ("does", "code"),
    [
        (Does("status", status=401), "MODEL_DENIED"),
        (Does("status", status=403), "MODEL_DENIED"),
        (Does("status", status=404), "NO_SUCH_MODEL"),
        (Does("quota"), "NO_QUOTA"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_only_a_person_can_mend_ends_the_step_and_names_the_model_but_no_secret(does, code):
    with model(does) as server, pytest.raises(UserError) as raised:
        ask(server)
    assert raised.value.code == code
    told = f"{raised.value} {raised.value.record()}"
    assert "small" in told
    assert server.endpoint.removeprefix("http://").removesuffix("/v1") in told
    assert not [secret for secret in (KEY, "sk-server", "boiler") if secret in told]
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_a_filter_that_forbids_one_passage_ends_nothing():
    with model(Does("status", status=403, after=1)) as server:
        door = Door(Asked(endpoint=server.endpoint, model="small"), 10)
        assert isinstance(door.ask(PROMPT), Answer)
        assert door.ask(PROMPT) == NoAnswer("DENIED")
        door.close()


@pytest.mark.parametrize("key", ["two words", "sk-ключ", "sk-1\nX-Other: 2"])
def test_a_key_that_is_none_is_told_without_quoting_it(monkeypatch, key):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(UserError) as raised:
        Door(Asked(endpoint="http://127.0.0.1:9/v1", model="small"), 1)
    assert raised.value.code == "BAD_KEY"
    assert key not in str(raised.value)


def test_a_second_provider_gets_its_own_key(monkeypatch):
    monkeypatch.setenv("JUDGE_API_KEY", "sk-of-the-judge")
    with model() as server:
        door = Door(Asked(endpoint=server.endpoint, model="small", key="JUDGE_API_KEY"), 10)
        door.ask(PROMPT)
        door.close()
    assert server.headers[0]["authorization"] == "Bearer sk-of-the-judge"


def test_an_endpoint_without_a_port_that_is_one_is_told():
    with pytest.raises(UserError) as raised:
        Door(Asked(endpoint="http://host:port/v1", model="small"), 1)
    assert raised.value.code == "BAD_ENDPOINT"


@pytest.mark.parametrize("endpoint", ["http://", "https:///v1", "http://me:secret@127.0.0.1:9/v1"])
def test_an_endpoint_that_is_no_address_or_carries_a_key_is_refused_and_the_key_not_shown(endpoint):
    with pytest.raises(UserError) as raised:
        Asked.parse({"endpoint": endpoint, "model": "small"}, where="recipe")
    assert raised.value.code == "RECIPE_INVALID" and "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "finish"), [("refusal", "refusal"), ("filtered", "content_filter"), ("cut_off", "length")]
)
def test_why_a_model_stopped_is_told(kind, finish):
    with model(Does(kind)) as server:
        found = ask(server)
    assert isinstance(found, Answer)
    assert found.finish == finish


def test_tokens_are_estimated_where_the_server_does_not_count_them():
    with model(Does("no_usage")) as server:
        found = ask(server)
    assert isinstance(found, Answer)
    assert (found.sent, found.received) == (PROMPT.estimate, llm.estimate(found.text))

"""The one door to a language model: any OpenAI-compatible endpoint (vLLM, TGI, Ollama, hosted), by OpenAI's client.

The client retries what may pass (connections, timeouts, 408, 409, 429, 5xx), waits as `Retry-After` says, else ever
longer and a little at random. What it does not do is done here: an answer has an end in bytes and in seconds however
slowly it drips, no redirect carries a passage elsewhere, and every failure has a code and quotes nothing.

Servers differ in what they take (https://platform.openai.com/docs/api-reference/chat/create, docs.vllm.ai and
docs.ollama.com on OpenAI compatibility), so a request has three forms, and the first that is not answered with 400
or 422 is kept: with a JSON schema; without; and as hosted reasoning models want it, without a temperature.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import openai

from components.pairs.config import Asked
from components.store.errors import UserError
from components.store.keys import key

RETRIES = 3
"""After the first try; they wait 0.5, 1 and 2 seconds where the server says nothing."""
LARGEST = 1 << 20
"""Bytes of an answer with its envelope; a thousand tokens are 4 kB."""
SEED = 1
NO_KEY = "none"
"""What is sent where there is no key: the client wants one, and servers without one ignore it."""
FORMS = ("schema", "plain", "reasoning")


@dataclass(frozen=True)
class Answer:
    """What a model said.

    Attributes:
        text: Its words; nothing where it refused.
        finish: Why it stopped: `stop`, `length` (cut off), `content_filter`, or `refusal`.
        sent, received: Tokens, as the server counts them, else estimated.
    """

    text: str
    finish: str
    sent: int
    received: int


@dataclass(frozen=True)
class NoAnswer:
    """Why there is none: a stable reason code, and the tokens that it may have cost all the same."""

    reason: str
    tokens: int = 0


@dataclass(frozen=True)
class Prompt:
    """What is asked: the task, the data, the JSON schema of the answer, and its longest answer in tokens."""

    system: str
    user: str
    schema: dict[str, Any]
    longest: int

    @property
    def estimate(self) -> int:
        """About how many tokens are sent: a third of the bytes, which is too many rather than too few."""
        return estimate(self.system) + estimate(self.user) + 16

    @property
    def most(self) -> int:
        """What it may cost at most in tokens: every try may be charged for."""
        return (RETRIES + 1) * (self.estimate + self.longest)


def estimate(text: str) -> int:
    """About how many tokens a text has."""
    return len(text.encode("utf-8", "replace")) // 3 + 1


class Door:
    """A model behind an endpoint; may be asked from several threads."""

    def __init__(self, asked: Asked, timeout: float) -> None:
        """Make the client; nothing is sent yet.

        Args:
            asked: Endpoint and model.
            timeout: Seconds for one try, to the last byte of its answer.

        Raises:
            UserError: BAD_ENDPOINT, BAD_KEY.
        """
        self.model, self.host, self._key = asked.model, _host(asked.endpoint), asked.key
        self._form, self._worked = FORMS[0], False
        http = openai.DefaultHttpxClient(
            timeout=timeout,
            follow_redirects=False,
            event_hooks=_guards(timeout),
            headers={"Accept-Encoding": "identity"},
        )
        self._client = openai.OpenAI(
            api_key=key(asked.key) or NO_KEY,
            base_url=asked.endpoint,
            timeout=timeout,
            max_retries=RETRIES,
            http_client=http,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ask(self, prompt: Prompt) -> Answer | NoAnswer:
        """The model's answer, or why there is none.

        Raises:
            UserError: MODEL_DENIED, NO_SUCH_MODEL or NO_QUOTA: nothing will be answered until somebody acts.
        """
        found: Answer | NoAnswer = NoAnswer("REQUEST_REFUSED")
        for form in FORMS[FORMS.index(self._form) :]:
            found = self._ask(prompt, form)
            if isinstance(found, Answer):
                self._form, self._worked = self._form if self._worked else form, True
            if found != NoAnswer("REQUEST_REFUSED"):
                break
        return found

    def _ask(self, prompt: Prompt, form: str) -> Answer | NoAnswer:
        messages = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        create: Any = self._client.chat.completions.create
        try:
            return _answer(create(model=self.model, messages=messages, **_settings(prompt, form)), prompt)
        except _TooLarge:
            return NoAnswer("ANSWER_TOO_LARGE", prompt.most)
        except openai.APITimeoutError:
            return NoAnswer("TIMEOUT", prompt.most)
        except openai.APIConnectionError:
            return NoAnswer("NO_CONNECTION")
        except openai.APIStatusError as error:
            return self._refused(error.status_code, error.code)
        except (openai.OpenAIError, ValueError):
            return NoAnswer("NO_COMPLETION", prompt.most)

    def _refused(self, status: int, code: str | None) -> NoAnswer:
        where = f"the model {self.model} at {self.host}"
        if status == 401 or (status == 403 and not self._worked):  # later it may be a filter that minds one passage
            raise UserError(
                "MODEL_DENIED", f"{where} may not be used", found=f"HTTP {status}", fix=f"Set {self._key}."
            ) from None
        if status == 404:
            fix = "Correct pairs.questions: the endpoint (it often ends in /v1) and the model."
            raise UserError(
                "NO_SUCH_MODEL", f"there is no {where.removeprefix('the ')}", found="HTTP 404", fix=fix
            ) from None
        if code == "insufficient_quota":
            raise UserError("NO_QUOTA", f"{where} has no quota left", fix="Raise the account's limit.") from None
        known = {400: "REQUEST_REFUSED", 422: "REQUEST_REFUSED", 403: "DENIED", 413: "DENIED", 429: "RATE_LIMITED"}
        return NoAnswer(known.get(status, "SERVER_ERROR"))


def _host(endpoint: str) -> str:
    """Host and port alone: some write their key into the address."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        fix = "Correct pairs.questions."
        raise UserError("BAD_ENDPOINT", "the endpoint is no address", expected="https://host/v1", fix=fix)
    return f"{host}:{port}" if port else host


def _settings(prompt: Prompt, form: str) -> dict[str, Any]:
    schema = {"name": "answer", "strict": True, "schema": prompt.schema}
    with_schema = {"response_format": {"type": "json_schema", "json_schema": schema}}
    if form == "reasoning":
        return with_schema | {"max_completion_tokens": prompt.longest}
    return (with_schema if form == "schema" else {}) | {"max_tokens": prompt.longest, "temperature": 0, "seed": SEED}


def _answer(found: Any, prompt: Prompt) -> Answer | NoAnswer:
    """What the server's JSON says; the client does not check its shape."""
    try:
        choice = found.choices[0]
        text, refused = choice.message.content, getattr(choice.message, "refusal", None)
        finish = "refusal" if refused else str(choice.finish_reason)
    except (AttributeError, IndexError, TypeError, KeyError):
        return NoAnswer("NO_COMPLETION", prompt.most)
    if not isinstance(text, str):
        text, finish = "", finish if finish == "content_filter" else "refusal"
    usage = getattr(found, "usage", None)
    sent = _count(usage, "prompt_tokens") or prompt.estimate
    return Answer(text, finish, sent, _count(usage, "completion_tokens") or estimate(text))


def _count(usage: Any, name: str) -> int:
    count = getattr(usage, name, 0)
    return count if isinstance(count, int) and count > 0 else 0


class _TooLarge(openai.OpenAIError):
    """Not tried again: the client passes its own errors on."""


def _guards(seconds: float) -> dict[str, list[Any]]:
    """Hooks that begin the clock with the request and watch over the body of its answer."""

    def begin(request: httpx2.Request) -> None:
        request.extensions["until"] = time.monotonic() + seconds

    def watch(response: httpx2.Response) -> None:
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise _TooLarge("packed, though asked not to be: how large it is cannot be told")
        response.stream = _Watched(response.stream, response.request)

    return {"request": [begin], "response": [watch]}


class _Watched(httpx2.SyncByteStream):
    """A body that may not be too large, nor come too slowly: the client's own timeout begins anew with each byte."""

    def __init__(self, body: Any, request: httpx2.Request) -> None:
        self._body, self._request = body, request

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for part in self._body:
            size += len(part)
            if size > LARGEST:
                raise _TooLarge(f"more than {LARGEST} bytes")
            if time.monotonic() > self._request.extensions["until"]:
                raise httpx2.ReadTimeout("the answer drips", request=self._request)
            yield part

    def close(self) -> None:
        self._body.close()

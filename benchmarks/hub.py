"""How fast a model is published and fetched: the S3 model store against plain boto3 transfers of the same files.

A real SeaweedFS on loopback. `store` keeps the files under a new revision (intake, sha256 of each, the listing) and
brings them back, each checked against its sha256; `boto3` sends and reads the same files one after the other and
checks nothing. The two alternate. The weights are random bytes in one safetensors file. Prints a table.
Run: `python -m benchmarks.hub` (2 minutes; `--megabytes 400` for a base of 110 million parameters).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import boto3
import numpy as np
from safetensors.numpy import save_file

from components.store.s3 import Folder
from components.store.s3_models import S3Models
from pipelines.s3_server import running

BUCKET = "bench"


def model(folder: Path, megabytes: int) -> Path:
    """A folder that intake accepts; the weights are another round's each time they are written."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.StaticEmbedding"}]))
    weights = np.frombuffer(np.random.default_rng().bytes(megabytes * 1_000_000), np.uint8)
    save_file({"weight": weights}, folder / "model.safetensors")
    return folder


def stored(folder: Path, back: Path, number: int) -> tuple[float, float]:
    """Seconds to publish and to fetch, by the product."""
    store = S3Models(f"s3://{BUCKET}/store/{number}")
    start = time.perf_counter()
    revision = store.stage(folder)
    between = time.perf_counter()
    store.fetch(revision, back)
    return between - start, time.perf_counter() - between


def plain(folder: Path, back: Path, number: int) -> tuple[float, float]:
    """The same by boto3 alone."""
    client, names = boto3.client("s3"), sorted(path.name for path in folder.iterdir())
    start = time.perf_counter()
    for name in names:
        client.upload_file(str(folder / name), BUCKET, f"plain/{number}/{name}")
    between = time.perf_counter()
    for name in names:
        client.download_file(BUCKET, f"plain/{number}/{name}", str(back / name))
    return between - start, time.perf_counter() - between


CONTENDERS: dict[str, Callable[[Path, Path, int], tuple[float, float]]] = {"boto3": plain, "store": stored}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=90)
    parser.add_argument("--rounds", type=int, default=5)
    wanted = parser.parse_args()
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as work, running(Path(work) / "s3") as server, server.applied():
        Folder(f"s3://{BUCKET}").ensure_bucket()
        for number in range(wanted.rounds + 1):
            for name, contender in CONTENDERS.items():
                folder, back = model(Path(work) / "model", wanted.megabytes), Path(work) / "back"
                back.mkdir()
                seconds = contender(folder, back, number)
                found[name].extend([seconds] if number else [])
                shutil.rmtree(back)
    print(f"{wanted.megabytes} MB, {wanted.rounds} rounds; MB/s, median (lowest to highest)")
    for name, rounds in found.items():
        rates = [[wanted.megabytes / seconds for seconds in side] for side in zip(*rounds, strict=True)]
        told = [f"{statistics.median(side):7.0f} ({min(side):.0f} to {max(side):.0f})" for side in rates]
        print(f"{name:<8}publish {told[0]:<24}fetch {told[1]}", flush=True)


if __name__ == "__main__":
    main()

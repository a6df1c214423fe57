"""`make test-containers`: builds both images with a real engine and runs the demo's pipeline in them, to a verdict.

kfp's DockerRunner starts each step as a cluster's pod would: in the image that was built, as a user without a name in
group 0, with a read-only root, without capabilities; S3 is a real server on loopback. It takes the demo's
sources, a tenth of them, and a few training steps: what is tried is the images, not the model.

Exit codes: 0 a verdict was reached and every check held, 1 not so, 3 nothing was run for want of an engine.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from kfp import components as kfp_components
from kfp import dsl, local

from components.store.errors import TouchstoneError
from components.store.models import split_reference
from components.store.s3 import Folder
from components.store.s3_models import S3Models
from components.store.state import State
from pipelines import demo, images, recipe
from pipelines.compile import compile_recipe
from pipelines.placement import here
from pipelines.s3_server import running

USER = 1_000_660_000
"""No image knows it: OpenShift gives every namespace users of its own."""

SERVICES = 10
LIMITS: dict[str, Any] = {
    "user": f"{USER}:0",
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "network_mode": "host",  # S3 listens on loopback
}


def main() -> int:
    """Build, run, check."""
    if why := missing():
        sys.stdout.write(f"test-containers: NOT RUN, {why}. Nothing was tested.\n")
        return 3
    try:
        if not images.PINNED.fullmatch(base := images.read().bases["touchstone-data"]):
            os.environ.setdefault("BASE", base)  # a test may take what a tag means today; `make images` may not
        images.build()
        for name in images.NAMES:
            check_image(name)
        check_run()
    except (TouchstoneError, RuntimeError, AssertionError) as error:
        sys.stdout.write(f"{error}\ntest-containers: FAILED\n")
        return 1
    sys.stdout.write("test-containers: passed\n")
    return 0


def missing() -> str:
    """What keeps containers from running here."""
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        return "there is no docker command"
    except subprocess.TimeoutExpired:
        return "docker does not answer"
    return "" if done.returncode == 0 else "no container engine answers `docker info`"


def check_image(name: str) -> None:
    """No entry point, no root, nothing writable but the volume, torch only where it belongs."""
    (told,) = json.loads(images.engine("image", "inspect", name, capture=True))
    config = told["Config"]
    assert not config["Entrypoint"], f"{name} has an entry point"
    assert config["User"] == "65532:0", f"{name} runs as {config['User']}"
    program = (
        "import importlib.util, os, pathlib, tempfile, components.store.s3;"
        "assert importlib.util.find_spec('torch') is None if 'data' in os.environ['IMAGE'] else __import__('torch');"
        "tempfile.TemporaryFile(); pathlib.Path.home().joinpath('a/b').mkdir(parents=True);"
        "assert not os.access('/', os.W_OK)"
    )
    limits = ["--read-only", "--cap-drop", "ALL", "--network", "none", "--user", f"{USER}:0", "--env", f"IMAGE={name}"]
    images.engine("run", "--rm", *limits, name, "python", "-c", program)
    sys.stdout.write(f"{name}: {told['Size'] / 1e9:.1f} GB, runs as any user\n")


def check_run() -> None:
    """The demo's pipeline in containers, on a state of its own."""
    line = recipe.read(Path("recipes/demo.yaml"))
    training = line.training.model_copy(update={"steps": 8, "batch_size": 32})
    line = line.model_copy(update={"training": training})
    with tempfile.TemporaryDirectory() as work, running(Path(work) / "s3") as server, server.applied():
        bucket = Folder("s3://touchstone-demo")
        bucket.ensure_bucket()
        demo.prepare(bucket, services=SERVICES, later=True)
        S3Models(split_reference(line.base_model)[0]).stage(demo.base_model())
        start, root = time.monotonic(), Path(work) / "run"
        _run(line, root, server.environment())
        record = json.loads(State(line.state).run("containers").read("record.json"))
        verdict = json.loads(State(line.state).run("containers").read("verdict.json"))
        owners = {path.stat().st_uid for path in root.rglob("manifest.json")}
    assert owners == {USER}, f"artifacts belong to {owners}"
    seconds = time.monotonic() - start
    sys.stdout.write(f"outcome {record['outcome']}, verdict {verdict['decision']}, {seconds:.0f} s\n")


def _run(line: recipe.Recipe, root: Path, known: dict[str, str]) -> None:
    """Compile as for a cluster, put this machine's addresses in, and have kfp run it."""
    os.umask(0)  # kfp makes the folders, somebody else writes into them; the folder above is ours alone
    for folder in (root / "artifacts", root / "work"):
        folder.mkdir(parents=True)
    compiled = compile_recipe(here(line), root / "pipeline.yaml")
    graph, *platform = yaml.safe_load_all(compiled.read_text().replace(dsl.PIPELINE_JOB_ID_PLACEHOLDER, "containers"))
    known = known | {"TOUCHSTONE_RUN": "containers", "TOUCHSTONE_STATE": line.state}
    for executor in graph["deploymentSpec"]["executors"].values():  # the runner's own variables give way to a step's
        executor["container"]["env"] = [{"name": name, "value": value} for name, value in known.items()]
    compiled.write_text(yaml.safe_dump_all([graph, *platform]))
    local.init(local.DockerRunner(**LIMITS), pipeline_root=str(root / "artifacts"), workspace_root=str(root / "work"))
    kfp_components.load_component_from_file(str(compiled))()


if __name__ == "__main__":
    sys.exit(main())

"""The process in which kfp.local runs the compiled pipeline: `python -m pipelines.runner PIPELINE.yaml WORK ARGUMENTS`.

It is a process of its own so that everything kfp and the libraries say goes to the run's log and not to the screen.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from kfp import components as kfp_components
from kfp import local

from components import store
from components.store.digests import digest, file_digest


def main(pipeline: str, work: str, arguments: str) -> int:
    """Run the pipeline; steps whose inputs were seen before come from the cache in `work`."""
    local.init(
        local.SubprocessRunner(use_venv=False),
        pipeline_root=str(Path(work) / "artifacts"),
        workspace_root=str(Path(work) / "workspace"),
        enable_caching=True,
        cache_root=str(Path(work) / "cache" / code_digest()),
    )
    try:
        with tempfile.TemporaryDirectory(prefix="touchstone-") as scratch:  # kfp leaves a folder there for each step
            os.environ["TMPDIR"] = scratch
            kfp_components.load_component_from_file(pipeline)(**json.loads(arguments))
    except RuntimeError as error:  # a step failed; the step itself has told why
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def code_digest() -> str:
    """Names the code of the steps; it stands for the image's digest, which is part of a cache key on a cluster."""
    files = sorted(path for path in Path(store.__file__).parents[1].rglob("*") if path.suffix in (".py", ".j2"))
    return digest([[path.name, file_digest(path)] for path in files])[:16]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

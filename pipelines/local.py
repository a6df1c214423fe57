"""Runs the compiled pipeline on this machine: the same YAML that a cluster gets, its steps as processes."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil
from kfp import dsl

from components.store.errors import TouchstoneError
from components.store.events import environment
from components.store.pull import pull
from components.store.signing_config import SigningConfig
from components.store.state import State
from pipelines.compile import compile_recipe
from pipelines.placement import here
from pipelines.preflight import listable, preflight
from pipelines.recipe import Recipe
from pipelines.s3_server import running
from pipelines.screen import Screen

RUNS = Path("runs")
WORK = Path(".touchstone")


@contextlib.contextmanager
def object_store(recipe: Recipe) -> Iterator[list[int]]:
    """The recipe's object store, started if it is an embedded one; yields the pids of what was started."""
    if recipe.local_s3 is None:
        yield []
        return
    with running(Path(recipe.local_s3)) as server, server.applied():
        yield [server.pid]


def run(recipe: Recipe, screen: Screen, *, force: bool, servers: list[int]) -> dict[str, Any]:
    """Run the pipeline once.

    Args:
        recipe: The line.
        screen: Where progress is drawn.
        force: Train even if nothing changed.
        servers: Pids whose memory counts as the run's.

    Returns:
        The run's record (also in `runs/<run>/run.json`): outcome, seconds, peak_memory_bytes and more.

    Raises:
        UserError: what is wrong with the recipe or its surroundings, before anything runs.
        TouchstoneError: RUN_DIED when the run ended without a record.
    """
    preflight(recipe)
    start = time.monotonic()
    folder = new_run()
    watch = Watch(folder, screen, servers)
    watch.follow(_start(recipe, folder, {"force": force}))
    record = _collect(recipe, folder.name, folder)
    record |= {"seconds": round(time.monotonic() - start, 1), "peak_memory_bytes": watch.peak, "log": str(watch.log)}
    record |= {"steps": watch.steps, "model": _keep_model(record, folder / "model", recipe.signing)}
    (folder / "run.json").write_text(json.dumps(record, indent=1, sort_keys=True))
    _point_latest(folder)
    return record


def run_until(recipe: Recipe, screen: Screen, *, until: str, servers: list[int]) -> dict[str, Any]:
    """Run the pipeline's first steps: `until` the documents ("corpus") or the pairs ("pairs").

    Returns:
        `found`, what the last step told: the documents' or pairs' facts and digest, and for pairs `paths`, where the
        artifacts `pairs`, `judged` and `passages` lie; `loads`, what each shard told; seconds, peak_memory_bytes, log.

    Raises:
        UserError: what is wrong with the recipe or its sources.
        TouchstoneError: what stopped a step; RUN_DIED when none has told.
    """
    (listable if until == "corpus" else preflight)(recipe)
    start = time.monotonic()
    folder = new_run()
    watch = Watch(folder, screen, servers)
    watch.follow(_start(recipe, folder, {}, pipeline=until))
    _point_latest(folder)
    events = told(watch.log)
    found = [event for event in events if event["event"] == "note" and event["step"] in ("describe", "tell")]
    if not found:
        raise TouchstoneError("RUN_DIED", "the run ended early", fix=f"See {folder}/output.log.")
    record: dict[str, Any] = {"found": found[0], "loads": [event for event in events if event["event"] == "loaded"]}
    record |= {"seconds": round(time.monotonic() - start, 1), "peak_memory_bytes": watch.peak, "log": str(watch.log)}
    return record


def promote(recipe: Recipe, screen: Screen, *, run: str, servers: list[int]) -> dict[str, Any]:
    """Run the pipeline that finishes the promotion of a `run` that was approved.

    Returns:
        That run's record as it is now; its model is in the folder of the log.

    Raises:
        TouchstoneError: what stopped a step.
    """
    start, folder = time.monotonic(), new_run()
    watch = Watch(folder, screen, servers)
    watch.follow(_start(recipe, folder, {"run": run}, pipeline="promote"))
    told(watch.log)
    record = _collect(recipe, run, folder)
    record |= {"seconds": round(time.monotonic() - start, 1), "peak_memory_bytes": watch.peak, "log": str(watch.log)}
    record["model"] = _keep_model(record, folder / "model", recipe.signing)
    _point_latest(folder)
    return record


def told(log: Path) -> list[dict[str, Any]]:
    """The events in a run's log.

    Raises:
        TouchstoneError: the first that a step told of.
    """
    events = [json.loads(line) for line in log.read_text().splitlines()]
    if errors := [event["error"] for event in events if event["event"] == "error"]:
        raise TouchstoneError.from_record(errors[0])
    return events


def new_run() -> Path:
    """An empty folder named by the time."""
    folder = RUNS / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}-{secrets.token_hex(2)}"
    folder.mkdir(parents=True)
    return folder


class Watch:
    """Follows a run: its events to the screen, its memory to a peak."""

    def __init__(self, folder: Path, screen: Screen, servers: list[int]) -> None:
        """Watch the run in `folder`."""
        self.log, self.screen = folder / "log.jsonl", screen
        self.peak, self.steps = 0, dict[str, float]()
        self._roots, self._begun = [os.getpid(), *servers], ""

    def follow(self, process: subprocess.Popen[bytes]) -> None:
        """Until the process ends; it is ended when the person gives up."""
        self.log.touch()
        try:
            with self.log.open(encoding="utf-8") as log:
                while process.poll() is None:
                    self._draw(log.read())
                    self.peak = max(self.peak, _memory(self._roots))
                    time.sleep(0.3)
                self._draw(log.read())
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()

    def _draw(self, text: str) -> None:
        """Every whole line; what is still being written waits for the next time."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            event = json.loads(line)
            if event["event"] == "end":
                self.steps[event["step"]] = self.steps.get(event["step"], 0.0) + event["seconds"]
            self.screen.event(event)


def _start(
    recipe: Recipe, folder: Path, arguments: dict[str, Any], *, pipeline: str = "retrain"
) -> subprocess.Popen[bytes]:
    """Compile, give the run its folder's name, and start kfp.local in its own process group."""
    (folder / "recipe.json").write_text(recipe.model_dump_json(exclude_none=True))
    at_once = min(recipe.corpus.shards_at_once, os.cpu_count() or 1)
    fitting = here(recipe).model_copy(update={"corpus": recipe.corpus.model_copy(update={"shards_at_once": at_once})})
    compiled = compile_recipe(fitting, folder / "pipeline.yaml", pipeline=pipeline)
    compiled.write_text(compiled.read_text().replace(dsl.PIPELINE_JOB_ID_PLACEHOLDER, folder.name))
    work = (WORK / "work" / recipe.name).resolve()
    work.mkdir(parents=True, exist_ok=True)
    known = {"TOUCHSTONE_RUN": folder.name, "TOUCHSTONE_STATE": recipe.state}
    return spawn("pipelines.runner", [str(compiled), str(work), json.dumps(arguments)], folder, known)


def spawn(module: str, arguments: list[str], folder: Path, known: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start `python -m module` in its own process group.

    Args:
        module: What runs.
        arguments: Its command line.
        folder: Where its events (`log.jsonl`) and all that libraries say (`output.log`) go.
        known: Variables of its environment, besides this process's.
    """
    known = known | {"PYTHONWARNINGS": "ignore", "TOUCHSTONE_EVENTS": str((folder / "log.jsonl").resolve())}
    with (folder / "output.log").open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environment(), **known},
            start_new_session=True,
        )


def _collect(recipe: Recipe, name: str, folder: Path) -> dict[str, Any]:
    """Bring the run's record from the state."""
    kept = State(recipe.state).run(name)
    for entry in kept.list():
        kept.download(entry.key, folder / entry.key)
    if not (folder / "record.json").exists():
        _point_latest(folder)
        fix = f"See {folder}/output.log."
        raise TouchstoneError("RUN_DIED", "the run ended without a record", fix=fix)
    record: dict[str, Any] = json.loads((folder / "record.json").read_text())
    return record


def _keep_model(record: dict[str, Any], folder: Path, signing: SigningConfig) -> str | None:
    """Put the model that should be used now into `folder`: what production points at, else the base.

    Returns:
        Its reference; None when the run failed or that model cannot be fetched: the run is on record either way.
    """
    published, inputs = record["publication"], record["inputs"]
    if record["outcome"] == "FAILED":
        return None
    reference = f"{published['target']}@{published['revision']}" if published else inputs["champion"] or inputs["base"]
    role: Literal["base", "champion"] = "champion" if published or inputs["champion"] else "base"
    try:
        pull(reference, folder, optional=False, signed=signing.asked(role))
    except TouchstoneError:
        return None
    return reference


def _point_latest(folder: Path) -> None:
    """`runs/latest` leads to this run, by one rename."""
    part = RUNS / ".latest"
    part.unlink(missing_ok=True)
    part.symlink_to(folder.name)
    os.replace(part, RUNS / "latest")


def _memory(roots: list[int]) -> int:
    """Resident bytes of the processes and all their children; shared pages count for each."""
    total = 0
    for root in roots:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(root)
            for one in [process, *process.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    total += one.memory_info().rss
    return total

"""What `touchstone demo` does before the pipeline: the S3 server is up, now the bucket is filled."""

from __future__ import annotations

import time

from components.store.addresses import split_reference
from components.store.line import LINE
from components.store.s3 import Folder
from components.store.s3_models import S3Models
from components.store.state import State
from pipelines.demo import Sources, base_model
from pipelines.demo import prepare as prepare_sources
from pipelines.recipe import Recipe
from pipelines.screen import Screen


def prepare(recipe: Recipe, screen: Screen) -> Sources:
    """Upload the sources and the base; the held-back services arrive once a run has reached a verdict."""
    bucket = Folder(recipe.corpus.sources[0].uri.rpartition("/")[0])
    bucket.ensure_bucket()
    later = State(recipe.state).get(LINE) is not None
    start = time.monotonic()
    sources = prepare_sources(bucket, later=later)
    S3Models(split_reference(recipe.base_model)[0]).stage(base_model())
    rest = f"; {sources.held_services} more arrive with the next run" if sources.held_services else ""
    screen.line(
        "corpus",
        f"{sources.documents:,} documents of {sources.services} services in the bucket{rest}",
        time.monotonic() - start,
    )
    screen.line("judged by", f"{sources.queries:,} questions people wrote; guard: {sources.guard:,} docstrings")
    return sources

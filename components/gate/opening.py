"""Opens a generation of the sealed test: `python -m components.gate.opening REQUEST.json OUT.json`.

The sealed queries are opened without a look: the old ones and the new ones, for the base and the champion alone, so
that the jump between two generations is known and nobody takes it for progress. No candidate is compared and nothing
can be promoted on it; what comes out are four means.

It is a process of its own so that what libraries say goes to a log.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.corpus import passages
from components.evaluation.evaluate import Exam
from components.evaluation.scores import BASE, CHAMPION
from components.gate import generation, ledger
from components.gate.config import GateConfig
from components.pairs import exam, mine, reserve, sealed
from components.pairs.config import PairsConfig
from components.pairs.judged import Query
from components.retrieval import vectors
from components.retrieval.encoder import Encoder
from components.retrieval.index import Index
from components.retrieval.metrics import measure
from components.store import line
from components.store.artifact import Artifact
from components.store.errors import TouchstoneError, UserError
from components.store.events import note, step
from components.store.models import Model
from components.store.pull import pin, pull
from components.store.signing_config import OFF, SigningConfig
from components.store.state import State


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        state: The line's state.
        run: Names this opening in the ledger.
        base: The base's reference.
        target: The champion's model store.
        paths: `documents`, `pairs`, `judged`, `passages`: artifacts of a run that has just mined.
        sources: Addresses that corpus ids may be relative to.
        tokens: The longest passage, and how much of it the next one repeats.
        pairs: The recipe's section.
        gate: The recipe's section.
        signing: The recipe's section.
    """

    state: str
    run: str
    base: str
    target: str
    paths: dict[str, str]
    sources: list[str]
    tokens: tuple[int, int]
    pairs: PairsConfig
    gate: GateConfig
    signing: SigningConfig = OFF

    @classmethod
    def read(cls, path: Path) -> Request:
        """The request in a file."""
        asked = json.loads(path.read_bytes())
        checked = {"pairs": PairsConfig.parse(asked["pairs"], where="pairs"), "tokens": tuple(asked["tokens"])}
        checked["signing"] = SigningConfig.parse(asked.get("signing", {}), where="signing")
        return cls(**asked | checked | {"gate": GateConfig.parse(asked["gate"], where="gate")})

    def open(self, kind: str) -> Artifact:
        """One of the artifacts."""
        return Artifact.open(self.paths[kind], kind)


def open_next(asked: Request) -> dict[str, Any]:
    """Open the next generation; its record in the ledger.

    Nothing is written before everything is known, and then three documents: that the line must train again, the split,
    the ledger. After a crash between any two the rest is done by the next run, or by asking again.

    Raises:
        UserError: NO_RESERVE, NO_JUDGED_QUERIES.
        TouchstoneError: BAD_SIGNATURES, LEDGER_BROKEN; STATE_BUSY when a run gave documents sides meanwhile.
    """
    state, judged = State(asked.state), asked.open("judged")
    with tempfile.TemporaryDirectory() as work:
        models = _models(asked, Path(work))
        old = sealed.fetch(asked.state, judged.facts["sealed"], _folder(work, "old"))
        turned, new = _turned(asked, judged, models, Path(work))
        digest = sealed.keep(asked.state, new, Path(work) / "new")
        scores = _scores(asked, models, {"old": old, "new": new})
    record = {"was": judged.facts["sealed"], "sealed": digest, "run": asked.run}
    record |= {"day": datetime.now(UTC).date().isoformat(), "ndcg@10": scores}
    record |= {"documents": turned.documents, "queries": {"old": len(old), "new": len(new)}}
    line.forget(asked.state)
    reserve.turn(state, turned.split, old, record)
    generation.settle(state)
    return next(entry for entry in ledger.check(state, []) if entry.get("was") == record["was"])


def _models(asked: Request, work: Path) -> dict[str, Model]:
    """The base, and the champion if there is one."""
    pinned = {BASE: pin(asked.base, base=True), CHAMPION: pin(asked.target)}
    for name, reference in pinned.items():
        pull(reference, work / name, optional=False, signed=asked.signing.asked("base" if name == BASE else "champion"))
    found = {name: Model.open(work / name) for name in pinned}
    return {name: model for name, model in found.items() if name == BASE or model.present}


def _turned(
    asked: Request, judged: Artifact, models: Mapping[str, Model], work: Path
) -> tuple[reserve.Turned, list[Query]]:
    """The split after the turn, and the queries that would be sealed then."""
    where = (asked.state, judged.manifest["inputs"]["snapshot"])
    known = (asked.sources, asked.tokens, asked.pairs)
    laid = mine.lay_out(where, asked.open("documents"), models[BASE].path, *known, _folder(work, "log"))
    seen = reserve.seen(laid.material, [model.path for model in models.values()], asked.open("pairs"))
    turned = reserve.turned(laid.material.split, seen)
    material = replace(laid.material, split=turned.split)
    queries = exam.sat(laid.test, material, asked.pairs.questions, asked.state)["sealed"]
    if len(queries) < asked.gate.min_queries:
        found, least = f"{len(queries):,} judged queries", f"gate.min_queries, {asked.gate.min_queries:,}, or more"
        fix = "Add documents and judged queries first: what judges now would be spent for a test that decides nothing."
        raise UserError("NO_RESERVE", "the reserve side is too small", found=found, expected=least, fix=fix)
    return turned, queries


def _scores(
    asked: Request, models: Mapping[str, Model], tests: Mapping[str, list[Query]]
) -> dict[str, dict[str, float]]:
    """Model -> test -> mean nDCG@10 over the whole corpus; one model in memory at a time."""
    index = Index.of(passages.read(asked.open("passages")))
    relevant = Exam(asked.state, [], [], index, []).relevant
    found: dict[str, dict[str, float]] = {}
    for name, model in models.items():
        encoder = Encoder.load(model.path)
        known = vectors.passages(encoder, model.fingerprint, index.texts, asked.state, f"passages, {name}")
        rankings = {test: index.search(encoder.queries([q.text for q in of]), known) for test, of in tests.items()}
        gains = {test: measure(ranking, relevant(tests[test]))["ndcg@10"] for test, ranking in rankings.items()}
        found[name] = {test: round(float(gain.mean()), 6) for test, gain in gains.items()}
    return found


def _folder(work: str | Path, name: str) -> Path:
    path = Path(work) / name
    path.mkdir()
    return path


def main(request: str, out: str) -> int:
    """Do what the file `request` asks for and write the ledger's record of it to `out`."""
    try:
        with step("seal"):
            entry = open_next(Request.read(Path(request)))
            Path(out).write_text(json.dumps(entry))
            note(f"generation {entry['generation']}, {entry['queries']['new']:,} sealed queries", **entry["documents"])
    except TouchstoneError:
        return 1  # the step has told it
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

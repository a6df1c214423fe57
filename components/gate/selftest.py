"""Does the gate say the right thing on this line? `python -m components.gate.selftest REQUEST.json OUT.json`.

Models whose verdict is known in advance are made of the run's own and judged on its dev queries (`rehearsal.py`). It is
a process of its own so that what libraries say goes to a log.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from components.evaluation.scores import BASE, CANDIDATE, Scores
from components.gate import sabotage
from components.gate.config import GateConfig
from components.gate.harm import FLOOR
from components.gate.outcome import NOT_TESTED, Outcome
from components.gate.rehearsal import Contestant, Kept, Stage, measured, stage, without_last
from components.gate.sabotage import School
from components.gate.verdict import Verdict
from components.pairs.pair import Pair
from components.store.digests import canonical
from components.store.errors import TouchstoneError
from components.store.events import Progress, step
from components.training.config import TrainingConfig

HARM = 0.06
"""What the planted slice loses in nDCG@10: more than a verdict lets pass."""
LABEL = "selftest: planted"


class NotTested(Exception):
    """Why a case does not apply to this line."""


@dataclass(frozen=True)
class Selftest:
    """The cases of one run."""

    kept: Kept
    stage: Stage
    school: School

    @cached_property
    def base(self) -> Contestant:
        """The run's base."""
        return self.stage.meet(self.kept.base)

    @cached_property
    def tuned(self) -> Contestant:
        """The run's candidate; it also stands for the champion."""
        return self.stage.meet(self.kept.candidate)

    @cached_property
    def clean(self) -> Path:
        """The leakage proof of the run's own pairs, against dev."""
        out = self.stage.work / "clean"
        measured(self.kept, self.kept.pairs, self.stage.exam.sealed, out)
        return out

    def itself(self) -> Verdict:
        """The champion, once more."""
        return self._verdict(self.tuned, champion=self.tuned)

    def noise(self) -> Verdict:
        """The champion with noise on its weights."""
        return self._verdict(self.stage.meet(sabotage.noisy(self.kept.candidate, self.stage.work)), self.tuned)

    def shuffled(self) -> Verdict:
        """Trained on pairs whose positives changed places."""
        pairs = sabotage.shuffled(sabotage.some(self.kept.pairs))
        return self._verdict(self._trained("shuffled", pairs))

    def contaminated(self) -> Verdict:
        """Trained on the queries that judge, and what answers them."""
        test = sabotage.on_the_test(self.stage.exam.sealed, self.kept.passages)
        pairs = [*test, *sabotage.some(self.kept.pairs, len(test))]
        model, proof = self._trained("test", pairs, self.kept.judged.parent), self.stage.work / "contaminated"
        measured(self.kept, self.stage.work / "test" / "pairs", self.stage.exam.sealed, proof)
        return self.stage.verdict(self.stage.scores(self.base, model), proof)

    def guard(self) -> Verdict:
        """The tuned model, which has forgotten every word that the line's own documents do not use."""
        if not self.stage.exam.guards:
            raise NotTested("the recipe has no guard with 100 queries or more, so none has a dev part")
        texts = [*self.stage.exam.index.texts, *(query.text for query in self.stage.exam.sealed)]
        return self._verdict(self.stage.meet(sabotage.forgetful(self.kept.candidate, texts, self.stage.work)))

    def prompts(self) -> Verdict:
        """The tuned model, asked by other prompts than it was trained with."""
        return self._verdict(self.stage.meet(sabotage.with_prompts(self.kept.candidate, self.stage.work)))

    def queries(self) -> Verdict:
        """Scores of another query set than the look was charged for."""
        scores = self.stage.scores(self.base, self.tuned)
        return self.stage.verdict(without_last(scores, self.stage.work, self.stage.exam.sealed), self.clean)

    def slice(self) -> Verdict:
        """The tuned model, worse than the base on one slice by so much: planted in the scores."""
        named = self.stage.config.slices
        config = self.stage.config.model_copy(update={"slices": named and [*named, LABEL]})
        scores = planted(self.stage.scores(self.base, self.tuned))
        return replace(self.stage, config=config).verdict(scores, self.clean)

    def promoted(self) -> Verdict:
        """The tuned model against its base."""
        return self._verdict(self.tuned)

    def retry(self) -> Verdict:
        """The same, scored and decided once more.

        Raises:
            TouchstoneError: REPLAY_DIFFERS when the verdict is another one.
        """
        again = self._verdict(self.stage.meet(self.kept.candidate))
        if canonical(again.as_json()) != canonical(self.promoted().as_json()):
            raise TouchstoneError("REPLAY_DIFFERS", "the retry", found="a verdict with other bytes")
        return again

    def _verdict(self, candidate: Contestant, champion: Contestant | None = None) -> Verdict:
        return self.stage.verdict(self.stage.scores(self.base, candidate, champion), self.clean)

    def _trained(self, name: str, pairs: list[Pair], goal: Path | None = None) -> Contestant:
        return self.stage.meet(self.school.train(name, pairs, goal))

    @property
    def cases(self) -> list[tuple[str, str, Callable[[], Verdict]]]:
        """Name, the decision that is right, and what is judged."""
        return [
            ("the champion itself", "HOLD_NOT_BETTER", self.itself),
            ("the champion with noise on its weights", "HOLD_NOT_BETTER", self.noise),
            ("trained on shuffled labels", "HOLD_NOT_BETTER", self.shuffled),
            ("trained on the test", "HOLD_CONTAMINATED", self.contaminated),
            ("better here, worse in general", "HOLD_GUARD", self.guard),
            ("another prompt than it was trained with", "ERROR", self.prompts),
            ("another query set than was unsealed", "ERROR", self.queries),
            ("one slice harmed (planted in the scores)", "HOLD_SLICE", self.slice),
            ("the tuned model", "PROMOTE", self.promoted),
            ("its retry, the same verdict to the byte", "PROMOTE", self.retry),
        ]

    def run(self) -> Iterator[Outcome]:
        """Judge every case."""
        for name, expected, judge in self.cases:
            start = time.monotonic()
            found, text = _decision(judge)
            yield Outcome(name, expected, found, text, round(time.monotonic() - start, 1))


def planted(scores: Scores) -> Scores:
    """The scores with one slice more, in which the candidate loses a little on every query.

    Dev is too small for a slice of its own to be assessed, so the loss is the same wherever the base found something.
    """
    base, values = scores.values[BASE], {name: dict(of) for name, of in scores.values.items()}
    count = max(FLOOR, len(scores.queries) // 10)
    rows = np.argsort(-base["ndcg@10"], kind="stable")[:count].tolist()
    for name, of in scores.values.items():
        if name == CANDIDATE or name == f"{CANDIDATE} hybrid":
            values[name] = {metric: _lowered(found, base[metric], rows) for metric, found in of.items()}
    slices = [[*of, LABEL] if row in set(rows) else of for row, of in enumerate(scores.slices)]
    return replace(scores, values=values, slices=slices)


def _lowered(found: Any, base: Any, rows: list[int]) -> Any:
    lower = found.copy()
    lower[rows] = np.maximum(base[rows] - HARM, 0.0)
    return lower


def _decision(judge: Callable[[], Verdict]) -> tuple[str, str]:
    """What the gate decided, and its first reason; the typed error of scores that are no scores is ERROR too."""
    try:
        verdict = judge()
    except NotTested as why:
        return NOT_TESTED, str(why)
    except TouchstoneError as error:
        return ("ERROR" if error.code == "WRONG_LOOK" else error.code), f"{error.what}: {error.found}"
    return verdict.decision, verdict.reasons[0].text


def main(request: str, out: str) -> int:
    """Run the self-test that the file `request` asks for and write its outcomes to `out`.

    Args:
        request: JSON with `kept` (artifacts' paths), `state`, `guards`, `gpus`, `gate` and `training`.
        out: Where the outcomes go, as JSON.
    """
    try:
        with step("selftest"), tempfile.TemporaryDirectory() as work:
            asked = json.loads(Path(request).read_bytes())
            found = _outcomes(asked, Path(work))
            Path(out).write_text(json.dumps(found))
    except TouchstoneError:
        return 1  # the step has told it
    return 0


def _outcomes(asked: dict[str, Any], work: Path) -> dict[str, Any]:
    kept = Kept(**{name: Path(path) for name, path in asked["kept"].items()})
    training = TrainingConfig.parse(asked["training"], where="training")
    gate = GateConfig.parse(asked["gate"], where="gate")
    set_up = stage(kept, asked["state"], gate, asked["guards"], training.dev_documents, work)
    test = Selftest(kept, set_up, School(kept.base, kept.candidate, training, asked["gpus"], work))
    progress, outcomes = Progress(len(test.cases), "cases"), []
    for outcome in test.run():
        outcomes.append(asdict(outcome))
        progress.add(1, outcome.case)
    known = {"queries": len(set_up.exam.sealed), "rules": set_up.config.model_dump(mode="json")}
    return known | {"outcomes": outcomes}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

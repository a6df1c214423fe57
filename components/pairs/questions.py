"""Training pairs and judged queries from questions that a language model writes about passages.

Whatever comes back is judged text by text, and every text that was asked for ends as one pair or one typed drop:

    NO_CONNECTION, TIMEOUT, RATE_LIMITED, SERVER_ERROR, DENIED, REQUEST_REFUSED, NO_COMPLETION, ANSWER_TOO_LARGE, BUDGET
                      the passage has no answer (see `llm`, `asking`); a rerun asks again
    REFUSAL           the model would not, in its envelope or in words
    CUT_OFF           it did not come to an end
    NOT_JSON, WRONG_SHAPE
                      no JSON object; a key that is missing or no string
    EMPTY, TOO_LONG, UNPRINTABLE
    PERSONAL_DATA     an address, a number, a secret
    LEAKS_PROMPT      it repeats the task or the lines around the passage
    OTHER_LANGUAGE    than the document's
    ECHO              copied from the passage
    OFF_TOPIC         it shares no word with the passage that says anything: what a planted order makes of it
    DUPLICATE         the same for two passages or two kinds: neither says which passage answers
    DOCUMENT_FULL     the document has its `per_document` already
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from components.corpus import personal
from components.corpus.document import Document
from components.corpus.language import detect
from components.corpus.passages import Passage
from components.pairs import asking, prompts
from components.pairs.asking import Excerpt
from components.pairs.config import Asked, Kind, QuestionsConfig
from components.pairs.judged import Query
from components.pairs.llm import Answer, NoAnswer
from components.pairs.pair import Dropped, Pair
from components.pairs.prompts import Purpose
from components.pairs.wording import UNSPACED_CLASS, plain
from components.store.digests import digest

MINER = "questions"
MAX_WORDS, MAX_CHARACTERS = 64, 400
COPIED_WORDS, COPIED_CHARACTERS, COPIED_PART = 8, 16, 0.7
"""A copy has so many words of the passage in a row, and this part of its own; or stands in it whole and is so long."""
PROMPT_WORDS = 6
"""So many words of the task in a row are a leak."""
COMMON_PART, COMMON_LEAST = 0.2, 4
"""A word of more passages than this part, and than so many, says nothing about any."""

Cut = Iterable[tuple[Document, Iterable[Passage]]]
"""Documents of one side, each with its passages."""

_REFUSAL = re.compile(
    r"\W*(i'?m sorry|sorry,|i (can|could)(not|n't| not)|i'?m (not able|unable)|i am (not able|unable)|as an ai\b"
    r"|es tut mir leid|je suis désolée?|lo siento|mi dispiace)",
    re.I,
)
_UNSPACED = re.compile(rf"[{UNSPACED_CLASS}\uac00-\ud7af]")
"""Letters of scripts without spaces, and Hangul, which ties particles to words."""


@dataclass(frozen=True)
class Question:
    """A text that may be an anchor."""

    excerpt: Excerpt
    kind: Kind
    text: str


@dataclass(frozen=True)
class Failed:
    """A text that was asked for and is not used; `text` is empty where there is none or nobody may read it."""

    excerpt: Excerpt
    reason: str
    text: str = ""


def write(
    cut: Cut, groups: Mapping[str, str], config: QuestionsConfig, asked: Asked, state: str
) -> Iterator[Pair | Dropped]:
    """The pairs that train.

    Args:
        cut: The training documents.
        groups: Document id -> group.
        config: The recipe's section.
        asked: Who writes.
        state: The line's state, where answers are kept.

    Yields:
        For every chosen passage and kind a pair, whose positive is `document.text[start:end]`, or what was dropped.

    Raises:
        UserError, TransientError: As `asking.answers` does.
    """
    for found in _written(asking.choose(cut, config), config, asked, state, "train"):
        passage = found.excerpt.passage
        if isinstance(found, Failed):
            yield Dropped(MINER, passage.document, found.text, found.reason)
        else:
            span = (passage.document, groups[passage.document], passage.start, passage.end)
            yield Pair(found.text, found.excerpt.text, MINER, *span)


def queries(cut: Cut, config: QuestionsConfig, asked: Asked, state: str, dropped: Counter[str]) -> list[Query]:
    """The judged queries about held-out documents, asked for in other words than training's; sorted by id.

    Their slices are `mined` and the kind, so that no report takes them for people's questions.

    Args:
        cut: The documents of one side that judges.
        config: The recipe's section.
        asked: Who writes: another model than training's, where there are two.
        state: The line's state.
        dropped: Counts what makes no query, by reason.
    """
    made = []
    for found in _written(asking.choose(cut, config), config, asked, state, "judge"):
        if isinstance(found, Failed):
            dropped[found.reason] += 1
        else:
            passage = found.excerpt.passage
            name = f"mined-{digest([passage.document, found.kind, found.text])[:16]}"
            made.append(Query(name, found.text, ("mined", found.kind), {passage.document: 1}))
    return sorted(made, key=lambda query: query.id)


def _written(
    excerpts: Sequence[Excerpt], config: QuestionsConfig, asked: Asked, state: str, purpose: Purpose
) -> Iterator[Question | Failed]:
    """One outcome for each passage and kind; all are held, for only the last one tells whether the first is unique."""
    judge = _Judge(excerpts, prompts.task(config.kinds, purpose))
    outcomes = [
        outcome
        for excerpt, answer in asking.answers(excerpts, config, asked, state, purpose)
        for outcome in judge.outcomes(excerpt, answer, config.kinds)
    ]
    times = Counter(plain(one.text) for one in outcomes if isinstance(one, Question))
    full: Counter[str] = Counter()
    for one in outcomes:
        document = one.excerpt.passage.document
        if isinstance(one, Question) and times[plain(one.text)] > 1:
            yield Failed(one.excerpt, "DUPLICATE", one.text)
        elif isinstance(one, Question) and full[document] == config.per_document:
            yield Failed(one.excerpt, "DOCUMENT_FULL", one.text)
        else:
            full[document] += isinstance(one, Question)
            yield one


class _Judge:
    """Says of an answer's texts which may be used."""

    def __init__(self, excerpts: Sequence[Excerpt], task: str) -> None:
        known: Counter[str] = Counter()
        for excerpt in excerpts:
            known.update(_content(excerpt.passage.text))
        most = max(COMMON_LEAST, COMMON_PART * len(excerpts))
        self._common = {word for word, passages in known.items() if passages > most}
        self._task = _runs(plain(task).split(), PROMPT_WORDS)

    def outcomes(
        self, excerpt: Excerpt, answer: Answer | NoAnswer, kinds: Sequence[Kind]
    ) -> Iterator[Question | Failed]:
        """One for each kind."""
        whole = _whole(answer)
        if isinstance(whole, str):
            yield from (Failed(excerpt, whole) for _ in kinds)
            return
        for kind in kinds:
            text = whole.get(kind)
            said = " ".join(text.split()) if isinstance(text, str) else ""
            reason = self._reason(said, excerpt, kind) if isinstance(text, str) else "WRONG_SHAPE"
            hidden = reason in {"PERSONAL_DATA", "UNPRINTABLE", "TOO_LONG"}
            yield Failed(excerpt, reason, "" if hidden else said) if reason else Question(excerpt, kind, said)

    def _reason(self, said: str, excerpt: Excerpt, kind: Kind) -> str:
        """Why a text is of no use; nothing where it is."""
        passage, words = excerpt.passage.text, plain(said).split()
        spoken, languages = detect(said, ""), {excerpt.language, detect(excerpt.text, "")} - {""}
        checks = {
            "EMPTY": not words,
            "TOO_LONG": len(words) > MAX_WORDS or len(said) > MAX_CHARACTERS,
            "UNPRINTABLE": not said.isprintable(),
        }
        if not any(checks.values()):
            checks |= {
                "REFUSAL": _REFUSAL.match(said) is not None,
                "PERSONAL_DATA": personal.stands_in(said),
                "LEAKS_PROMPT": self._leaks(said, words, passage),
                "OTHER_LANGUAGE": bool(spoken and languages) and spoken not in languages,
                "ECHO": _copied(words, plain(passage), whole=kind != "keywords"),
                "OFF_TOPIC": not (_content(said) & _content(passage)) - self._common,
            }
        return next((reason for reason, found in checks.items() if found), "")

    def _leaks(self, said: str, words: list[str], passage: str) -> bool:
        mark = prompts.fence(passage)[0].split()[-1]
        return mark in said or not self._task.isdisjoint(_runs(words, PROMPT_WORDS))


def _whole(answer: Answer | NoAnswer) -> dict[str, object] | str:
    """The object in the answer, or the reason why there is none."""
    if isinstance(answer, NoAnswer):
        return answer.reason
    if answer.finish in {"refusal", "content_filter"} or _REFUSAL.match(answer.text):
        return "REFUSAL"
    found = prompts.parse(answer.text)
    if found is None:
        return "CUT_OFF" if answer.finish == "length" else "NOT_JSON"
    return found


def _copied(words: list[str], passage: str, *, whole: bool) -> bool:
    """Whether a text is the passage's own; search words may be, as long as they are few."""
    said = " ".join(words)
    if whole and len(said) >= COPIED_CHARACTERS and f" {said} " in f" {passage} ":
        return True
    length = max(COPIED_WORDS, ceil(COPIED_PART * len(words)))
    return not _runs(words, length).isdisjoint(_runs(passage.split(), length))


def _runs(words: list[str], length: int) -> set[str]:
    """All so many words in a row."""
    return {" ".join(words[begin : begin + length]) for begin in range(len(words) - length + 1)}


def _content(text: str) -> set[str]:
    """What tells texts apart, whatever their language: the beginnings of long words, numbers, pairs of characters."""
    found: set[str] = set()
    for word in plain(text).split():
        if _UNSPACED.search(word):
            found.update(word[at : at + 2] for at in range(max(1, len(word) - 1)))
        elif len(word) >= 4 or any(map(str.isdigit, word)):
            found.add(word[:5])
    return found

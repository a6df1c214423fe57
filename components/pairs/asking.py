"""Asking a model about passages: which ones, each once for ever, so many at once, within a budget."""

from __future__ import annotations

import heapq
import json
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil

from components.corpus.document import Document
from components.corpus.passages import Passage
from components.pairs import prompts
from components.pairs.config import Asked, QuestionsConfig
from components.pairs.llm import Answer, Door, NoAnswer, Prompt
from components.pairs.prompts import Purpose
from components.store.cache import Cache
from components.store.digests import digest
from components.store.errors import TransientError
from components.store.events import Progress, emit

IN_A_ROW = 20
"""So many passages without an answer, one after the other, end the step."""


@dataclass(frozen=True)
class Excerpt:
    """A passage, its text as it stands in the document, and the document's language."""

    passage: Passage
    text: str
    language: str


@dataclass(frozen=True)
class Asks:
    """One passage to ask about."""

    excerpt: Excerpt
    prompt: Prompt
    key: dict[str, str]
    cached: bool


def choose(cut: Iterable[tuple[Document, Iterable[Passage]]], config: QuestionsConfig) -> list[Excerpt]:
    """At most `config.passages` passages: one of every document before a second of any, in an order that stays.

    Memory holds the chosen ones and one document's.

    Args:
        cut: Each document with its passages.
        config: How many, and how many questions about one document.
    """
    each = ceil(config.per_document / len(config.kinds))
    found = (excerpt for document, passages in cut for excerpt in _of_one(document, passages, each))
    return [excerpt for _, excerpt in heapq.nsmallest(config.passages, found, key=lambda ranked: ranked[0])]


def _of_one(document: Document, passages: Iterable[Passage], each: int) -> Iterator[tuple[tuple[int, str], Excerpt]]:
    named = heapq.nsmallest(each, ((digest(passage.id), passage) for passage in passages), key=lambda one: one[0])
    text = document.text if named else ""
    for rank, (name, passage) in enumerate(named):
        excerpt = Excerpt(passage, text[passage.start : passage.end], document.language)
        yield (rank, name), excerpt


def answers(
    excerpts: Sequence[Excerpt], config: QuestionsConfig, asked: Asked, state: str, purpose: Purpose
) -> Iterator[tuple[Excerpt, Answer | NoAnswer]]:
    """What the model says about each excerpt, in their order; a rerun asks only about what has no answer yet.

    An answer is kept whatever it says: at temperature 0 the same would come again. What the budget does not allow is
    not asked. Before the first question an event `plan` tells what it may cost, after the last `asked` what it did.

    Raises:
        UserError: What nobody can go on without (see `llm.Door`).
        TransientError: MODEL_DOES_NOT_ANSWER after `IN_A_ROW` passages without an answer, or when none came at all.
    """
    cache = Cache(state, "answers")
    held = {entry.key for entry in cache.folder.list()}
    kept = (prompts.key(excerpt.passage.text, config.kinds, purpose, asked.model) for excerpt in excerpts)
    asks = [
        Asks(excerpt, prompts.prompt(excerpt.passage.text, config.kinds, purpose), key, digest(key) in held)
        for excerpt, key in zip(excerpts, kept, strict=True)
    ]
    _tell_plan(asks, config)
    session = _Session(Door(asked, config.timeout), cache, config)
    try:
        yield from session.run(asks)
    finally:
        session.door.close()


def _tell_plan(asks: Sequence[Asks], config: QuestionsConfig) -> None:
    fresh = [one.prompt for one in asks if not one.cached]
    sent, received = sum(one.estimate for one in fresh), sum(one.longest for one in fresh)
    price = _price(sent, received, config)
    told = f"{len(fresh):,} of {len(asks):,} passages to ask about, {len(asks) - len(fresh):,} answered before; "
    told += f"at most about {sent:,} tokens sent and {received:,} received of a budget of {config.budget_tokens:,}"
    told += f", price {price:,.2f}" if config.price_sent or config.price_received else ""
    counts = {"passages": len(asks), "cached": len(asks) - len(fresh), "tokens_sent": sent, "tokens_received": received}
    emit("plan", told, **counts, price=price, budget_tokens=config.budget_tokens)


def _price(sent: int, received: int, config: QuestionsConfig) -> float:
    return round((sent * config.price_sent + received * config.price_received) / 1e6, 4)


Outcome = tuple[Answer | NoAnswer, bool]
"""What was said, and whether it was asked now."""


class _Session:
    """The questions of one run: the money and the failures are counted in the order of the passages."""

    def __init__(self, door: Door, cache: Cache, config: QuestionsConfig) -> None:
        self.door, self.cache, self.config = door, cache, config
        self.left, self.spent = config.budget_tokens, False
        self.sent = self.received = self.answered = self.failed = self.failed_in_a_row = 0
        self.last = ""
        self.waiting: deque[tuple[Asks, int, Future[Outcome]]] = deque()

    def run(self, asks: Sequence[Asks]) -> Iterator[tuple[Excerpt, Answer | NoAnswer]]:
        progress = Progress(len(asks), "passages")
        pool = ThreadPoolExecutor(self.config.at_once, thread_name_prefix="ask")
        try:
            for one in asks:
                while self.waiting and (len(self.waiting) >= 2 * self.config.at_once or not self._affords(one)):
                    yield self._next(progress)
                if self._affords(one):
                    reserved = 0 if one.cached else one.prompt.most
                    self.left -= reserved
                    self.waiting.append((one, reserved, pool.submit(self._ask, one)))
                else:
                    self.spent = True
                    yield one.excerpt, NoAnswer("BUDGET")
            while self.waiting:
                yield self._next(progress)
            self._end()
        finally:
            pool.shutdown(cancel_futures=True)

    def _affords(self, one: Asks) -> bool:
        return one.cached or (not self.spent and one.prompt.most <= self.left)

    def _next(self, progress: Progress) -> tuple[Excerpt, Answer | NoAnswer]:
        """The oldest question's answer, its tokens settled."""
        one, reserved, future = self.waiting.popleft()
        found, fresh = future.result()
        self.left += reserved
        if isinstance(found, NoAnswer):
            self._failed(found)
        else:
            self.answered, self.failed_in_a_row = self.answered + 1, 0
            sent, received = (found.sent, found.received) if fresh else (0, 0)
            self.sent, self.received, self.left = (
                self.sent + sent,
                self.received + received,
                self.left - sent - received,
            )
        progress.add(1)
        return one.excerpt, found

    def _failed(self, found: NoAnswer) -> None:
        self.left -= found.tokens
        self.failed, self.failed_in_a_row = self.failed + 1, self.failed_in_a_row + 1
        if self.failed_in_a_row == IN_A_ROW:
            raise self._silent(found.reason)
        self.last = found.reason

    def _silent(self, reason: str) -> TransientError:
        what = f"the model {self.door.model} at {self.door.host} does not answer"
        fix = "See that the server runs and is not overloaded; what was answered is kept, so a rerun goes on there."
        told = f"{self.failed_in_a_row} passages in a row without an answer, the last {reason}"
        return TransientError("MODEL_DOES_NOT_ANSWER", what, found=told, fix=fix)

    def _end(self) -> None:
        if self.failed and not self.answered:
            raise self._silent(self.last)
        price = _price(self.sent, self.received, self.config)
        counts = {"answered": self.answered, "failed": self.failed}
        emit("asked", "", **counts, tokens_sent=self.sent, tokens_received=self.received, price=price)

    def _ask(self, one: Asks) -> Outcome:
        known = self.cache.get(one.key) if one.cached else None
        if known is not None:
            return Answer(**json.loads(known)), False
        found = self.door.ask(one.prompt)
        if isinstance(found, Answer):
            self.cache.put(one.key, json.dumps(vars(found)).encode())
        return found, True

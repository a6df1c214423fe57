"""What a recipe says about pairs and judged queries."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from components.corpus.config import Address
from components.store.addresses import Endpoint
from components.store.config import Config
from components.store.licence import non_commercial

Side = Literal["train", "dev", "sealed", "reserve"]


class LogsConfig(Config):
    """Search logs: who asked what, what was shown where, what was clicked."""

    uri: Address
    """JSONL or Parquet files below this address, gzip or zstd around JSONL; one row for each document shown."""

    query: str = "query"
    """The column with the question."""
    document: str = "document"
    """The column with the document's name, as qrels name one."""
    position: str = "position"
    """The column with the rank shown at, from 1."""
    clicked: str = "clicked"
    """The column that says whether it was clicked (boolean, or 0 and 1)."""
    timestamp: str = "timestamp"
    """The column with the time: ISO 8601, or seconds or milliseconds since 1970."""
    session: str = "session"
    """The column with the session or user."""

    min_impressions: int = Field(10, ge=1)
    """A question's document that was shown less often tells nothing."""
    min_clicks: int = Field(2, ge=1)
    """Fewer clicks than this, by different sessions, make no pair."""
    propensities: list[Annotated[float, Field(gt=0, le=1)]] = []
    """The chance that somebody looks at rank 1, 2, ...; beyond them the last one. Without any: 1 / rank."""
    clip: float = Field(10.0, ge=1)
    """A click counts 1 / propensity, but never more than this."""
    bot_rows: int = Field(300, ge=1)
    """A session that was shown more than this in any 60 seconds is no person: 30 searches of ten documents each."""
    session_share: float = Field(0.05, gt=0, le=1)
    """A session with more than this part of all rows is left out."""
    held_out: float = Field(0.2, ge=0, lt=1)
    """The latest part of the rows, by time, judges; the earlier part trains."""

    @model_validator(mode="after")
    def _six_columns(self) -> LogsConfig:
        columns = [self.query, self.document, self.position, self.clicked, self.timestamp, self.session]
        if len(set(columns)) < len(columns):
            raise ValueError(f"six different columns, not {', '.join(columns)}")
        return self


Miner = Literal["headings", "questions", "logs"]
Kind = Literal["question", "keywords", "claim", "how-to"]


class Asked(Config):
    """A language model behind an OpenAI-compatible endpoint."""

    endpoint: Endpoint
    """The address up to and with `/v1`, without a user, a password or a query: keys come from the environment."""
    model: str = Field(min_length=1)
    """The model's name there."""
    key: str = Field("OPENAI_API_KEY", pattern=r"^[A-Z0-9_]*API_KEY$")
    """The environment variable that holds the key, if there must be one; two providers have two."""


class QuestionsConfig(Config):
    """Questions that a language model writes about passages of the documents."""

    writer: Asked | None = None
    """Who writes the questions that train; without one no questions are written."""
    judge: Asked | None = None
    """Who writes the questions that judge, when there are no better ones; without one the writer, in other words."""
    kinds: list[Kind] = Field(["question", "keywords", "claim", "how-to"], min_length=1)
    """What is asked for; one of each for every passage."""
    per_document: int = Field(8, ge=1)
    """Questions about one document at most, so that no document can steer the training."""
    passages: int = Field(10_000, ge=1)
    """Passages asked about at most, spread over all documents."""
    budget_tokens: int = Field(20_000_000, ge=1000)
    """Tokens, sent and received, that the step may use in one run; then it goes on with what it has."""
    price_sent: float = Field(0.0, ge=0)
    """Price of a million tokens sent, for the preview."""
    price_received: float = Field(0.0, ge=0)
    """Price of a million tokens received."""
    at_once: int = Field(8, ge=1, le=256)
    """Requests in flight."""
    timeout: float = Field(60.0, gt=0)
    """Seconds for one answer."""

    @field_validator("kinds")
    @classmethod
    def _each_once(cls, kinds: list[Kind]) -> list[Kind]:
        if len(set(kinds)) < len(kinds):
            raise ValueError("every kind once")
        return kinds


class FiltersConfig(Config):
    """What a training pair must be like."""

    min_words: int = Field(1, ge=1)
    """Words of an anchor, at least."""
    max_words: int = Field(64, ge=2)
    """Words of an anchor, at most."""
    languages: list[str] = []
    """Languages of documents that train (`en`); without any, all."""
    max_copied: float = Field(0.9, gt=0, le=1)
    """An anchor of five words or more of which a larger part stands in the positive in a row is copied text."""
    round_trip: int = Field(20, ge=0)
    """The anchor finds its passage among so many; 0 does not ask."""


class NegativesConfig(Config):
    """Hard negatives: passages that the model takes for answers and that are none."""

    per_pair: int = Field(0, ge=0, le=64)
    """How many; 0 mines none. Each makes a step as long again as a text more in every pair does."""
    margin: float = Field(0.95, gt=0, le=1)
    """A negative scores less than this part of what the positive scores (NV-Retriever, 2407.15831)."""
    depth: int = Field(64, ge=1, le=1000)
    """Passages looked at for each anchor."""
    miner: Literal["base", "champion"] = "base"
    """Whose idea of near is used; the champion's only if there is one."""
    second_round: bool = False
    """Train once, mine again with the result, and train again from the base."""

    @model_validator(mode="after")
    def _mined_at_all(self) -> NegativesConfig:
        if self.second_round and not self.per_pair:
            raise ValueError("a second round with negatives.per_pair of 1 or more")
        return self


class GeneralConfig(Config):
    """Pairs from outside, so that the model does not forget what it knew."""

    uri: Address
    """JSONL or Parquet files of `anchor` and `positive` below this address."""
    licence: str = Field(min_length=1)
    """The licence of the pairs, as SPDX names it."""
    share: float = Field(0.2, gt=0, lt=1)
    """Their part of all training pairs."""


class PairsConfig(Config):
    """Which questions judge, how documents are split, how many pairs are enough."""

    judged: Address | None = None
    """Judged queries in BEIR layout: queries and qrels below this address; without them the held-out part of the logs
    judges, else questions that a language model writes about held-out documents."""

    logs: LogsConfig | None = None
    """Search logs."""

    questions: QuestionsConfig = QuestionsConfig()
    """Questions that a language model writes."""

    general: GeneralConfig | None = None
    """Pairs from outside of the corpus."""

    commercial: bool = False
    """The model will be used commercially: data under a non-commercial licence is refused, and a base under one or
    under none that is known."""

    weights: dict[Miner, Annotated[float, Field(ge=0, le=100)]] = {}
    """Source of pairs -> how often each of its pairs is trained on in a pass; 1 where nothing is said."""

    filters: FiltersConfig = FiltersConfig()
    negatives: NegativesConfig = NegativesConfig()

    shares: dict[Side, float] = {"train": 0.7, "dev": 0.1, "sealed": 0.1, "reserve": 0.1}
    """The part of the groups that goes to each side; a document keeps its side for the line's life."""

    min_pairs: int = Field(500, ge=2)
    """Fewer training pairs than this end the run; fewer than twice as many are warned about."""

    @model_validator(mode="after")
    def _whole(self) -> PairsConfig:
        if abs(sum(self.shares.values()) - 1) > 1e-9 or min(self.shares.values()) < 0:
            raise ValueError(f"shares that add up to 1, not {sum(self.shares.values()):g}")
        if not self.shares.get("train") or not self.shares.get("dev") or not self.shares.get("sealed"):
            raise ValueError("shares with a part each for train, dev and sealed")
        return self

    @model_validator(mode="after")
    def _judged_by_somebody(self) -> PairsConfig:
        if not (self.judged or (self.logs and self.logs.held_out) or self.questions.judge or self.questions.writer):
            raise ValueError("something that judges: pairs.judged, pairs.logs or pairs.questions")
        return self

    @model_validator(mode="after")
    def _licensed(self) -> PairsConfig:
        if self.commercial and self.general and non_commercial(self.general.licence):
            raise ValueError(f"general pairs that may be used commercially, not under {self.general.licence}")
        return self

    @property
    def hardened(self) -> bool:
        """Whether a model looks at the pairs before they train."""
        return bool(self.filters.round_trip or self.negatives.per_pair)

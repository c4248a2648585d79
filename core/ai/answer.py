"""What is asked of the gateway, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Literal
from uuid import UUID

from core.ai.evidence import Evidence
from core.ai.providers.contract import Message, Recording, TokenUsage, ToolSpec
from core.ai.schemas import followed
from core.ai.tools import Course
from core.metering.meter import Feature, QuotaState
from core.metering.repeats import Idempotency

EMBEDDING = "embedding"
"""The task of turning texts into vectors: no text is generated."""
IMAGE = "image"
"""The task of making a picture."""
TRANSCRIPTION = "transcription"
"""The task of writing a recording down."""
Operation = Literal["chat", "embedding", "image", "transcription"]
"""What a model is asked to do, whatever the task is."""
PUBLIC_TASKS = frozenset(
    {"signal_validation", "news", "news_detail", "sentiment", "filing_list", "filing_detail", "company_profile"}
)
"""Tasks whose questions the server may build from public data alone, so that all organisations share the answer."""


@dataclass(frozen=True, slots=True)
class PictureWish:
    """How a picture is to be."""

    size: str = "1024x1024"
    quality: str = "low"


@dataclass(frozen=True, slots=True)
class Question:
    """One request to a model, whatever page or route it came from."""

    messages: tuple[Message, ...]
    """The conversation, oldest first; for embeddings one user message for each text."""
    model: str = "auto"
    """Id of a model, or `auto`; empty: the asker's default, that of their organisation, or else the installation's."""
    feature: Feature | None = Feature.CHAT_QUERY
    task: str = "chat"
    """Kind of task: how long the answer is kept."""
    max_tokens: int = 1024
    temperature: float = 0.7
    prompt_version: str = ""
    data_version: str = ""
    channel: str = "api"
    """Where it came from, for the log: `page`, `api` or `command`."""
    conversation_id: UUID | None = None
    earlier: tuple[Message, ...] | None = None
    """The messages of an earlier turn that asked the same; looked up in the cache first."""
    is_normalised: bool = False
    """Whether the cache takes user messages for equal that differ in white space, case or Unicode form."""
    is_exact: bool = False
    """Whether the cache takes messages for different that differ in white space at their ends."""
    is_private: bool = False
    """Whether the answer is built on data of this user alone, and kept for them alone."""
    is_public: bool = False
    """Whether the server built the question from public data alone: its answer is kept for every organisation.

    Never so of what a user typed, and of no task that is not one of `PUBLIC_TASKS`."""
    skips_cache: bool = False
    """Asked again on purpose: passes the cache by, neither leads nor joins a flight, and is charged."""
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    """Texts at which the answer ends."""
    json_schema: Mapping[str, object] | None = None
    """The JSON Schema that the answer has to follow; empty: any JSON object. An answer that does not, after one
    repair, is `unusable_answer` and free."""
    tools: tuple[ToolSpec, ...] = ()
    """What the model may ask to have done on the way; then there is a `course` that does it."""
    course: Callable[[], Course] | None = None
    """Makes what leads through a request that takes several calls, under one hold: a loop of tools, or parts."""
    reads: Callable[[str], str | None] | None = None
    """Reads an answer in place of the schema, which the provider is still told: the text to keep, or None where the
    answer cannot be used. The same question is always read the same way: it is no part of the cache's key."""
    dimensions: int | None = None
    """Length of the vectors of an embedding; None is the model's own."""
    picture: PictureWish | None = None
    """How the picture is to be that the one message describes."""
    recording: Recording | None = field(default=None, repr=False)
    """What is to be written down; then the one message holds its SHA-256 and nothing else."""
    language: str | None = None
    """Of the recording, ISO 639-1."""
    idempotency: Idempotency | None = None
    """The caller's key, where the request may be sent again."""
    acts_as: Literal["member", "organisation"] = "member"
    """For whom it is asked: a batch is the organisation's, under its own quota, budget and slots."""
    experiment_id: UUID | None = None
    """The experiment that it takes part in, for the log."""
    arm: str | None = None
    """On which side: `control` or `variant`."""
    tried: str | None = None
    """Id of the model that an experiment has asked before those that `auto` chooses."""
    named_by: str = "chosen by name"
    """Who chose a model that is not `auto`, as its route says it."""

    def __post_init__(self) -> None:
        if self.is_public and (self.is_private or self.task not in PUBLIC_TASKS):
            raise ValueError("Only a named public task, built on nobody's own data, has a public answer.")

    @property
    def operation(self) -> Operation:
        """What the model is asked to do."""
        return _OPERATIONS.get(self.task, "chat")

    @property
    def is_embedding(self) -> bool:
        """Whether texts are turned into vectors."""
        return self.task == EMBEDDING

    @property
    def is_checked(self) -> bool:
        """Whether an answer is shown only once it is known to be usable."""
        return self.reads is not None or self.json_schema is not None

    def usable(self, text: str) -> str | None:
        """The text of an answer as it is kept; None where it cannot be used."""
        if self.reads is not None:
            return self.reads(text)
        return text if self.json_schema is None else followed(text, self.json_schema)


_OPERATIONS: dict[str, Operation] = {EMBEDDING: "embedding", IMAGE: "image", TRANSCRIPTION: "transcription"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question."""

    text: str
    state: str
    """`complete`; `partial` where the client or our time limit cut it."""
    model: str
    provider: str
    is_offline: bool
    is_cached: bool
    finish_reason: str
    usage: TokenUsage
    is_estimated: bool
    """Whether the tokens are our own conservative estimate."""
    cost_usd: Decimal
    """What this request was charged, in USD."""
    route_reason: str
    considered: int
    """Models that were considered for it."""
    request_id: UUID
    plan: str
    latency_ms: int
    credits: Decimal = Decimal(0)
    """What it took in credits; zero where the plan covered it."""
    saved_usd: Decimal = Decimal(0)
    """What the call cost whose answer this gives again, free."""
    quota: QuotaState | None = None
    """The feature's quota after this request; None for a cached answer, which moves none."""
    rate: QuotaState | None = None
    """The requests of the running minute after this request."""
    price_version: str = ""
    """The price that the call was counted with; empty where an older program kept the answer."""
    evidence: Evidence | None = None
    """What it rests on, where tools were used or figures checked."""

    def as_settled(self, charged_usd: Decimal, taken: Decimal, quota: QuotaState | None) -> Answer:
        """The answer with what it was charged in the end, and what was taken in credits."""
        return replace(self, cost_usd=charged_usd, credits=taken, quota=quota)


@dataclass(frozen=True, slots=True)
class Draft:
    """An answer before it is settled, as it is handed to whoever saves it."""

    text: str
    state: str
    """`complete`, `partial` (cut or broken after the first token) or `failed` (nothing came)."""
    model: str
    provider: str
    is_offline: bool
    is_cached: bool
    usage: TokenUsage | None
    is_estimated: bool
    cost_usd: Decimal
    request_id: UUID
    note: str | None = None
    """What went wrong, in one sentence for the reader."""
    evidence: Evidence | None = None
    """What it rests on, where tools were used or figures checked."""
    route: str = ""
    """Why this model answered, in words; empty: nothing is to be said."""
    credits: Decimal = Decimal(0)
    """What it takes in credits; zero where the plan covers it."""


def draft_of(answer: Answer) -> Draft:
    """A complete answer that is free, as it is handed to whoever saves it."""
    return Draft(
        text=answer.text,
        state="complete",
        model=answer.model,
        provider=answer.provider,
        is_offline=answer.is_offline,
        is_cached=True,
        usage=answer.usage,
        is_estimated=False,
        cost_usd=Decimal(0),
        request_id=answer.request_id,
        evidence=answer.evidence,
    )


Save = Callable[[Draft], None]
"""Saves an answer's text before it is settled; must not raise for a reader who is gone."""

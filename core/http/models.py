"""What the API takes and gives: strict on the way in, decimal strings and UTC times on the way out."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from core.http.problems import plain_decimal, rfc3339

Money = Annotated[Decimal, PlainSerializer(plain_decimal, return_type=str)]
"""An amount in the named currency, as a decimal string."""
Moment = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]
"""A time in RFC 3339, UTC."""
Figure = int | None
"""A count; null where unlimited."""


class Body(BaseModel):
    """What a caller sends: every field of its own type, and none that is not known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class Answer(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, use_attribute_docstrings=True)


class CamelAnswer(Answer):
    """What a caller gets from the calls about a user, whose names are in camel case."""

    model_config = ConfigDict(alias_generator=to_camel)


class Problem(Answer):
    """A failure (RFC 9457); the members after `code` are those of a denial by metering."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    metric: str | None = None
    limit: int | str | None = None
    used: int | str | None = None
    remaining: int | str | None = None
    resets_at: str | None = None
    reason: str | None = None
    upgrade_url: str | None = None


class HealthReport(Answer):
    """How the installation is."""

    status: Literal["healthy", "degraded", "unhealthy"]
    """`degraded`: the database is slow; `unhealthy`: it cannot be reached."""
    database: Literal["ok", "slow", "unreachable"]
    cache: Literal["ok", "unreachable"]
    """The shared level of the cache, which lives in the database."""
    worker: Literal["none"]
    """There is no worker yet."""
    providers: dict[str, Literal["configured", "not_configured", "built_in"]]
    """By name, whether a key is set; none of them is asked."""
    version: str
    timestamp: Moment


class ChatQuestion(Body):
    """A question to a model, in a conversation."""

    message: str
    """The question."""
    conversation_id: str | None = None
    """A conversation of the caller's; a new one where it is missing."""
    model: str | None = Field(None, min_length=1)
    """Id of a model, or "auto"."""
    stream: bool = False
    """Answer by Server-Sent Events."""


class Tokens(Answer):
    """Tokens of an answer."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Source(Answer):
    """Something that an answer rests on."""

    title: str
    url: str | None = None
    as_of: str | None = None


class RouteTaken(Answer):
    """How the model was chosen."""

    reason: str
    candidates: int
    """Models that were considered."""


class ChatSummary(Answer):
    """What is known of an answer when it has ended: the last event of a stream."""

    model: str
    provider: str
    offline: bool
    """Whether it comes from data that is shipped with the workbench, and not from a model."""
    state: str
    """`complete`; `partial` where our time limit cut it."""
    cached: bool
    sources: list[Source]
    usage: Tokens
    estimated: bool
    """Whether the tokens are our own estimate, since the provider sent no count that can be."""
    cost_usd: Money
    credits: Money
    conversation_id: str
    message_id: str
    confidence: float | None
    """Share of the figures that were verified; null where there are none."""
    route: RouteTaken


class ChatAnswer(ChatSummary):
    """An answer."""

    text: str


class ModelPrice(Answer):
    """What a model's tokens cost, in USD per million."""

    currency: Literal["USD"] = "USD"
    per_tokens: Literal[1_000_000] = 1_000_000
    input: Money
    output: Money
    cached_input: Money
    cache_write: Money
    per_request: Money
    long_context_above: int | None
    """Prompt tokens above which `long_input` and `long_output` hold; null where there is one price."""
    long_input: Money | None
    long_output: Money | None
    version: str
    """The row of the price table; holds and usage rows keep it."""
    local: bool
    """Whether the model runs here and costs nothing."""


class ModelRow(Answer):
    """A model, and whether the caller may ask it."""

    id: str
    label: str
    provider: str
    model_class: str = Field(serialization_alias="class")
    capabilities: list[str]
    context_window: int
    max_output: int
    price: ModelPrice | None
    """Null where no price is known; then it is not available."""
    available: bool
    reason: str | None
    """Why it is not available."""


class Used(CamelAnswer):
    """A quota as it stands; `limit` and `remaining` are null where unlimited."""

    used: int
    limit: Figure
    remaining: Figure


class DailyUsage(CamelAnswer):
    """The quotas of the day."""

    chat_queries: Used
    portfolio_analysis: Used
    signal_validations: Used
    """Of the whole organisation."""


class MonthlyUsage(CamelAnswer):
    """The quotas of the month."""

    sec_filings: Used
    requests: Used


class PerPeriod(CamelAnswer):
    """A moment for each kind of period."""

    daily: Moment
    monthly: Moment


class PeriodUsage(CamelAnswer):
    """What was used in the running periods."""

    daily: DailyUsage
    monthly: MonthlyUsage
    period_start: PerPeriod
    period_end: PerPeriod


class UsageAnswer(CamelAnswer):
    """Usage of the caller in their organisation."""

    tier: str
    usage: PeriodUsage
    percentages: dict[str, float | None]
    """Used share of each quota, as a fraction (0.05 is 5 %); null where unlimited."""
    warnings: list[str]
    """One sentence for each quota of which 80 % or more is used."""


class Quota(Used):
    """A quota, with whose it is and when it starts again."""

    scope: str
    """`user` or `organisation`."""
    period: str
    """`day` or `month`."""
    resets_at: Moment


class PlanLimits(CamelAnswer):
    """The numbers of the plan; null is unlimited."""

    chat_queries_day: Figure
    portfolio_analyses_day: Figure
    sec_filings_month: Figure
    signal_validations_day: Figure
    requests_month: Figure
    requests_minute: Figure
    requests_hour: Figure
    signal_validations_minute: Figure
    concurrent_requests: Figure
    request_ceiling_usd: Money | None
    portfolios: Figure
    holdings_per_portfolio: Figure
    seats: Figure
    news_refresh_minutes: int


class QuotaAnswer(CamelAnswer):
    """The plan's limits and what is left of them."""

    user_id: str
    tier: str
    limits: PlanLimits
    quotas: dict[str, Quota]
    reset_at: PerPeriod

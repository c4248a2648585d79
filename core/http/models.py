"""What the API takes and gives: strict on the way in, decimal strings and UTC times on the way out."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

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
    """`degraded`: the database is slow, or jobs wait and no worker is there; `unhealthy`: it cannot be reached."""
    database: Literal["ok", "slow", "unreachable"]
    cache: Literal["ok", "unreachable"]
    """The shared level of the cache, which lives in the database."""
    worker: Literal["running", "absent", "unknown"]
    """`running`: one gave a sign of life within 20 seconds; `absent`: none did; `unknown`: the database did not say."""
    providers: dict[str, Literal["configured", "not_configured", "built_in"]]
    """By name, whether a key is set; none of them is asked."""
    version: str
    timestamp: Moment


class StartedJob(Answer):
    """A job that was started, or joined."""

    job_id: str


class JobAnswer(Answer):
    """How far a job is."""

    id: str
    kind: str
    status: Literal["waiting", "running", "done", "failed"]
    done: int
    """Parts that are done."""
    failed: int
    """Parts that failed."""
    total: int | None
    """Parts in all; null until it is known."""
    detail: str | None
    """What it is at, in words."""
    error: str | None
    """Why it failed."""
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None


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


class AnswerFacts(Answer):
    """What is known of an answer when it has ended."""

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
    """What was taken in credits; zero where the plan covered it."""
    confidence: float | None
    """Share of the figures that were verified; null where there are none."""
    route: RouteTaken


class Prompt(Body):
    """A question to a model, without a conversation."""

    prompt: str
    """The question."""
    model: str | None = Field(None, min_length=1)
    """Id of a model, or "auto"."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of the answer."""
    temperature: float = Field(0.7, ge=0, le=2)
    json_schema: dict[str, Any] | None = None
    """A JSON Schema that the answer has to follow; one that does not, after a repair, is `unusable_answer` and free."""


class Completion(AnswerFacts):
    """An answer without a conversation."""

    text: str


class Texts(Body):
    """Texts to turn into vectors."""

    input: Any
    """A text, or a list of texts."""
    model: str | None = Field(None, min_length=1)
    """Id of an embedding model, or "auto"."""


class Vectors(Answer):
    """The vectors of texts, in their order."""

    data: list[list[float]]
    model: str
    provider: str
    offline: bool
    usage: Tokens
    estimated: bool
    cost_usd: Money
    credits: Money
    cached: bool


class ModelPrice(Answer):
    """What a model's tokens cost, in USD per million."""

    currency: Literal["USD"] = "USD"
    per_tokens: Literal[1_000_000] = 1_000_000
    input: Money
    output: Money
    cached_input: Money
    cache_write: Money
    per_request: Money
    per_audio_hour: Money
    """Of a recording, charged by the second; above zero its tokens cost nothing."""
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
    """Tokens of input and output together; for an embedding model those of one text."""
    max_output: int
    """Most tokens of one answer; an embedding model has none."""
    dimensions: int | None
    """Length of the vectors of an embedding model; null for others."""
    deprecated_on: str | None
    """The first day on which its provider no longer serves it; null where none is announced."""
    successor: str | None
    """The model that its provider names in its place."""
    price: ModelPrice | None
    """Null where no price is known; then it is not available."""
    available: bool
    reason: str | None
    """Why it is not available."""


class ProviderRow(Answer):
    """A provider, and how its calls went in the last hour."""

    name: str
    state: Literal["configured", "not_configured", "built_in"]
    live: bool
    """Whether its models can be asked."""
    latency_ms_p50: int | None
    """Median time of a call that answered; null where there was none."""
    error_rate: float | None
    """Failed share of the calls, as a fraction; null where there were none."""
    calls: int
    """Calls of the last hour, of all organisations together."""


class UsageSums(Answer):
    """Sums over requests."""

    requests: int
    """All of them: calls, cached answers and denials."""
    cached: int
    denied: int
    failed: int
    """Calls that brought no answer, and cost nothing."""
    prompt_tokens: int
    """Tokens of calls; a cached answer uses none."""
    completion_tokens: int
    charged_usd: Money
    """What the requests were charged."""
    cost_usd: Money
    """What the providers bill, for failed calls too."""
    saved_usd: Money
    """What cached answers would have cost."""


class UsageGroup(UsageSums):
    """Sums over the requests of one day, model, provider, user, feature, status or channel."""

    key: str | None
    """The day, or the name or id; null where the requests have none."""


class UsageTotals(Answer):
    """Usage of a time, in sum and in groups."""

    from_: Moment = Field(serialization_alias="from")
    to: Moment
    """The first moment that is not part of it."""
    zone: str
    """IANA zone of the organisation, in which days begin."""
    whole_organisation: bool
    """Whether it is the organisation's, as an owner or admin sees it, or the caller's own."""
    currency: Literal["USD"] = "USD"
    group_by: str
    total: UsageSums
    groups: list[UsageGroup]


class UsageRow(Answer):
    """One request, as it was logged."""

    id: str
    at: Moment
    request_id: str
    user_id: str
    conversation_id: str | None
    channel: str
    status: str
    """`success`, `cut`, `broken`, `failed`, `unresolved`, `cached` or `denied`."""
    feature: str | None
    provider: str
    model: str
    prompt_tokens: int
    completion_tokens: int
    cached_prompt_tokens: int
    """Prompt tokens that the provider read from its own cache."""
    estimated: bool
    """Whether the tokens are our own estimate."""
    quarantine: str | None
    """Why the provider's figures were not believed; null where they were."""
    charged_usd: Money
    cost_usd: Money
    """What the providers bill."""
    credits: Money = Decimal(0)
    """What was taken in credits."""
    cover: str | None = None
    """What it was counted against: `plan` or `credits`; null: nothing."""
    plan: str | None = None
    """The organisation's plan at that moment."""
    saved_usd: Money
    """What a cached answer would have cost."""
    cache_level: str | None
    """Where a free answer came from: `machine`, `shared`, `flight` or `replay`."""
    latency_ms: int
    first_token_ms: int | None
    error_code: str | None


class UsagePage(Answer):
    """Requests, newest first."""

    data: list[UsageRow]
    next_cursor: str | None
    """Send it as `cursor` for the next page; null where there is none."""


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
    free_credits_day: int
    prompt_chars: Figure
    prompt_tokens: Figure


class QuotaAnswer(CamelAnswer):
    """The plan's limits and what is left of them."""

    user_id: str
    tier: str
    limits: PlanLimits
    quotas: dict[str, Quota]
    reset_at: PerPeriod


class Notifications(Body):
    """What a user is written to about."""

    email: bool
    """Mails that were neither asked for nor are about safety."""


class ProfileChange(Body):
    """What is to change of a profile; what is not given stays."""

    name: str = ""
    """1 to 200 characters."""
    time_zone: str | None = None
    """IANA zone in which times are shown; null is the organisation's."""
    default_model: str | None = None
    """Id of the model of a question that names none; null or `auto` is the installation's default."""
    router: bool = True
    """Whether `auto` chooses a model; without it `auto` means the default model, which then has to be named."""
    use_credits: bool = False
    """Whether credits of the organisation may be spent once the plan's allowance is used up."""
    notifications: Notifications | None = None


class ProfileAnswer(Answer):
    """A profile, and where the token belongs that it was asked with."""

    user_id: str
    email: str
    name: str
    time_zone: str | None
    """IANA zone in which times are shown; null is the organisation's."""
    default_model: str
    router: bool
    use_credits: bool
    notifications: Notifications
    organisation: str
    organisation_id: str
    role: Literal["owner", "admin", "analyst", "viewer"]
    scopes: list[Literal["read", "ask", "admin"]]
    """What the token may be used for."""

"""What the API takes and tells of verdicts."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.http.models import Answer, Body, Moment, Money
from core.verdicts.snapshot import CallerSignal

MAX_VERDICTS = 200


class SignalToValidate(Body):
    """A signal of a scan, or a snapshot of the caller's own; either, never both."""

    signal_id: str | None = None
    """Id of a signal, as `GET /api/screener/signals` tells it."""
    model: str | None = None
    """Id of a model, or auto; without one, the caller's default."""
    again: bool = False
    """Whether a verdict of the last 24 hours is passed by, and another one is paid for."""
    symbol: str | None = None
    signal_type: str | None = None
    """Id of one of the screener's types of signal, or words of the caller's own."""
    signal_direction: Literal["bullish", "bearish"] | None = None
    entry_price: float | None = Field(None, gt=0, allow_inf_nan=False)
    current_price: float | None = Field(None, gt=0, allow_inf_nan=False)
    target_price: float | None = Field(None, gt=0, allow_inf_nan=False)
    stop_loss: float | None = Field(None, gt=0, allow_inf_nan=False)
    rsi_value: float | None = Field(None, ge=0, le=100, allow_inf_nan=False)
    volume_ratio: float | None = Field(None, ge=0, allow_inf_nan=False)
    """Volume ÷ the usual volume."""
    pattern_name: str | None = None
    strongest_pattern: str | None = None
    pattern_confidence: float | None = Field(None, ge=0, le=1, allow_inf_nan=False)
    detected_patterns: list[Annotated[str, Field(max_length=100)]] | None = None

    def snapshot(self) -> dict[str, object]:
        """The fields of a snapshot that were given."""
        return self.model_dump(include=set(CallerSignal.model_fields), exclude_unset=True)


class VerdictsQuery(BaseModel):
    """Which verdicts."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    symbol: str | None = Field(None, max_length=30)
    signal_id: str | None = Field(None, max_length=60)
    cursor: str | None = None
    """`next_cursor` of the page before."""
    limit: int = Field(50, ge=1, le=MAX_VERDICTS)


class ValidationAnswer(Answer):
    """What a model says of a signal."""

    verdict: Literal["BUY", "SELL", "HOLD", "AVOID"]
    confidence: float
    """Probability that the verdict turns out right over 20 sessions, as the model has it."""
    reasoning: str
    risk_factors: list[str]
    entry_suggestion: str


class ValidationUsage(Answer):
    """What an answer used."""

    tokens_used: int
    cost_usd: Money
    """What this request was charged; 0 for a verdict that was there already."""


class NumberAnswer(Answer):
    """A number in the texts of a verdict."""

    field: str
    """`reasoning`, `risk_factors.0` …, `entry_suggestion`."""
    text: str
    start: int
    end: int
    figure: str | None
    """Name of the snapshot's figure that it is; null: it is none of them, and unverified."""


class Validated(Answer):
    """A verdict as it was asked for."""

    validation: ValidationAnswer
    usage: ValidationUsage
    cached: bool
    model: str
    provider: str
    offline: bool
    verdict_id: str
    numbers: list[NumberAnswer]
    marks: list[str]
    """How the model's text had to be read: fenced, prose_around, percentage, case."""
    as_of: date | None
    """The day that the snapshot is as of; null of a caller's own."""
    retrospective: bool
    """Given of a past day: the model may know what happened."""
    created_at: Moment


class VerdictHead(Answer):
    """A verdict in a list, with what became of it."""

    id: str
    symbol: str
    signal_id: str | None
    """Null: of a caller's own snapshot."""
    signal_type: str
    direction: Literal["bullish", "bearish"]
    universe: str | None
    signal_day: date | None
    verdict: Literal["BUY", "SELL", "HOLD", "AVOID"]
    confidence: float
    model: str
    provider: str
    offline: bool
    cached: bool
    prompt_version: str
    cost_usd: Money
    """What the request was charged."""
    purpose: Literal["asked", "batch", "replay"]
    retrospective: bool
    numbers: int
    numbers_verified: int
    move_5: float | None
    """What the price did over 5 sessions from the next open, as a fraction; null: not known, or not yet."""
    move_20: float | None
    benchmark_5: float | None
    benchmark_20: float | None
    created_at: Moment


class VerdictsAnswer(Answer):
    """Verdicts of the organisation, newest first."""

    verdicts: list[VerdictHead]
    next_cursor: str | None


class VerdictAnswer(Validated):
    """A verdict with everything that its model was shown."""

    symbol: str
    signal_id: str | None
    signal_type: str
    direction: Literal["bullish", "bearish"]
    universe: str | None
    signal_day: date | None
    decided_on: date | None
    """It is scored from the first session after this day; null: never."""
    own_confidence: float | None
    """Of the signal, by its own record."""
    base_rate: float | None
    purpose: Literal["asked", "batch", "replay"]
    prompt_version: str
    price_version: str
    call_usd: Money
    """What the call cost that brought the answer, whoever paid for it."""
    request_id: str
    snapshot_sha256: str
    snapshot: dict[str, Any]

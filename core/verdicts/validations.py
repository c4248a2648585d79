"""Validations: a model's verdict on a signal, asked for through the gateway, checked, kept, and given again free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from core.ai.numbers import CheckedNumber
from core.ai.prompts import Prompt
from core.metering.meter import QuotaState
from core.metering.repeats import Idempotency
from core.principal import Principal
from core.verdicts.answer import Validation
from core.verdicts.snapshot import Snapshot

TASK = "signal_validation"
LIFE_HOURS = 24
"""So long a snapshot is used again, and a verdict is given again for free."""
MOST_SESSIONS_OLD = 5
"""Sessions that may have closed since a signal's day."""
LEAST_BARS = 30
PAGE = 50

Purpose = Literal["asked", "batch", "replay"]


@dataclass(frozen=True)
class Verdict:
    """What a model said of a signal."""

    id: UUID
    symbol: str
    signal_id: UUID | None
    """None: of a caller's own snapshot."""
    signal_type: str
    direction: str
    universe_id: str | None
    signal_day: date | None
    as_of: date | None
    """The day of the snapshot."""
    decided_on: date | None
    """It is scored from the first session after this day; None: never."""
    validation: Validation
    numbers: Mapping[str, Sequence[CheckedNumber]]
    """Every number in its texts, by field: `reasoning`, `risk_factors.0`, `entry_suggestion`."""
    own_confidence: float | None
    base_rate: float | None
    model: str
    provider: str
    is_offline: bool
    is_cached: bool
    prompt_version: str
    snapshot_id: UUID
    snapshot_hash: bytes
    price_version: str
    charged_usd: Decimal
    """What this request was charged."""
    call_usd: Decimal
    """What the call cost that brought the answer, whoever paid."""
    prompt_tokens: int
    completion_tokens: int
    request_id: UUID
    created_at: datetime
    user_id: UUID | None
    """Who asked; None: the organisation."""
    job_id: UUID | None
    purpose: Purpose
    is_retrospective: bool
    is_generated: bool

    @property
    def numbers_total(self) -> int:
        """How many numbers its texts hold."""
        return sum(len(each) for each in self.numbers.values())

    @property
    def numbers_verified(self) -> int:
        """How many of them stand in the snapshot."""
        return sum(number.known is not None for each in self.numbers.values() for number in each)


@dataclass(frozen=True, slots=True)
class Brief:
    """A verdict as a list or a grid shows it."""

    id: UUID
    symbol: str
    signal_id: UUID | None
    signal_type: str
    direction: str
    universe_id: str | None
    signal_day: date | None
    verdict: str
    confidence: float
    model: str
    provider: str
    is_offline: bool
    is_cached: bool
    prompt_version: str
    charged_usd: Decimal
    call_usd: Decimal
    purpose: Purpose
    is_retrospective: bool
    is_generated: bool
    numbers: int
    numbers_verified: int
    created_at: datetime
    move_5: float | None
    """What the price did over 5 sessions from the next open; None: not known (yet)."""
    move_20: float | None
    benchmark_5: float | None
    benchmark_20: float | None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which verdicts of an organisation."""

    symbol: str | None = None
    signal_id: UUID | None = None
    universe_id: str | None = None
    model: str | None = None
    verdict: str | None = None
    has_replays: bool = False
    """Whether those of replays are among them."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some verdicts, newest first."""

    verdicts: Sequence[Brief]
    next_cursor: tuple[datetime, UUID] | None
    """Where the next page begins; None: there is none."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a validation would cost."""

    model: str
    """Id of the model that would be asked first."""
    most_usd: Decimal
    """The worst case, which is held while it runs."""
    usual_usd: Decimal | None
    """Median of what the last 50 cost of that model; None: there were none."""
    quota: QuotaState
    """The organisation's validations of the day."""
    is_free: bool
    """It was validated within 24 hours, and that verdict is given again."""


class Validations:
    """Asks models for verdicts, and keeps them."""

    def estimate(self, principal: Principal, signal_id: UUID, *, model: str | None = None) -> Estimate:
        """What a validation would cost, and what is left; nothing is asked or counted.

        Raises:
            AssayError: as `validate`, where it would be refused before any call.
        """
        raise NotImplementedError

    def validate(
        self,
        principal: Principal,
        signal_id: UUID,
        *,
        model: str | None = None,
        again: bool = False,
        channel: str = "page",
        idempotency: Idempotency | None = None,
    ) -> Verdict:
        """A model's verdict on a signal: the one of the last 24 hours, for free, or with `again` a new one.

        Raises:
            NotFound: there is no such signal that this caller may see.
            InvalidRequest: the signal is too old.
            NotEnoughData: no model was asked; there is not enough to judge by.
            UnusableAnswer: the answer could not be read; it cost nothing, and there is no verdict.
            Forbidden, MeteringDenied, ProviderError: as `Gateway.session`.
        """
        raise NotImplementedError

    def validate_snapshot(
        self,
        principal: Principal,
        body: Mapping[str, object],
        *,
        model: str | None = None,
        channel: str = "api",
        idempotency: Idempotency | None = None,
    ) -> Verdict:
        """A model's verdict on a snapshot that the caller brings; raises as `Snapshot.of_caller` and `validate`."""
        raise NotImplementedError

    def validate_as_organisation(
        self,
        principal: Principal,
        signal_id: UUID | None,
        *,
        model: str,
        job_id: UUID,
        purpose: Literal["batch", "replay"] = "batch",
        prompt: Prompt | None = None,
        snapshot_id: UUID | None = None,
    ) -> Verdict:
        """A verdict for the organisation, under its own quota and slots; asked again for the same job, the same one.

        Args:
            principal: the member who started it.
            signal_id: None where a stored snapshot is named.
            model: id of a model, or `auto`.
            job_id: one job has one verdict of a signal, or of a snapshot.
            purpose: what it is for; replays are left out of the board.
            prompt: another prompt than the one in force.
            snapshot_id: shows this stored snapshot again, however old it is.

        Raises:
            AssayError: as `validate`. StillRunning: another worker is at it.
        """
        raise NotImplementedError

    def of_signal(self, principal: Principal, signal_id: UUID) -> Verdict | None:
        """The newest verdict on a signal, whoever of the organisation asked for it; None where there is none."""
        raise NotImplementedError

    def of_scan(self, principal: Principal, universe_id: str, day: date) -> Mapping[tuple[str, str], Brief]:
        """The newest verdict on each signal of a universe's day, by symbol and type."""
        raise NotImplementedError

    def get(self, principal: Principal, verdict_id: UUID) -> Verdict:
        """One verdict.

        Raises:
            NotFound: the organisation has none of that id.
        """
        raise NotImplementedError

    def snapshot(self, principal: Principal, verdict_id: UUID) -> Snapshot:
        """What the model was shown; raises as `get`."""
        raise NotImplementedError

    def page(
        self,
        principal: Principal,
        filters: Filters | None = None,
        *,
        cursor: tuple[datetime, UUID] | None = None,
        most: int = PAGE,
    ) -> Page:
        """Verdicts of the organisation, newest first."""
        raise NotImplementedError

"""The meter: no provider is called without a hold, and every hold ends once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from math import ceil
from typing import Any, Literal, TypeVar
from uuid import UUID

from core.db import metering_dao as dao
from core.db.engine import Database, Driver, is_worth_repeating
from core.errors import (
    AssayError,
    Conflict,
    DatabaseUnavailable,
    Denial,
    Forbidden,
    MeteringDenied,
    StillRunning,
)
from core.metering.plans import Plans
from core.metering.repeats import Idempotency, KeptAnswer
from core.ops.telemetry import UNKNOWN, EndedCall, Telemetry
from core.principal import Principal

HOLD_GRACE_S = 30
"""A hold outlives the total time limit of its call by this much."""
FENCE_S = 10
"""A worker stops this long before its hold expires, by its own monotonic clock."""
RESERVE_TRIES = 3
SETTLE_WAIT_S = 2.0
EXPIRED_AT_ONCE = 100
LOOK_AGAIN_S = 5.0
"""Where an organisation had no overdue hold, a denial of its limits looks for some after so long again."""
MAX_LOOKED_AT = 10_000

_T = TypeVar("_T")

_REASONS = {
    "chat_queries_day": "Daily chat query limit reached ({limit}/day)",
    "portfolio_analyses_day": "Daily portfolio analysis limit reached ({limit}/day)",
    "sec_filings_month": "Monthly SEC filing limit reached ({limit}/month)",
    "signal_validations_day": "Your organisation's daily signal validation limit is reached ({limit}/day)",
    "requests_month": "Monthly AI request limit reached ({limit}/month)",
    "requests_minute": "Too many AI requests in a minute ({limit}/minute)",
    "requests_hour": "Too many AI requests in an hour ({limit}/hour)",
    "signal_validations_minute": "Too many signal validations in a minute ({limit}/minute)",
    "concurrent_requests": "Another AI request is still running ({limit} at once)",
    "concurrent_batch_requests": "Your organisation's batch has all its requests under way ({limit} at once)",
    "request_ceiling_usd": "This request could cost up to {used} USD, more than your plan's {limit} USD a request",
    "user_budget_usd_month": "Your monthly budget of {limit} USD would be exceeded",
    "org_budget_usd_month": "Your organisation's monthly budget of {limit} USD would be exceeded",
    "credits": "This request could take up to {used} credits, and your organisation has {limit} left",
    "credits_owed": "Your organisation owes {limit} credits; they are paid by the next ones that come in",
    "credits_cap_month": "Your own cap of {limit} credits a month would be exceeded",
    "key_limit_usd_month": "This key's own monthly limit of {limit} USD would be exceeded; change it in Settings",
}


class Feature(StrEnum):
    """What has a quota of its own."""

    CHAT_QUERY = "chat_query"
    SIGNAL_VALIDATION = "signal_validation"
    PORTFOLIO_ANALYSIS = "portfolio_analysis"
    SEC_FILING = "sec_filing"


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """What to reserve: the worst case of one request."""

    hold_id: UUID
    request_id: UUID
    feature: Feature | None
    provider: str
    model: str
    price_version: str
    held_usd: Decimal
    lifetime_s: int
    conversation_id: UUID | None = None
    counts_request: bool = True
    own_key: bool = False
    key_id: UUID | None = None
    """The own key that it is asked with, whose monthly limit then holds too; None: the platform's."""
    acts_as: Literal["member", "organisation"] = "member"
    credits: Decimal = Decimal(0)
    """The same worst case in credits, held where these take over from the plan; zero: they cannot."""
    idempotency: Idempotency | None = None
    flight_key: bytes | None = None
    """What names this question in its scope; None neither leads nor joins a flight."""
    cache_scope: str | None = None
    cache_key: bytes | None = None
    """Where the shared cache would have the answer; None does not look there."""


@dataclass(frozen=True, slots=True)
class QuotaState:
    """A quota or a rate as it stands; `limit` and `remaining` are None where unlimited."""

    metric: str
    limit: int | None
    used: int
    resets_at: datetime

    @property
    def remaining(self) -> int | None:
        """What is left of it."""
        return None if self.limit is None else max(0, self.limit - self.used)


@dataclass(frozen=True, slots=True)
class Hold:
    """A granted reservation."""

    id: UUID
    plan: str
    fence: float
    """Monotonic second after which this process may neither call nor settle."""
    expires: float
    """Monotonic second after which the hold is overdue for everyone."""
    quota: QuotaState | None
    rate: QuotaState | None
    is_under_credits: bool = False
    """Whether credits cover it, and not the plan."""
    credits: Decimal = Decimal(0)
    """How many it holds."""


@dataclass(frozen=True, slots=True)
class Flight:
    """The same question is being answered under another hold."""

    leader_id: UUID


@dataclass(frozen=True, slots=True)
class Answered:
    """The question was answered before: what the shared cache holds."""

    entry: Mapping[str, Any]
    life_s: float
    """How long it stays there."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """How a hold ended."""

    outcome: str
    """settled, released or expired; not_open or unknown where there was nothing to resolve."""
    charged_usd: Decimal
    quota_used: int | None
    credits: Decimal = Decimal(0)
    """What was taken in credits."""


@dataclass(frozen=True, slots=True)
class CallRecord:
    """What is logged of a call: the usage row's fields and one record per attempt."""

    cost_usd: Decimal = Decimal(0)
    usage: dict[str, Any] = field(default_factory=dict)
    attempts: list[dict[str, Any]] = field(default_factory=list)
    credits: Decimal = Decimal(0)
    """What the answer takes in credits, where these cover it."""
    entry: dict[str, Any] | None = None
    """What the cache keeps of the answer, in the settlement's own transaction."""
    answer: dict[str, Any] | None = None
    """What a repeat of the request gets."""


class Meter:
    """Reserves, settles and releases; every method is one round trip to the database."""

    def __init__(
        self,
        database: Database,
        plans: Plans,
        *,
        telemetry: Telemetry | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        look_again_s: float = LOOK_AGAIN_S,
    ) -> None:
        self._database = database
        self._look_again = timedelta(seconds=look_again_s)
        self._looked_at: dict[UUID, datetime] = {}
        self._plans = plans
        self._telemetry = telemetry or Telemetry()
        self._monotonic = monotonic
        self._sleep = sleep

    def reserve(self, principal: Principal, request: HoldRequest) -> Hold:
        """Takes a hold under every limit that applies, all or nothing.

        Raises:
            MeteringDenied: a limit refuses; nothing was used.
            Forbidden: there is no such membership, its role may not ask, or its own key was revoked or has expired.
            Conflict: the Idempotency-Key was used with another body; StillRunning: its request has not ended.
            DatabaseUnavailable: nothing was reserved that does not expire by itself; no call may be made.
        """
        taken = self.reserve_or_join(principal, replace(request, flight_key=None, cache_key=None))
        assert isinstance(taken, Hold)
        return taken

    def reserve_or_join(self, principal: Principal, request: HoldRequest) -> Hold | Flight | Answered:
        """As `reserve`; where the question is being answered already, or the cache holds its answer, nothing is taken.

        Raises:
            AssayError: as `reserve`.
        """
        started = self._monotonic()
        row = self._reserved(principal, request)
        if (
            row.scope == "organisation"
            and row.denied_at is not None
            and self._makes_room(principal.org_id, row.denied_at)
        ):
            row = self._reserved(principal, request)
        if row.outcome == "flight" and row.hold_id is not None:
            return Flight(row.hold_id)
        if row.outcome == "cached" and row.entry is not None:
            return Answered(row.entry, float(row.entry_life_s or 0))
        if row.outcome == "denied":
            denial = _denial(row)
            self._telemetry.denied(metric=denial.metric, code=denial.code)
            raise MeteringDenied(denial)
        if row.outcome in _REPEATED:
            raise _still_running()
        if row.outcome == "other_body":
            raise _other_body()
        if row.outcome == "key_ended":
            raise Forbidden("The key that pays for this was revoked or has expired. Ask again, or look in Settings.")
        if row.outcome != "granted" or row.lifetime_s is None:
            raise Forbidden("You may not ask models in this organisation.")
        lifetime_s = float(row.lifetime_s)
        return Hold(
            id=request.hold_id,
            plan=row.plan or principal.plan,
            fence=started + lifetime_s - FENCE_S,
            expires=started + lifetime_s,
            quota=_quota(row),
            rate=_rate(row),
            is_under_credits=row.cover == "credits",
            credits=_credits(request) if row.cover == "credits" else Decimal(0),
        )

    def mark_in_flight(self, hold: Hold) -> bool:
        """Says durably that the call begins; False where the hold expired, and the call may not be made."""
        if self._monotonic() >= hold.fence:
            return False
        return self._once(lambda: self._single(lambda c: dao.mark_in_flight(c, hold.id)))

    def top_up(self, hold: Hold, held_usd: Decimal, held_credits: Decimal = Decimal(0)) -> bool:
        """Raises a hold before a dearer model is tried; False where a limit refuses, and that model is skipped.

        `held_credits` counts where credits cover the hold.
        """
        if self._monotonic() >= hold.fence:
            return False
        return self._once(lambda: self._single(lambda c: dao.top_up(c, hold.id, held_usd, held_credits)))

    def settle(self, hold: Hold, outcome: str, charged_usd: Decimal, record: CallRecord) -> Resolved:
        """Charges a call that answered; `outcome` is success, cut or early_cut."""
        row = self._until_expiry(
            hold,
            lambda c: dao.settle(
                c,
                hold.id,
                outcome=outcome,
                charged_usd=charged_usd,
                cost_usd=record.cost_usd,
                usage=record.usage,
                attempts=record.attempts,
                credits=record.credits,
                entry=record.entry,
                answer=record.answer,
            ),
        )
        return self._ended(row, outcome, record, by="settled")

    def release(self, hold: Hold, status: str, record: CallRecord | None = None) -> Resolved:
        """Returns everything a call held; `status` is failed, broken or never_called."""
        kept = record or CallRecord()
        row = self._until_expiry(
            hold,
            lambda c: dao.release(
                c, hold.id, status=status, cost_usd=kept.cost_usd, usage=kept.usage, attempts=kept.attempts
            ),
        )
        return self._ended(row, status, kept, by="released")

    def repeated(self, principal: Principal, idempotency: Idempotency) -> KeptAnswer | None:
        """What the request of this key was answered; None where it is the first, or cost nothing and may be made again.

        Raises:
            Conflict: the key was used with another body.
            StillRunning: its request has not ended.
        """
        values = {
            "org_id": principal.org_id,
            "user_id": principal.user_id,
            "route": idempotency.route,
            "key": idempotency.key,
            "body_sha256": idempotency.body_sha256,
        }
        with self._database.single() as connection:
            row = dao.repeated(connection, values)
        if row is None:
            return None
        if not row.is_same:
            raise _other_body()
        if row.value is None:
            raise _still_running()
        return KeptAnswer(row.value)

    def follow(self, leader_id: UUID) -> bool:
        """Says that somebody waits for a flight's answer; False once its leader has ended."""
        return self._once(lambda: self._single(lambda c: dao.follow(c, leader_id))) == "flying"

    def leave(self, leader_id: UUID) -> None:
        """Says that one follower waits no longer."""
        self._once(lambda: self._single(lambda c: dao.leave(c, leader_id)))

    def is_followed(self, hold: Hold) -> bool:
        """Whether another process waits for the answer of this hold."""
        return self._once(lambda: self._single(lambda c: dao.is_followed(c, hold.id)))

    def sweep(self, org_id: UUID | None = None) -> int:
        """Expires overdue holds of one organisation or of all, one transaction each; says how many.

        Limits are right without it: `reserve` expires the caller's own overdue holds first.
        """
        with self._database.single() as connection:
            overdue = dao.overdue(connection, org_id, most=EXPIRED_AT_ONCE)
            if org_id is None:
                dao.forget_repeats(connection)
        return sum(self._expire(hold_id) for hold_id in overdue)

    def _makes_room(self, org_id: UUID, at: datetime) -> bool:
        """Whether overdue holds of an organisation ended; where there were none, nobody looks for a while."""
        looked_at = self._looked_at.get(org_id)
        if looked_at is not None and looked_at <= at < looked_at + self._look_again:
            return False
        if self.sweep(org_id) > 0:
            return True
        if len(self._looked_at) >= MAX_LOOKED_AT:
            self._looked_at.clear()
        self._looked_at[org_id] = at
        return False

    def _expire(self, hold_id: UUID) -> bool:
        return self._once(lambda: self._single(lambda c: dao.expire(c, hold_id)))

    def _reserved(self, principal: Principal, request: HoldRequest) -> dao.ReservationRow:
        repeat = request.idempotency
        values = {
            "hold_id": request.hold_id,
            "request_id": request.request_id,
            "org_id": principal.org_id,
            "user_id": principal.user_id,
            "feature": request.feature.value if request.feature else None,
            "provider": request.provider,
            "model": request.model,
            "price_version": request.price_version,
            "held_usd": request.held_usd,
            "lifetime_s": request.lifetime_s,
            "counts_request": request.counts_request,
            "credits": _credits(request),
            "own_key": request.own_key,
            "key_id": request.key_id,
            "conversation_id": request.conversation_id,
            "acts_as": request.acts_as,
            "flight_key": request.flight_key,
            "cache_scope": request.cache_scope,
            "cache_key": request.cache_key,
            "route": repeat.route if repeat else None,
            "key": repeat.key if repeat else None,
            "body_sha256": repeat.body_sha256 if repeat else None,
        }
        return self._once(lambda: self._single(lambda c: dao.reserve(c, values)))

    def _ended(self, row: dao.ResolutionRow, outcome: str, record: CallRecord, *, by: str) -> Resolved:
        """How a hold ended, which is counted; `late` where something else had ended it."""
        is_ours = row.outcome == by
        charged_usd = row.charged_usd if is_ours else Decimal(0)
        self._telemetry.call_ended(_ended_call(outcome if is_ours else "late", charged_usd, record))
        return Resolved(row.outcome, row.charged_usd, row.quota_used, row.credits_charged)

    def _single(self, step: Callable[[Driver], _T]) -> _T:
        with self._database.heart() as driver:
            return step(driver)

    def _once(self, step: Callable[[], _T]) -> _T:
        """Repeats an idempotent step after a lost reply or a serialisation failure, a few times."""
        for tries_left in range(RESERVE_TRIES - 1, -1, -1):
            try:
                return step()
            except Exception as error:
                if tries_left == 0 or not _is_passing(error):
                    raise
                self._sleep(0.02)
        raise AssertionError("unreachable")

    def _until_expiry(self, hold: Hold, step: Callable[[Driver], dao.ResolutionRow]) -> dao.ResolutionRow:
        """Repeats an idempotent resolution until it is answered or the hold has expired anyway."""
        wait_s = 0.02
        while True:
            try:
                return self._single(step)
            except Exception as error:
                if not _is_passing(error) or self._monotonic() + wait_s >= hold.expires:
                    raise
                self._sleep(wait_s)
                wait_s = min(2 * wait_s, SETTLE_WAIT_S)


def _ended_call(outcome: str, charged_usd: Decimal, record: CallRecord) -> EndedCall:
    usage = record.usage
    return EndedCall(
        outcome=outcome,
        provider=usage.get("provider", UNKNOWN),
        model=usage.get("model", UNKNOWN),
        channel=usage.get("channel", UNKNOWN),
        prompt_tokens=usage.get("prompt_tokens", 0),
        completion_tokens=usage.get("completion_tokens", 0),
        charged_usd=charged_usd,
        cost_usd=record.cost_usd,
        latency_ms=usage.get("latency_ms"),
        first_token_ms=usage.get("first_token_ms"),
    )


def _other_body() -> AssayError:
    return Conflict("This Idempotency-Key was used with another body. Use a new key for a new request.")


def _still_running() -> AssayError:
    return StillRunning("The request with this Idempotency-Key is still running; ask again in a second.")


_REPEATED = ("running", "replay")
"""What `reserve` says of a key that the same request took in the meantime; asked again, its answer is there."""


def _is_passing(error: Exception) -> bool:
    return isinstance(error, DatabaseUnavailable) or is_worth_repeating(error)


def _denial(row: dao.ReservationRow) -> Denial:
    assert row.code is not None
    assert row.metric is not None
    assert row.maximum is not None
    assert row.used is not None
    wait_s = None
    if row.resets_at is not None and row.denied_at is not None:
        wait_s = max(1, ceil((row.resets_at - row.denied_at).total_seconds()))
    limit, used = row.maximum, row.used
    reasons, shown = row.metric, limit
    if row.metric == "credits" and limit < 0:
        reasons, shown = "credits_owed", -limit
    reason = _REASONS[reasons].format(limit=_plain(shown), used=_plain(used))
    return Denial(
        code=row.code,
        metric=row.metric,
        limit=max(Decimal(0), limit),
        used=used,
        remaining=max(Decimal(0), limit if row.metric == "credits" else limit - used),
        resets_at=row.resets_at,
        retry_after_s=wait_s,
        reason=reason,
    )


def _credits(request: HoldRequest) -> Decimal:
    """What a request may hold in credits: nothing on an own key, or for the organisation."""
    return request.credits if request.acts_as == "member" and not request.own_key else Decimal(0)


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"


def _quota(row: dao.ReservationRow) -> QuotaState | None:
    if row.quota_metric is None or row.quota_used is None or row.quota_resets_at is None:
        return None
    return QuotaState(row.quota_metric, row.quota_limit, row.quota_used, row.quota_resets_at)


def _rate(row: dao.ReservationRow) -> QuotaState | None:
    if row.rate_used is None or row.rate_resets_at is None:
        return None
    return QuotaState("requests_minute", row.rate_limit, row.rate_used, row.rate_resets_at)

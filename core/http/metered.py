"""The headers of a metered call: the plan, the running minute, and the quota, as far as they are known.

    X-Plan                                                  name of the plan
    RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset   AI requests a minute; the last in seconds from now
    X-Quota-Metric, X-Quota-Remaining, X-Quota-Reset        the feature's quota; the last a time, RFC 3339
    X-Cost-Usd, X-Credits                                   what the answer cost and what of it was taken in credits,
                                                            where that is known when it begins
    X-Cache                                                 hit: the answer was there already, and is free; or miss

What is unlimited sets no header.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil

from core.ai.answer import Answer
from core.errors import AssayError, MeteringDenied
from core.http.problems import plain_decimal, rfc3339
from core.metering.meter import Hold, QuotaState
from core.metering.usage import Allowance, Usage
from core.principal import Principal

RATE = "requests_minute"
CHAT_QUOTA = "chat_queries_day"
VALIDATION_QUOTA = "signal_validations_day"
REQUEST_QUOTA = "requests_month"
"""The quota of calls that have none of their own: they count as a request of the month alone."""
COST = "X-Cost-Usd"
CREDITS = "X-Credits"
CACHE = "X-Cache"
EXPOSED = (
    "X-Request-Id",
    "X-Client-Request-Id",
    "X-Plan",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-Quota-Metric",
    "X-Quota-Remaining",
    "X-Quota-Reset",
    COST,
    CREDITS,
    CACHE,
    "Idempotency-Replayed",
    "Retry-After",
)
"""Headers that pages of other allowed origins may read."""


def told_headers(answer: Answer | None, hold: Hold | None = None) -> dict[str, str] | None:
    """How the caller stands, where the answer or the hold of a call under way tells; None where the books have to."""
    if answer is not None and answer.quota is not None:
        return {**quota_headers(answer.plan, answer.quota, answer.rate), **outcome_headers(answer)}
    if answer is None and hold is not None and hold.quota is not None:
        return quota_headers(hold.plan, hold.quota, hold.rate)
    return None


def metered_headers(
    usage: Usage, principal: Principal, answer: Answer | None = None, *, quota: str = CHAT_QUOTA
) -> dict[str, str]:
    """How the caller stands after a call; read from the books where the answer does not tell.

    While the call still runs, what it holds counts as used.
    """
    told = told_headers(answer)
    if told is not None:
        return told
    outcome = {} if answer is None else outcome_headers(answer)
    try:
        allowances = usage.overview(principal).allowances
    except AssayError:
        return {**quota_headers(principal.plan, None, None), **outcome}
    return {**quota_headers(principal.plan, _state(allowances.get(quota)), _state(allowances.get(RATE))), **outcome}


def outcome_headers(answer: Answer) -> dict[str, str]:
    """What an answer cost, in USD and in credits, and whether it was there already."""
    told = {COST: plain_decimal(answer.cost_usd), CREDITS: plain_decimal(answer.credits)}
    return told | {CACHE: "hit" if answer.is_cached else "miss"}


def refused_headers(
    usage: Usage, principal: Principal, error: AssayError, *, quota: str = CHAT_QUOTA
) -> dict[str, str]:
    """How the caller stands after a metered call that failed or was denied."""
    headers = metered_headers(usage, principal, quota=quota)
    if isinstance(error, MeteringDenied) and error.denial.metric == RATE and error.denial.resets_at is not None:
        denial = error.denial
        rate = QuotaState(RATE, int(denial.limit), int(denial.used), error.denial.resets_at)
        headers |= quota_headers(principal.plan, None, rate)
    return headers


def quota_headers(plan: str, quota: QuotaState | None, rate: QuotaState | None) -> dict[str, str]:
    """How a caller stands who has this quota and this rate."""
    headers = {"X-Plan": plan}
    if rate is not None and rate.limit is not None:
        headers["RateLimit-Limit"] = str(rate.limit)
        headers["RateLimit-Remaining"] = str(rate.remaining)
        headers["RateLimit-Reset"] = str(max(0, ceil((rate.resets_at - datetime.now(UTC)).total_seconds())))
    if quota is not None and quota.limit is not None:
        headers["X-Quota-Metric"] = quota.metric
        headers["X-Quota-Remaining"] = str(quota.remaining)
        headers["X-Quota-Reset"] = rfc3339(quota.resets_at)
    return headers


def _state(allowance: Allowance | None) -> QuotaState | None:
    if allowance is None:
        return None
    limit = None if allowance.limit is None else int(allowance.limit)
    return QuotaState(allowance.metric, limit, int(allowance.used), allowance.ends_at)

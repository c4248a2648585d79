"""The headers of a metered call: the plan, the running minute, and the quota, as far as they are known.

    X-Plan                                                  name of the plan
    RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset   AI requests a minute; the last in seconds from now
    X-Quota-Metric, X-Quota-Remaining, X-Quota-Reset        the feature's quota; the last a time, RFC 3339

What is unlimited sets no header.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import ceil

from core.ai.answer import Answer
from core.errors import AssayError, MeteringDenied
from core.http.problems import rfc3339
from core.metering.meter import QuotaState
from core.metering.usage import Allowance, Usage
from core.principal import Principal

RATE = "requests_minute"
CHAT_QUOTA = "chat_queries_day"
EXPOSED = (
    "X-Request-Id",
    "X-Plan",
    "RateLimit-Limit",
    "RateLimit-Remaining",
    "RateLimit-Reset",
    "X-Quota-Metric",
    "X-Quota-Remaining",
    "X-Quota-Reset",
    "Retry-After",
)
"""Headers that pages of other allowed origins may read."""


def metered_headers(usage: Usage, principal: Principal, answer: Answer | None = None) -> dict[str, str]:
    """How the caller stands after a call; read from the books where the answer does not tell.

    While the call still runs, what it holds counts as used.
    """
    if answer is not None and answer.quota is not None:
        return _headers(answer.plan, answer.quota, answer.rate)
    try:
        allowances = usage.overview(principal).allowances
    except AssayError:
        return _headers(principal.plan, None, None)
    return _headers(principal.plan, _state(allowances.get(CHAT_QUOTA)), _state(allowances.get(RATE)))


def refused_headers(usage: Usage, principal: Principal, error: AssayError) -> dict[str, str]:
    """How the caller stands after a metered call that failed or was denied."""
    headers = metered_headers(usage, principal)
    if isinstance(error, MeteringDenied) and error.denial.metric == RATE and error.denial.resets_at is not None:
        denial = error.denial
        rate = QuotaState(RATE, int(denial.limit), int(denial.used), error.denial.resets_at)
        headers |= _headers(principal.plan, None, rate)
    return headers


def _headers(plan: str, quota: QuotaState | None, rate: QuotaState | None) -> dict[str, str]:
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

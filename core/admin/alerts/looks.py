"""What is looked at every minute, and the findings that it gives: one statement each, read to its end."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

from core.admin.alerts.rules import (
    ERROR_MEMORY,
    ERROR_WINDOW,
    JOB_WINDOW,
    JUST_EXPIRED,
    LEAST_CALLS,
    LEAST_ELAPSED,
    LEAST_PROJECTED_SHARE,
    RULES,
    SOON,
    Finding,
)
from core.db import oversight_looks_dao as dao
from core.db.engine import Transaction
from core.db.oversight_looks_dao import CircuitRow, CostRow, ErrorsRow, FailedJobsRow, KeyRow, PlanRow, QuotaRow

METRICS: Mapping[str, str] = {
    "chat_queries_day": "chat questions of the day",
    "portfolio_analyses_day": "portfolio analyses of the day",
    "sec_filings_month": "SEC filings of the month",
    "requests_month": "AI requests of the month",
    "signal_validations_day": "signal validations of the day",
    "budget_usd_month": "USD",
}
_BUDGET = "budget_usd_month"
_ONE = Decimal(1)
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Found:
    """What a look found."""

    findings: Iterable[Finding]
    """Read once, while the transaction of the look is open."""
    is_complete: bool = True
    """Whether that is all there is: only then what is not in it has cleared."""


@dataclass(frozen=True, slots=True)
class Look:
    """One thing that is looked at, for one rule or several."""

    name: str
    rules: Collection[str]
    find: Callable[[Transaction], Found]
    is_snapshot: bool = False
    """Whether its statements must see one moment: it is read before, in a transaction of its own."""


def quotas(transaction: Transaction) -> Found:
    """Quotas and budgets that are used for the most part, or will be before the month is over."""
    rows = dao.quotas(
        transaction,
        share=_clears_below("quota_80"),
        projected=_clears_below("projected_overrun"),
        least_elapsed=LEAST_ELAPSED,
        least_share=LEAST_PROJECTED_SHARE,
    )
    return Found(finding for row in rows for finding in _of_quota(row))


def keys(transaction: Transaction) -> Found:
    """Own keys that expire soon, or have just expired."""
    return Found(map(_of_key, dao.expiring_keys(transaction, ahead=SOON, after=JUST_EXPIRED)))


def plans(transaction: Transaction) -> Found:
    """Subscriptions that end soon."""
    return Found(map(_of_plan, dao.ending_plans(transaction, ahead=SOON)))


def circuits(transaction: Transaction) -> Found:
    """Providers and models whose circuit is open, or half open; each provider before its models."""
    return Found(map(_of_circuit, dao.open_circuits(transaction)))


def errors(transaction: Transaction) -> Found:
    """The share of each provider's calls that failed lately."""
    rows = dao.errors(transaction, rule="error_rate", window=ERROR_WINDOW, memory=ERROR_MEMORY, least=LEAST_CALLS)
    return Found(map(_of_errors, rows))


def costs(transaction: Transaction) -> Found:
    """What this UTC day came to, for the installation and for organisations that set a threshold."""
    return Found([_of_cost(row) for row in dao.costs_today(transaction, rule="cost_day") if row.usd])


def jobs(transaction: Transaction) -> Found:
    """Jobs that failed within the last hour."""
    return Found(map(_of_jobs, dao.failed_jobs(transaction, window=JOB_WINDOW)))


LOOKS = (
    Look("quotas", ("quota_80", "quota_100", "budget_80", "budget_100", "projected_overrun"), quotas),
    Look("keys", ("key_expiring",), keys),
    Look("plans", ("plan_expiring",), plans),
    Look("circuits", ("provider_down", "model_down"), circuits),
    Look("errors", ("error_rate",), errors),
    Look("costs", ("cost_day",), costs, is_snapshot=True),
    Look("jobs", ("job_failed",), jobs),
)
"""What is looked at every minute; the books are looked at by an audit of their own."""


def _clears_below(name: str) -> Decimal:
    rule = RULES[name]
    assert rule.threshold is not None
    return rule.threshold * rule.falls_to


def _of_quota(row: QuotaRow) -> Iterator[Finding]:
    is_budget = row.metric == _BUDGET
    kind = "budget" if is_budget else "quota"
    whose = "your" if row.user_id else "your organisation's"
    period = _minute(row.starts_at)
    words = {
        "what": f"{whose} budget" if is_budget else METRICS[row.metric],
        "unit": METRICS[row.metric],
        "whose": whose,
        "Whose": whose.capitalize(),
        "used": _figure(row.used, is_budget),
        "limit": _figure(row.maximum, is_budget),
        "percent": _percent(row.share),
        "projected": "" if row.projected is None else _percent(row.projected),
        "resets": f"on {_day(row.ends_at, row.zone)}",
    }
    named = {f"{kind}_80": row.share, f"{kind}_100": row.share}
    if row.projected is not None and row.share < 1:
        named["projected_overrun"] = row.projected
    for rule, value in named.items():
        yield Finding(rule, row.org_id, row.user_id, row.metric, period, value, words)


def _of_key(row: KeyRow) -> Finding:
    words = {
        "provider": row.provider,
        "name": row.name,
        "last_four": row.last_four or "no digits",
        "expires": "has expired" if row.has_expired else f"expires on {_day(row.expires_at, 'UTC')} (UTC)",
    }
    return Finding("key_expiring", row.org_id, row.user_id, str(row.id), _minute(row.expires_at), _ONE, words)


def _of_plan(row: PlanRow) -> Finding:
    words = {
        "plan": row.plan,
        "ends": f"on {_day(row.ends_at, 'UTC')} (UTC)",
        "why": "Its last payment failed." if row.is_unpaid else "The subscription was ended.",
        "next": row.next_plan or "the free plan",
    }
    return Finding("plan_expiring", row.org_id, None, row.subscription_id, _minute(row.ends_at), _ONE, words)


def _of_circuit(row: CircuitRow) -> Finding:
    words = {
        "provider": row.provider,
        "model": row.model,
        "failures": f"{row.failures:,}",
        "failure": row.failure or "no reason was given",
    }
    if not row.model:
        return Finding("provider_down", None, None, row.provider, "", _ONE, words)
    subject, told_by = f"{row.provider}/{row.model}", ("provider_down", row.provider)
    return Finding("model_down", None, None, subject, "", _ONE, words, told_by)


def _of_errors(row: ErrorsRow) -> Finding:
    share = Decimal(row.failed) / row.calls
    words = {
        "provider": row.provider,
        "percent": _percent(share),
        "failed": f"{row.failed:,}",
        "calls": f"{row.calls:,}",
        "error": row.error_code or "no code",
    }
    return Finding("error_rate", None, None, row.provider, "", share, words)


def _of_jobs(row: FailedJobsRow) -> Finding:
    words = {
        "kind": row.kind.replace("_", " "),
        "failed": "1 job" if row.failed == 1 else f"{row.failed:,} jobs",
        "error": row.error or "nothing.",
    }
    return Finding("job_failed", row.org_id, None, row.kind, "", Decimal(row.failed), words)


def _of_cost(row: CostRow) -> Finding:
    words = {"used": _figure(row.usd, is_usd=True), "calls": f"{row.calls:,}"}
    return Finding("cost_day", row.org_id, None, "cost", f"{row.day.astimezone(UTC):%Y-%m-%d}", row.usd, words)


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def _figure(value: Decimal, is_usd: bool) -> str:
    return f"{value.quantize(_CENT, ROUND_HALF_UP):,}" if is_usd else f"{value.to_integral_value():,}"


def _percent(share: Decimal) -> str:
    """Whole percent, rounded down, so that what is nearly used up is not said to be."""
    return f"{(share * 100).to_integral_value(ROUND_FLOOR):,} %"


def _day(moment: datetime, zone: str) -> str:
    at = moment.astimezone(ZoneInfo(zone))
    return f"{at.day} {at:%B} at {at:%H:%M}"

"""`GET /api/user/usage` and `/api/user/quota`: what the caller used and what is left."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter

from core.http.authentication import SignedIn, SignedInRoute
from core.http.context import Bench, Threads, in_thread
from core.http.models import (
    DailyUsage,
    MonthlyUsage,
    PeriodUsage,
    PerPeriod,
    PlanLimits,
    Quota,
    QuotaAnswer,
    UsageAnswer,
    Used,
)
from core.metering.usage import Allowance

QUOTAS = {
    "chatQueries": "chat_queries_day",
    "portfolioAnalysis": "portfolio_analyses_day",
    "signalValidations": "signal_validations_day",
    "secFilings": "sec_filings_month",
    "requests": "requests_month",
}
"""The quotas by their names in answers."""
WORDS = {
    "chatQueries": "chat queries of the day",
    "portfolioAnalysis": "portfolio analyses of the day",
    "signalValidations": "signal validations of the organisation's day",
    "secFilings": "SEC filings of the month",
    "requests": "AI requests of the month",
}

router = APIRouter(route_class=SignedInRoute, tags=["User"])


@router.get("/user/usage", summary="What the caller used")
async def usage(principal: SignedIn, bench: Bench, threads: Threads) -> UsageAnswer:
    """The running day and month of the caller in their organisation; what still runs counts as used."""
    overview = await in_thread(partial(bench.usage.overview, principal), threads)
    quotas = {name: overview.allowances[metric] for name, metric in QUOTAS.items()}
    used = {name: _used(allowance) for name, allowance in quotas.items()}
    return UsageAnswer(
        tier=overview.plan.name,
        usage=PeriodUsage(
            daily=DailyUsage(
                chat_queries=used["chatQueries"],
                portfolio_analysis=used["portfolioAnalysis"],
                signal_validations=used["signalValidations"],
            ),
            monthly=MonthlyUsage(sec_filings=used["secFilings"], requests=used["requests"]),
            period_start=PerPeriod(daily=quotas["chatQueries"].starts_at, monthly=quotas["requests"].starts_at),
            period_end=PerPeriod(daily=quotas["chatQueries"].ends_at, monthly=quotas["requests"].ends_at),
        ),
        percentages={name: _share(allowance) for name, allowance in quotas.items()},
        warnings=[_warning(name, allowance) for name, allowance in quotas.items() if allowance.is_near_limit],
    )


@router.get("/user/quota", summary="What the plan allows, and what is left of it")
async def quota(principal: SignedIn, bench: Bench, threads: Threads) -> QuotaAnswer:
    """The limits of the organisation's plan and the caller's quotas."""
    overview = await in_thread(partial(bench.usage.overview, principal), threads)
    quotas = {name: overview.allowances[metric] for name, metric in QUOTAS.items()}
    return QuotaAnswer(
        user_id=str(principal.user_id),
        tier=overview.plan.name,
        limits=PlanLimits.model_validate(overview.plan.limits.model_dump()),
        quotas={
            name: Quota(
                **_used(allowance).model_dump(),
                scope=allowance.scope,
                period=allowance.period,
                resets_at=allowance.ends_at,
            )
            for name, allowance in quotas.items()
        },
        reset_at=PerPeriod(daily=quotas["chatQueries"].ends_at, monthly=quotas["requests"].ends_at),
    )


def _used(allowance: Allowance) -> Used:
    limit, remaining = allowance.limit, allowance.remaining
    return Used(
        used=int(allowance.used),
        limit=None if limit is None else int(limit),
        remaining=None if remaining is None else int(remaining),
    )


def _share(allowance: Allowance) -> float | None:
    return None if allowance.share is None else round(float(allowance.share), 4)


def _warning(name: str, allowance: Allowance) -> str:
    return f"{int(allowance.used)} of {int(allowance.limit or 0)} {WORDS[name]} are used."

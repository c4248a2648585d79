"""`POST /api/risk-metrics`: risk figures of returns or of a portfolio; what is new is one analysis of the day."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from fastapi import APIRouter, Request, Response

from core.errors import AssayError, NotFound
from core.http.authentication import SignedIn, SignedInRoute
from core.http.caller import caller_of
from core.http.context import Bench, Threads, in_thread
from core.http.idempotency import REPLAYED_HEADER, idempotency_of
from core.http.metered import CACHE, metered_headers, quota_headers, refused_headers
from core.http.risk_models import RiskMetricsAnswer, RiskMetricsWanted
from core.metering.repeats import Idempotency
from core.portfolio.analyses import QUOTA, CountedAnalysis
from core.portfolio.analysis import AnalysisRequest
from core.portfolio.risk import PERIODS
from core.principal import Principal
from core.workbench import Workbench

router = APIRouter(route_class=SignedInRoute, tags=["Portfolios"])


@router.post("/risk-metrics", response_model=RiskMetricsAnswer, summary="Risk figures of returns or of a portfolio")
async def risk_metrics(
    body: RiskMetricsWanted, request: Request, principal: SignedIn, bench: Bench, threads: Threads
) -> Response:
    """Sharpe, Sortino, alpha, beta and the like, by the definitions that the Portfolio page shows.

    Each new one counts one portfolio analysis of the day. It is kept for six hours under the data it came from: the
    same again is free. What cannot be read is refused and counts nothing; a figure that is not defined is null.
    """
    try:
        idempotency = await idempotency_of(request)
        counted = await in_thread(partial(_counted, body, principal, bench, idempotency), threads)
    except AssayError as error:
        refused = partial(refused_headers, bench.usage, principal, error, quota=QUOTA)
        caller_of(request).headers.update(await in_thread(refused, threads))
        raise
    headers = await in_thread(partial(_headers, counted, principal, bench), threads)
    return Response(_told(counted).model_dump_json(by_alias=True), headers=headers, media_type="application/json")


def _counted(
    body: RiskMetricsWanted, principal: Principal, bench: Workbench, idempotency: Idempotency | None
) -> CountedAnalysis:
    analyses = bench.portfolio.analyses
    if body.is_of_portfolio:
        first, last = body.days()
        wanted = AnalysisRequest(first, last, body.benchmark)
        return analyses.run(principal, _id(body.portfolio_id), wanted, idempotency=idempotency)
    mine, market = body.returns()
    return analyses.of_returns(
        principal,
        mine,
        market,
        risk_free_rate=body.riskFreeRate or 0.0,
        periods=PERIODS if body.periodsPerYear is None else body.periodsPerYear,
        idempotency=idempotency,
    )


def _headers(counted: CountedAnalysis, principal: Principal, bench: Workbench) -> dict[str, str]:
    told = {"X-Request-Id": str(counted.request_id), "Cache-Control": "no-store"}
    told[CACHE] = "hit" if counted.is_cached else "miss"
    if counted.hold is not None:
        return {**quota_headers(counted.hold.plan, counted.quota, counted.hold.rate), **told}
    if counted.is_replayed:
        told[REPLAYED_HEADER] = "true"
    return {**metered_headers(bench.usage, principal, quota=QUOTA), **told}


def _told(counted: CountedAnalysis) -> RiskMetricsAnswer:
    found = counted.analysis.figures
    names = RiskMetricsAnswer.model_fields.keys() - {"cached"}
    return RiskMetricsAnswer(**{name: getattr(found, name) for name in names}, cached=counted.is_cached)


def _id(given: str | None) -> UUID:
    try:
        return UUID(given or "")
    except ValueError:
        raise NotFound("There is no such portfolio, or it is not shared with you.") from None

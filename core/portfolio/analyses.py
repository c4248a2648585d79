"""Analyses of portfolios and of returns: each counts one portfolio analysis of its member's day, and is then kept.

An analysis is kept for six hours under the data it came from. The same again is free for everybody in the organisation
who sees the portfolio; whoever asks for it while it is being made waits for it and is not counted either. It is kept
before its hold is settled, so that whatever ends in between it is never counted twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

import numpy as np
from pydantic import TypeAdapter

from core.accounts.permissions import Action, require
from core.accounts.profiles import Profiles
from core.db import portfolio_analyses_dao as dao
from core.db.engine import Database
from core.errors import AssayError, DatabaseUnavailable, InvalidRequest, MeteringDenied, NotEnoughData, NotFound
from core.ids import new_id
from core.market.market import Market
from core.market.symbols import checked_symbol
from core.metering.counted import CountedCall, CountedCalls, CountedKind
from core.metering.meter import Feature, Flight, Hold, Meter, QuotaState
from core.metering.repeats import Idempotency
from core.metering.usage_log import UsageLog
from core.portfolio import analysis_parts as parts
from core.portfolio.analysis import Analysis, AnalysisRequest
from core.portfolio.analysis_material import Material, Reader, prepared_of
from core.portfolio.portfolios import NO_PORTFOLIO, PortfolioInfo
from core.portfolio.remembered import Remembered
from core.portfolio.report import Report
from core.portfolio.risk import PERIODS, figures
from core.portfolio.series import Floats
from core.principal import Principal

QUOTA = "portfolio_analyses_day"
KEPT_HOURS = 6
LIFETIME_S = 120
"""How long a hold lasts: the longest analysis, and the meter's grace."""
FOLLOW_S = 60.0
"""So long another request is waited for that makes the same analysis."""
LOOK_EVERY_S = 0.05
MOST_PREPARED, PREPARED_S = 64, 600.0
"""What analyses are made from, kept in the process."""
FORGOTTEN_AT_ONCE = 100
PROVIDER, MODEL = "assay", "risk figures"
"""What the log of usage has in the place of a provider and a model."""

_ANALYSES = TypeAdapter(Analysis)


def _too_late(_provider: str) -> AssayError:
    return DatabaseUnavailable("The analysis took too long to be counted; it cost you nothing. Try again.")


KIND = CountedKind(Feature.PORTFOLIO_ANALYSIS, MODEL, LIFETIME_S, _too_late)


class PortfolioSource(Protocol):
    """Where portfolios come from; `core.portfolio.portfolios` has them."""

    def get(self, principal: Principal, portfolio_id: UUID) -> PortfolioInfo:
        """One that the principal sees; NotFound otherwise."""


class ReportSource(Protocol):
    """Where reports come from; `core.portfolio.reports` has them."""

    def of(self, principal: Principal, portfolio_id: UUID) -> Report:
        """The report of a portfolio that the principal sees; NotFound otherwise."""


@dataclass(frozen=True, slots=True)
class AnalysisParts:
    """What analyses are composed of."""

    database: Database
    meter: Meter
    usage_log: UsageLog
    portfolios: PortfolioSource
    reports: ReportSource
    market: Market
    profiles: Profiles


@dataclass(frozen=True, slots=True)
class CountedAnalysis:
    """An analysis, and how its reader stands."""

    analysis: Analysis
    is_cached: bool
    """Whether it was there already, and cost nothing."""
    is_replayed: bool
    """Whether it is the answer that this Idempotency-Key got before."""
    request_id: UUID
    hold: Hold | None
    """None for what was there already."""
    quota: QuotaState | None
    """The day's quota after it; None where it was there already."""


class Analyses:
    """Makes analyses, counted, and gives those that are kept."""

    def __init__(self, given: AnalysisParts) -> None:
        self._given = given
        self._calls = CountedCalls(given.meter, given.usage_log, KIND)
        self._prepared: Remembered[Material] = Remembered(MOST_PREPARED, life_s=PREPARED_S)

    def run(
        self,
        principal: Principal,
        portfolio_id: UUID,
        request: AnalysisRequest | None = None,
        *,
        idempotency: Idempotency | None = None,
    ) -> CountedAnalysis:
        """An analysis of a portfolio as of the principal's date: the kept one, or one that is made and counted.

        Raises:
            Forbidden: the role or the token may not.
            NotFound: no portfolio of that id that this caller sees, or no bars of the benchmark that is asked for.
            InvalidRequest, NotEnoughData: bounds that cannot be, or no return in the window; nothing was counted.
            MeteringDenied: the day's analyses are used up; nothing was counted.
            Conflict: the Idempotency-Key was used with another body; StillRunning: its request has not ended.
        """
        require(principal, Action.ANALYSE)
        self._given.portfolios.get(principal, portfolio_id)
        call = CountedCall(principal, PROVIDER, idempotency)
        replay = self._replayed(call)
        if replay is not None:
            return replay
        material = self._material(principal, portfolio_id, request or AnalysisRequest())
        return self._counted(call, portfolio_id, material.key, lambda: self._made(principal, material))

    def kept(self, principal: Principal, portfolio_id: UUID, request: AnalysisRequest | None = None) -> Analysis | None:
        """The analysis of a portfolio as it stands, where one of the last six hours is kept: free, nothing is made.

        Raises:
            NotFound: no portfolio of that id that this caller sees.
        """
        require(principal, Action.READ)
        try:
            material = self._material(principal, portfolio_id, request or AnalysisRequest())
        except (NotEnoughData, InvalidRequest):
            return None
        return self._found(principal, material.key)

    def of_returns(
        self,
        principal: Principal,
        returns: Sequence[float],
        benchmark: Sequence[float],
        *,
        risk_free_rate: float,
        periods: float = PERIODS,
        idempotency: Idempotency | None = None,
    ) -> CountedAnalysis:
        """The figures of returns that a caller brings, counted and kept like those of a portfolio.

        Args:
            principal: who asks.
            returns: simple returns, finite, one or more.
            benchmark: of the same periods, as many.
            risk_free_rate: a year, above −1.
            periods: a year, above 0.
            idempotency: the caller's key, where there is one.

        Raises:
            AssayError: as `run`.
        """
        require(principal, Action.ANALYSE)
        mine, other = np.asarray(returns, dtype=np.float64), np.asarray(benchmark, dtype=np.float64)
        _check_returns(mine, other, risk_free_rate, periods)
        call = CountedCall(principal, PROVIDER, idempotency)
        replay = self._replayed(call)
        if replay is not None:
            return replay

        def made() -> Analysis:
            return Analysis(
                id=new_id(),
                author=principal.name,
                made_at=self._given.market.clock.now(),
                figures=figures(mine, other, risk_free_rate, periods),
                risk_free_rate=risk_free_rate,
                periods=periods,
            )

        key = parts.digest(["returns", principal.org_id, mine, other, float(risk_free_rate), float(periods)])
        return self._counted(call, None, key, made)

    def _replayed(self, call: CountedCall) -> CountedAnalysis | None:
        if call.idempotency is None:
            return None
        kept = self._calls.replayed(call.principal, call.idempotency)
        if kept is None:
            return None
        answer, request_id = kept
        self._calls.log_free(replace(call, request_id=request_id), status="cached", cache_level="replay")
        return CountedAnalysis(_ANALYSES.validate_python(answer), False, True, request_id, None, None)

    def _counted(
        self, call: CountedCall, portfolio_id: UUID | None, key: bytes, make: Callable[[], Analysis]
    ) -> CountedAnalysis:
        """The kept analysis; or the one that another request is making; or one of this request's own."""
        until, level = time.monotonic() + FOLLOW_S, "shared"
        while True:
            found = self._given_again(call, key, level)
            if found is not None:
                return found
            try:
                taken = self._calls.reserve_or_join(call, key if time.monotonic() < until else None)
            except MeteringDenied as denied:
                found = self._given_again(call, key, level)  # it may have come to be there just now
                if found is not None:
                    return found
                self._calls.log_free(call, status="denied", error_code=denied.denial.code)
                raise
            if isinstance(taken, Hold):
                break
            self._follow(taken, until)
            level = "flight"
        try:
            found = self._given_again(call, key, level)
        except BaseException:
            self._calls.give_back(taken)
            raise
        if found is not None:
            self._calls.give_back(taken)
            return found
        analysis, quota = self._calls.run(
            call,
            taken,
            lambda: self._kept(call.principal, portfolio_id, key, make()),
            answer=lambda made: _ANALYSES.dump_python(made, mode="json"),
        )
        return CountedAnalysis(analysis, False, False, call.request_id, taken, quota)

    def _given_again(self, call: CountedCall, key: bytes, level: str) -> CountedAnalysis | None:
        kept = self._found(call.principal, key)
        if kept is None:
            return None
        self._calls.log_free(call, status="cached", cache_level=level)
        return CountedAnalysis(kept, True, False, call.request_id, None, None)

    def _follow(self, flight: Flight, until: float) -> None:
        """Waits until the request that makes the same analysis has ended."""
        meter = self._given.meter
        try:
            while meter.follow(flight.leader_id) and time.monotonic() < until:
                time.sleep(LOOK_EVERY_S)
        finally:
            meter.leave(flight.leader_id)

    def _found(self, principal: Principal, key: bytes) -> Analysis | None:
        with self._given.database.app(principal) as connection:
            row = dao.kept(connection, key)
        return None if row is None else _ANALYSES.validate_python(row.content)

    def _kept(self, principal: Principal, portfolio_id: UUID | None, key: bytes, analysis: Analysis) -> Analysis:
        content = _ANALYSES.dump_python(analysis, mode="json")
        with self._given.database.app(principal) as connection:
            is_kept = dao.keep(
                connection,
                analysis.id,
                portfolio_id=portfolio_id,
                key=key,
                content=content,
                author=analysis.author,
                hours=KEPT_HOURS,
            )
        if is_kept is None:
            raise NotFound(NO_PORTFOLIO)
        with self._given.database.service() as connection:
            dao.forget(connection, most=FORGOTTEN_AT_ONCE)
        return _ANALYSES.validate_python(content)  # as whoever reads it next gets it

    def _made(self, principal: Principal, material: Material) -> Analysis:
        request, window, held, notes = material.request, material.window, material.held, list(material.notes)
        frontier = None
        try:
            frontier = parts.frontier_of(held, min_weight=request.min_weight, max_weight=request.max_weight)
        except NotEnoughData as lacking:
            notes.append(lacking.detail)
        return Analysis(
            id=new_id(),
            author=principal.name,
            made_at=self._given.market.clock.now(),
            figures=figures(window.returns, window.benchmark, material.risk_free_rate),
            risk_free_rate=material.risk_free_rate,
            benchmark=material.benchmark,
            first=parts.dates(window.days)[0],
            last=parts.dates(window.days)[-1],
            missing=window.missing,
            missing_pairs=int((~np.isfinite(window.benchmark)).sum()),
            rolling=parts.rolling_curves(window, material.risk_free_rate),
            underwater=parts.underwater_curve(window),
            months=parts.months_of(window),
            correlations=parts.correlations_of(held) if held.symbols else None,
            holdings=parts.holding_risks(held),
            frontier=frontier,
            notes=tuple(notes),
        )

    def _material(self, principal: Principal, portfolio_id: UUID, request: AnalysisRequest) -> Material:
        """What an analysis comes from, and the hash of it; the same in the process while nothing of it changed."""
        given = self._given
        info = given.portfolios.get(principal, portfolio_id)
        organisation = given.profiles.organisation(principal)
        asked = None if request.benchmark is None else checked_symbol(request.benchmark)
        as_of = given.market.time.of(principal)
        reader = Reader(
            given.market,
            as_of,
            principal.org_id,
            info.currency,
            replace(request, benchmark=asked or info.benchmark or organisation.benchmark),
        )
        rate = float(organisation.risk_free_rate)
        key = (
            *(info.id, info.version, as_of.day, as_of.reason, given.market.store.writes(), given.market.fx.version),
            *(reader.request, asked is not None, rate),
        )

        def prepared() -> Material:
            report = given.reports.of(principal, portfolio_id)
            reading = replace(reader, splits=report.splits)
            return prepared_of(reading, portfolio_id, report.series, rate, must_have_benchmark=asked is not None)

        return self._prepared.of(key, prepared)


def _check_returns(returns: Floats, benchmark: Floats, risk_free_rate: float, periods: float) -> None:
    if not len(returns) or len(returns) != len(benchmark):
        raise InvalidRequest(
            f"There are {len(returns)} returns and {len(benchmark)} of the market: as many are needed."
        )
    if not (np.isfinite(returns).all() and np.isfinite(benchmark).all()):
        raise InvalidRequest("Every return is a finite number.")
    if not (np.isfinite(risk_free_rate) and risk_free_rate > -1):
        raise InvalidRequest("The risk-free rate is a fraction a year above -1: 0.04 is 4 %.")
    if not (np.isfinite(periods) and periods > 0):
        raise InvalidRequest("The periods of a year are a number above 0.")

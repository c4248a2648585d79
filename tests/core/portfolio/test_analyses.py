"""An analysis counts once for the data it came from, is free for six hours to all who see it, and fails for nothing."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from core.errors import (
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    InvalidRequest,
    MeteringDenied,
    NotEnoughData,
    NotFound,
)
from core.market.bar_store import Batch, DatasetKey, SeriesFacts
from core.metering.books import audit
from core.metering.repeats import Idempotency
from core.metering.usage import Usage
from core.portfolio import analyses as analyses_module
from core.portfolio.analyses import Analyses
from core.portfolio.analysis import AnalysisRequest
from core.portfolio.portfolio import PortfolioArea
from core.portfolio.portfolios import PortfolioSettings
from core.portfolio.risk import RiskFigures, figures
from core.portfolio.transactions import Draft, Kind
from core.principal import Principal, Role, Scope
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, MoveTime, make_settings
from tests.core.market.bars_made import frame_of

HELD = {"AAPL": 100, "IBM": 50, "MSFT": 200}
BOUGHT = date(2008, 1, 2)
RETURNS = [0.01, -0.02, 0.03, 0.005, -0.01]
MARKET = [0.02, -0.01, 0.01, 0.0, -0.02]


def opened(workbench: Workbench) -> PortfolioArea:
    """The area of a workbench whose market is loaded."""
    workbench.market.load_shipped()
    return workbench.portfolio


@pytest.fixture
def area(workbench: Workbench) -> PortfolioArea:
    """The services of portfolios on the shipped market."""
    return opened(workbench)


@pytest.fixture
def ann(member: MakeMember) -> Principal:
    """A member on the free plan: one analysis a day."""
    return member("ann")


def portfolio(area: PortfolioArea, principal: Principal, held: dict[str, int] | None = None, **settings: Any) -> UUID:
    """A portfolio of shares that were bought on one day."""
    info = area.portfolios.create(principal, PortfolioSettings(name="Shares", has_cash=False, **settings))
    drafts = [
        Draft(Kind.BUY, BOUGHT, "USD", symbol=symbol, quantity=Decimal(quantity), price=Decimal(50))
        for symbol, quantity in (HELD if held is None else held).items()
    ]
    if drafts:
        area.journal.add(principal, info.id, drafts)
    return info.id


def of_returns(area: PortfolioArea, principal: Principal, returns: list[float] | None = None, **more: Any) -> Any:
    found = RETURNS if returns is None else returns
    return area.analyses.of_returns(principal, found, MARKET[: len(found)], risk_free_rate=0.04, **more)


def used(workbench: Workbench, principal: Principal) -> int:
    return int(workbench.usage.overview(principal).allowances["portfolio_analyses_day"].used)


def rows(workbench: Workbench, principal: Principal) -> list[tuple[str, str | None]]:
    """Status and level of each row of the log, the newest first."""
    workbench.usage_log.flush()
    today = date.today()  # noqa: DTZ011 (the log is asked for by days around now)
    log = Usage(workbench.database, workbench.plans, workbench.usage_log).log(
        principal, today - timedelta(days=1), today + timedelta(days=1)
    )
    return [(row.status, row.cache_level) for row in log if row.feature == "portfolio_analysis"]


def assert_balanced(workbench: Workbench) -> None:
    assert list(audit(workbench.database).differences) == []


def test_an_analysis_holds_every_figure_with_its_window(area: PortfolioArea, ann: Principal) -> None:
    found = area.analyses.run(ann, portfolio(area, ann)).analysis
    series = area.reports.of(ann, area.portfolios.all(ann)[0].id).series
    assert (found.first, found.last) == (BOUGHT, date(2010, 8, 20))
    assert found.figures.n == len(series.days) - found.missing
    assert found.risk_free_rate == 0.04
    shown = found.figures.as_shown()
    assert all(getattr(shown, name) is not None for name in RiskFigures.__dataclass_fields__)
    assert [curve.window for curve in found.rolling] == [63, 126, 252]
    assert all(len(curve.days) == len(curve.beta) <= 600 for curve in found.rolling)
    assert found.underwater is not None
    assert min(found.underwater.drawdown) == found.figures.max_drawdown
    assert found.underwater.drawdown[-1] == found.figures.current_drawdown
    assert np.prod([1 + month.value for month in found.months]) == pytest.approx(
        np.prod(series.factors[np.isfinite(series.factors)])
    )
    assert found.correlations is not None and found.frontier is not None
    assert set(found.correlations.symbols) == set(HELD)
    assert [row[place] for place, row in enumerate(found.correlations.values)] == pytest.approx([1.0] * 3)
    assert sum(each.weight for each in found.holdings) == pytest.approx(1)
    assert sum(found.frontier.current.weights.values()) == pytest.approx(1)
    assert found.frontier.minimum_variance.volatility <= found.frontier.current.volatility
    assert found.frontier.n > 500
    assert list(found.notes) == []


def test_figures_are_of_the_portfolios_daily_factors(area: PortfolioArea, ann: Principal) -> None:
    portfolio_id = portfolio(area, ann)
    found = area.analyses.run(ann, portfolio_id).analysis.figures
    factors = area.reports.of(ann, portfolio_id).series.factors
    alone = figures(factors[np.isfinite(factors)] - 1, None, 0.04)
    for name in ("sharpe", "sortino", "volatility", "max_drawdown", "cagr", "cvar_95"):
        assert getattr(found, name) == getattr(alone, name)


def test_a_benchmark_is_joined_by_date_so_that_a_portfolio_of_it_has_beta_one(
    area: PortfolioArea, ann: Principal
) -> None:
    portfolio_id = portfolio(area, ann, {"IBM": 10})
    found = area.analyses.run(ann, portfolio_id, AnalysisRequest(benchmark="ibm")).analysis
    assert found.benchmark == "IBM"
    assert (found.figures.beta, found.figures.r_squared) == (pytest.approx(1, abs=1e-9), pytest.approx(1))
    assert found.figures.alpha == pytest.approx(0, abs=1e-9)
    assert found.missing_pairs == 1  # of the day of purchase, before which there is no close to begin with


def test_the_same_again_is_free_for_everybody_who_sees_it(
    workbench: Workbench, area: PortfolioArea, member: MakeMember
) -> None:
    ann, bob = member("ann", plan="team", org="Acme"), member("bob", plan="team", org="Acme", role=Role.ANALYST)
    portfolio_id = portfolio(area, ann, shared_with="viewer")
    first, again, others = (area.analyses.run(each, portfolio_id) for each in (ann, ann, bob))
    assert [each.is_cached for each in (first, again, others)] == [False, True, True]
    assert first.analysis == again.analysis == others.analysis
    assert (used(workbench, ann), used(workbench, bob)) == (1, 0)
    assert rows(workbench, ann) == [("cached", "shared"), ("success", None)]
    assert rows(workbench, bob) == [("cached", "shared")]
    assert_balanced(workbench)


def test_a_page_reads_what_is_kept_and_never_counts(workbench: Workbench, area: PortfolioArea, ann: Principal) -> None:
    portfolio_id = portfolio(area, ann)
    assert area.analyses.kept(ann, portfolio_id) is None
    made = area.analyses.run(ann, portfolio_id).analysis
    assert [area.analyses.kept(ann, portfolio_id) for _ in range(3)] == [made] * 3
    assert area.analyses.kept(ann, portfolio_id, AnalysisRequest(max_weight=0.5)) is None
    assert used(workbench, ann) == 1
    assert [status for status, _ in rows(workbench, ann)] == ["success"]


def test_what_is_asked_in_other_words_is_the_same_analysis(
    workbench: Workbench, area: PortfolioArea, ann: Principal
) -> None:
    portfolio_id = portfolio(area, ann)
    made = area.analyses.run(ann, portfolio_id).analysis
    spelled = AnalysisRequest(first=None, last=date(2010, 8, 20), benchmark=made.benchmark)
    assert area.analyses.run(ann, portfolio_id, spelled).is_cached
    assert used(workbench, ann) == 1


def test_another_transaction_makes_it_another_analysis(
    workbench: Workbench, area: PortfolioArea, member: MakeMember
) -> None:
    ann = member("ann", plan="basic")
    portfolio_id = portfolio(area, ann)
    area.analyses.run(ann, portfolio_id)
    area.journal.add(ann, portfolio_id, [Draft(Kind.SELL, date(2010, 1, 5), "USD", "IBM", Decimal(20), Decimal(130))])
    assert area.analyses.kept(ann, portfolio_id) is None
    assert not area.analyses.run(ann, portfolio_id).is_cached
    assert used(workbench, ann) == 2


def test_after_six_hours_it_counts_again(
    workbench: Workbench, area: PortfolioArea, member: MakeMember, move_time: MoveTime
) -> None:
    ann = member("ann", plan="basic")
    of_returns(area, ann)
    move_time(timedelta(hours=5, minutes=59))
    assert of_returns(area, ann).is_cached
    move_time(timedelta(hours=6, minutes=1))
    assert not of_returns(area, ann).is_cached
    assert_balanced(workbench)


def test_when_the_day_is_used_up_what_is_kept_is_still_free(
    workbench: Workbench, area: PortfolioArea, ann: Principal
) -> None:
    first = of_returns(area, ann)
    assert first.quota is not None
    assert (first.quota.metric, first.quota.used, first.quota.limit) == ("portfolio_analyses_day", 1, 1)
    with pytest.raises(MeteringDenied) as refused:
        of_returns(area, ann, [0.01, 0.02])
    denial = refused.value.denial
    assert (denial.code, denial.metric) == ("quota_exceeded", "portfolio_analyses_day")
    assert denial.reason == "Daily portfolio analysis limit reached (1/day)"
    assert of_returns(area, ann).analysis == first.analysis
    assert used(workbench, ann) == 1
    assert rows(workbench, ann) == [("cached", "shared"), ("denied", None), ("success", None)]
    assert_balanced(workbench)


def test_one_that_fails_is_free(
    workbench: Workbench, area: PortfolioArea, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_more: object) -> object:
        raise RuntimeError("a flaw")

    with monkeypatch.context() as patched:
        patched.setattr(analyses_module, "figures", fail)
        with pytest.raises(RuntimeError):
            of_returns(area, ann)
    assert used(workbench, ann) == 0
    assert not of_returns(area, ann).is_cached
    assert [status for status, _ in rows(workbench, ann)] == ["success", "failed"]
    assert_balanced(workbench)


def test_one_that_came_too_late_to_be_counted_is_free_when_it_is_asked_for_again(
    workbench: Workbench,
    area: PortfolioArea,
    ann: Principal,
    move_time: MoveTime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settle = workbench.meter.settle

    def late(*args: Any) -> Any:
        move_time(timedelta(minutes=10))
        return settle(*args)

    with monkeypatch.context() as patched:
        patched.setattr(workbench.meter, "settle", late)
        with pytest.raises(DatabaseUnavailable, match="took too long to be counted; it cost you nothing"):
            of_returns(area, ann)
    assert of_returns(area, ann).is_cached
    assert used(workbench, ann) == 0
    assert_balanced(workbench)


def test_many_who_ask_the_same_at_once_are_counted_once(
    workbench: Workbench, area: PortfolioArea, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [
        member("ann", plan="team", org="Acme"),
        *(member(name, plan="team", org="Acme", role=Role.ANALYST) for name in "bc"),
    ]
    made = []

    def slow(*args: Any, **more: Any) -> RiskFigures:
        made.append(args)
        time.sleep(0.4)
        return figures(*args, **more)

    monkeypatch.setattr(analyses_module, "figures", slow)
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda place: of_returns(area, people[place % 3]), range(12)))
    assert len(made) == 1
    assert sum(not each.is_cached for each in found) == 1
    assert len({each.analysis.id for each in found}) == 1
    assert sum(used(workbench, each) for each in people) == 1
    assert_balanced(workbench)


def test_where_the_one_that_is_waited_for_fails_another_takes_its_place(
    workbench: Workbench, area: PortfolioArea, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = member("ann", plan="basic")
    made = []

    def first_fails(*args: Any, **more: Any) -> RiskFigures:
        made.append(args)
        time.sleep(0.3)
        if len(made) == 1:
            raise RuntimeError("a flaw")
        return figures(*args, **more)

    def attempt(_: int) -> str:
        try:
            return "free" if of_returns(area, ann).is_cached else "counted"
        except RuntimeError:
            return "failed"

    monkeypatch.setattr(analyses_module, "figures", first_fails)
    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(attempt, range(4)))
    assert outcomes == ["counted", "failed", "free", "free"]
    assert used(workbench, ann) == 1
    assert_balanced(workbench)


def test_two_processes_count_it_once(
    workbench: Workbench,
    area: PortfolioArea,
    ann: Principal,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second workbench on the same database shares nothing with the first but that."""

    def slow(*args: Any, **more: Any) -> RiskFigures:
        time.sleep(0.4)
        return figures(*args, **more)

    monkeypatch.setattr(analyses_module, "figures", slow)
    with closing(open_workbench(make_settings(database_url, tmp_path / "other"))) as other:
        areas = [area, opened(other)]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda place: of_returns(areas[place % 2], ann), range(4)))
        assert sum(not each.is_cached for each in found) == 1
        assert used(workbench, ann) == 1
        assert_balanced(workbench)


def test_who_sees_a_portfolio_no_more_gets_no_answer_again(
    workbench: Workbench, area: PortfolioArea, member: MakeMember
) -> None:
    owner = member("ann", org="Acme", plan="team")
    colleague = member("bob", org="Acme", plan="team", role=Role.ANALYST)
    portfolio_id = portfolio(area, owner, shared_with="viewer")
    key = Idempotency("POST /api/risk-metrics", "a key", b"\x01" * 32)
    area.analyses.run(colleague, portfolio_id, idempotency=key)
    area.portfolios.alter(owner, portfolio_id, {"shared_with": None})
    with pytest.raises(NotFound):
        area.analyses.run(colleague, portfolio_id, idempotency=key)


@pytest.mark.parametrize("happens", ["deleted", "unshared"])
def test_a_portfolio_that_goes_while_it_is_analysed_is_not_found_and_costs_nothing(
    happens: str, workbench: Workbench, area: PortfolioArea, member: MakeMember, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = member("ann", org="Acme", plan="team")
    colleague = member("bob", org="Acme", plan="team", role=Role.ANALYST)
    portfolio_id = portfolio(area, owner, shared_with="viewer")
    make = Analyses._made

    def made_meanwhile(self: Analyses, *given: Any) -> Any:
        analysis = make(self, *given)
        if happens == "deleted":
            area.portfolios.delete(owner, portfolio_id)
        else:
            area.portfolios.alter(owner, portfolio_id, {"shared_with": None})
        return analysis

    monkeypatch.setattr(Analyses, "_made", made_meanwhile)
    with pytest.raises(NotFound):
        area.analyses.run(colleague, portfolio_id)
    assert used(workbench, colleague) == 0
    assert_balanced(workbench)


def test_a_request_that_is_sent_again_gets_the_same_answer(
    workbench: Workbench, area: PortfolioArea, ann: Principal, move_time: MoveTime
) -> None:
    key = Idempotency("POST /api/risk-metrics", "a key", b"\x01" * 32)
    first = of_returns(area, ann, idempotency=key)
    move_time(timedelta(hours=7))
    again = of_returns(area, ann, idempotency=key)
    assert (again.analysis, again.is_replayed, again.is_cached) == (first.analysis, True, False)
    assert again.request_id == first.request_id
    with pytest.raises(Conflict):
        of_returns(area, ann, idempotency=replace(key, body_sha256=b"\x02" * 32))
    assert rows(workbench, ann)[0] == ("cached", "replay")
    assert_balanced(workbench)


def test_a_viewer_reads_what_is_kept_and_starts_none(area: PortfolioArea, member: MakeMember) -> None:
    ann, vera = member("ann", plan="team", org="Acme"), member("vera", plan="team", org="Acme", role=Role.VIEWER)
    portfolio_id = portfolio(area, ann, shared_with="viewer")
    made = area.analyses.run(ann, portfolio_id).analysis
    assert area.analyses.kept(vera, portfolio_id) == made
    with pytest.raises(Forbidden):
        area.analyses.run(vera, portfolio_id)
    with pytest.raises(Forbidden, match="scope ask"):
        of_returns(area, replace(ann, scopes=frozenset({Scope.READ})))


def test_nobody_sees_the_analysis_of_a_portfolio_that_is_not_theirs(area: PortfolioArea, member: MakeMember) -> None:
    ann = member("ann", plan="team", org="Acme")
    bob, stranger = member("bob", plan="team", org="Acme", role=Role.ADMIN), member("eve")
    portfolio_id = portfolio(area, ann)
    area.analyses.run(ann, portfolio_id)
    for other in (bob, stranger):
        with pytest.raises(NotFound):
            area.analyses.kept(other, portfolio_id)
        with pytest.raises(NotFound):
            area.analyses.run(other, portfolio_id)


def test_another_organisation_is_counted_for_the_same_returns(
    workbench: Workbench, area: PortfolioArea, ann: Principal, member: MakeMember
) -> None:
    eve = member("eve")
    assert [of_returns(area, each).is_cached for each in (ann, eve)] == [False, False]
    assert (used(workbench, ann), used(workbench, eve)) == (1, 1)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        pytest.param(AnalysisRequest(max_weight=0.2), InvalidRequest, id="bounds-of-three-holdings"),
        pytest.param(AnalysisRequest(min_weight=0.5, max_weight=0.4), InvalidRequest, id="bounds-turned-round"),
        pytest.param(AnalysisRequest(benchmark="NOSUCH"), NotFound, id="no-bars-of-the-benchmark"),
        pytest.param(AnalysisRequest(first=date(2010, 8, 21)), NotEnoughData, id="after-the-date-that-is-seen"),
        pytest.param(AnalysisRequest(last=date(2007, 12, 31)), NotEnoughData, id="before-the-first-transaction"),
    ],
)
def test_what_cannot_be_analysed_is_said_and_not_counted(
    workbench: Workbench, area: PortfolioArea, ann: Principal, request_: AnalysisRequest, error: type[Exception]
) -> None:
    portfolio_id = portfolio(area, ann)
    with pytest.raises(error):
        area.analyses.run(ann, portfolio_id, request_)
    assert (used(workbench, ann), rows(workbench, ann)) == (0, [])


def test_an_empty_portfolio_has_nothing_to_analyse(area: PortfolioArea, ann: Principal) -> None:
    portfolio_id = portfolio(area, ann, {})
    assert area.analyses.kept(ann, portfolio_id) is None
    with pytest.raises(NotEnoughData, match="enter transactions first"):
        area.analyses.run(ann, portfolio_id)


def test_a_single_holding_has_figures_and_no_frontier(area: PortfolioArea, ann: Principal) -> None:
    found = area.analyses.run(ann, portfolio(area, ann, {"AAPL": 1})).analysis
    assert found.frontier is None
    assert "takes two holdings" in " ".join(found.notes)
    assert found.figures.sharpe is not None


def test_a_split_that_only_the_user_tells_is_no_return_of_a_holding(
    workbench: Workbench, area: PortfolioArea, ann: Principal
) -> None:
    halved_on = date(2010, 7, 14)
    sessions = [day for number in range(60) if (day := date(2010, 6, 14) + timedelta(days=number)).weekday() < 5]
    closes = {"OWN": {day: 100.0 if day < halved_on else 50.0 for day in sessions}}
    batch = Batch(frame_of(closes), {"OWN": SeriesFacts("USD", "XNYS")})
    workbench.market.store.write(DatasetKey("fetched", "made", "a test"), batch)
    made = portfolio(area, ann, {})
    area.journal.add(
        ann,
        made,
        [
            Draft(Kind.BUY, sessions[0], "USD", symbol="OWN", quantity=Decimal(10), price=Decimal(100)),
            Draft(Kind.SPLIT, halved_on, "USD", symbol="OWN", ratio=Decimal(2)),
        ],
    )
    analysis = area.analyses.run(ann, made, AnalysisRequest()).analysis
    assert [(risk.symbol, risk.volatility) for risk in analysis.holdings] == [("OWN", 0.0)]


def test_a_window_has_its_own_figures(area: PortfolioArea, member: MakeMember) -> None:
    ann = member("ann", plan="basic")
    portfolio_id = portfolio(area, ann)
    year = area.analyses.run(ann, portfolio_id, AnalysisRequest(date(2009, 1, 1), date(2009, 12, 31))).analysis
    assert (year.first, year.last) == (date(2009, 1, 2), date(2009, 12, 31))
    assert year.figures.n == 252
    assert year.frontier is not None and year.frontier.last == date(2009, 12, 31)


def test_as_of_an_earlier_day_nothing_later_is_in_it(area: PortfolioArea, ann: Principal) -> None:
    portfolio_id = portfolio(area, ann)
    found = area.analyses.run(replace(ann, as_of=date(2009, 3, 9)), portfolio_id).analysis
    assert found.last == date(2009, 3, 9)
    assert found.frontier is not None and found.frontier.last == date(2009, 3, 9)


def test_what_is_read_again_is_what_was_made(area: PortfolioArea, ann: Principal) -> None:
    portfolio_id = portfolio(area, ann)
    made = area.analyses.run(ann, portfolio_id).analysis
    assert area.analyses.kept(ann, portfolio_id) == made


def test_a_rerun_reads_no_bars(
    area: PortfolioArea, ann: Principal, workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    portfolio_id = portfolio(area, ann)
    area.analyses.run(ann, portfolio_id)

    def read(*_args: object) -> object:
        raise AssertionError("bars are read again")

    monkeypatch.setattr(workbench.market.bars, "panel", read)
    monkeypatch.setattr(workbench.market.bars, "history", read)
    assert area.analyses.kept(ann, portfolio_id) is not None


@pytest.mark.parametrize(
    ("returns", "market", "rest"),
    [
        ([], [], {}),
        ([0.1], [0.1, 0.2], {}),
        ([float("nan")], [0.1], {}),
        ([0.1], [float("inf")], {}),
        ([0.1], [0.1], {"risk_free_rate": -1.0}),
        ([0.1], [0.1], {"risk_free_rate": float("nan")}),
        ([0.1], [0.1], {"periods": 0}),
    ],
)
def test_returns_that_cannot_be_are_refused_and_not_counted(
    workbench: Workbench,
    area: PortfolioArea,
    ann: Principal,
    returns: list[float],
    market: list[float],
    rest: dict[str, float],
) -> None:
    analyses: Analyses = area.analyses
    with pytest.raises(InvalidRequest):
        analyses.of_returns(ann, returns, market, **{"risk_free_rate": 0.0, **rest})  # type: ignore[arg-type]  # numbers
    assert used(workbench, ann) == 0

"""Reports over real parts: the demo's portfolios on the shipped market, another date, other people, and reruns."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from core.db import portfolio_targets_dao
from core.errors import InvalidRequest, NotFound
from core.portfolio.demo import load_demo_portfolios
from core.portfolio.journal import Journal
from core.portfolio.ledger import Books
from core.portfolio.portfolios import Portfolios, PortfolioSettings
from core.portfolio.report import CostMethod
from core.portfolio.reports import ReportParts, Reports
from core.portfolio.transactions import Draft, Kind
from core.portfolio.valuation import Valuer
from core.principal import Principal, Role
from core.workbench import Workbench, open_workbench
from tests.conftest import MakeMember, MoveTime, make_settings, member_factory
from tests.fakes.market_answers import Share
from tests.fakes.market_server import KEY, MarketServer

DAY = date(2010, 8, 20)


class Desk:
    """A workbench on the shipped market with the services of portfolios."""

    def __init__(self, workbench: Workbench, owner: Principal) -> None:
        workbench.market.load_shipped()
        database, market = workbench.database, workbench.market
        self.workbench = workbench
        self.owner = owner
        self.books = Books(market.bars, market.fx)
        self.portfolios = Portfolios(database, workbench.plans)
        self.journal = Journal(database, workbench.plans, self.books, market.time)
        self.reports = self.fresh()

    def fresh(self) -> Reports:
        """Reports of a process that has kept nothing yet."""
        database, market = self.workbench.database, self.workbench.market
        valuer = Valuer(database, market.bars, market.fx)
        profiles = self.workbench.profiles
        parts = ReportParts(database, self.portfolios, self.journal, self.books, valuer, market, profiles)
        return Reports(parts)

    def made(self, *drafts: Draft, **settings: object) -> UUID:
        """A portfolio of the owner's with these transactions."""
        info = self.portfolios.create(self.owner, replace(PortfolioSettings("Made"), **settings))  # type: ignore[arg-type]
        if drafts:
            self.journal.add(self.owner, info.id, drafts)
        return info.id

    def demo(self, name: str) -> UUID:
        """One of the demo's portfolios."""
        load_demo_portfolios(self.portfolios, self.journal, self.owner)
        return next(info.id for info in self.portfolios.all(self.owner) if info.name == name)


@pytest.fixture
def desk(workbench: Workbench, member: MakeMember) -> Desk:
    """The desk of an owner whose organisation may keep any number of portfolios."""
    return Desk(workbench, member("ada", plan="team", org="Demo"))


def buy(symbol: str, quantity: str, price: str, day: date = date(2010, 1, 4), currency: str = "USD") -> Draft:
    """A purchase."""
    return Draft(Kind.BUY, day, currency, symbol=symbol, quantity=Decimal(quantity), price=Decimal(price))


def deposit(amount: str, day: date = date(2010, 1, 4), currency: str = "USD") -> Draft:
    """Money from outside."""
    return Draft(Kind.DEPOSIT, day, currency, amount=Decimal(amount))


def test_the_ribbon_is_the_sum_of_its_lines(desk: Desk) -> None:
    report = desk.reports.of(desk.owner, desk.demo("US stocks"))
    held = sum((each.value or Decimal(0) for each in report.holdings), Decimal(0))
    assert report.ribbon.value == held + report.cash[0].amount
    assert report.ribbon.cash == report.cash[0].value == report.sectors["Cash"]
    assert sum(each.weight or 0 for each in report.holdings) == pytest.approx(
        1 - float(report.cash[0].amount) / float(held + report.cash[0].amount)
    )
    values = [each.value or Decimal(0) for each in report.holdings]
    assert values == sorted(values, reverse=True)
    assert (report.ribbon.prices, report.ribbon.stale, report.ribbon.stale_share) == (9, 0, 0.0)
    assert report.day == DAY


def test_figures_that_can_be_counted_by_hand(desk: Desk) -> None:
    report = desk.reports.of(desk.owner, desk.demo("US stocks"))
    apple = next(each for each in report.holdings if each.symbol == "AAPL")
    # 40 at 123.87 became 160 by two splits, of which 80 were sold; 60 at 15.20 became 120.
    assert apple.quantity == 200
    assert apple.price.price == Decimal("249.64")
    assert apple.value == 200 * Decimal("249.64")
    assert apple.cost == (40 * Decimal("123.87") + Decimal("14.95")) / 2 + 60 * Decimal("15.20") + Decimal("14.95")
    assert len(apple.closes) == 60
    assert apple.closes[-1] == 249.64
    came, went = Decimal(25000 + 10000 + 15000), Decimal(12000)
    assert report.ribbon.value is not None
    assert report.ribbon.total_gain == report.ribbon.value + went - came
    assert [check.id for check in report.checks if check.severity == "warning"] == ["concentration"]


def test_the_curve_ends_with_the_value_of_the_ribbon(desk: Desk) -> None:
    for name in ("US stocks", "Two currencies"):
        report = desk.reports.of(desk.owner, desk.demo(name))
        assert report.series.days[-1] == np.datetime64(DAY)
        assert report.series.value[-1] == pytest.approx(float(report.ribbon.value or 0), rel=1e-9)


def test_another_currency_is_counted_at_the_rate_of_the_day(desk: Desk) -> None:
    report = desk.reports.of(desk.owner, desk.demo("Two currencies"))
    rate = desk.workbench.market.fx.rate("INR", "EUR", DAY)
    generated = next(each for each in report.holdings if each.symbol == "CHAMELI.NS")
    assert (generated.currency, generated.fx_rate, generated.quantity) == ("INR", rate, 120)
    assert generated.price.is_generated
    assert set(report.currencies) == {"USD", "INR"}
    assert report.ribbon.cash is None
    assert {check.id: check.severity for check in report.checks}["generated"] == "warning"
    assert report.income.months[0].taxes == pytest.approx(
        Decimal(3) * (desk.workbench.market.fx.rate("USD", "EUR", date(2008, 11, 6)) or 0)
    )


def test_returns_stand_beside_the_organisation_s_benchmark(desk: Desk) -> None:
    portfolio_id = desk.demo("US stocks")
    found = desk.reports.performance(desk.owner, portfolio_id)
    assert found.benchmark == desk.workbench.profiles.organisation(desk.owner).benchmark
    assert found.benchmark_time_weighted.value is not None
    assert desk.reports.of(desk.owner, portfolio_id).ribbon.time_weighted == found.time_weighted
    other = desk.reports.performance(desk.owner, portfolio_id, benchmark="nasdaq", first=date(2009, 1, 2))
    assert (other.benchmark, other.first) == ("NASDAQ", date(2009, 1, 2))
    assert other.time_weighted.value != found.time_weighted.value


def test_a_benchmark_without_prices_has_no_return_and_one_that_is_no_symbol_is_refused(desk: Desk) -> None:
    portfolio_id = desk.demo("US stocks")
    found = desk.reports.performance(desk.owner, portfolio_id, benchmark="NOSUCH")
    assert found.benchmark_time_weighted.value is None
    assert found.time_weighted.value is not None
    with pytest.raises(InvalidRequest):
        desk.reports.performance(desk.owner, portfolio_id, benchmark="no such symbol!")


@pytest.mark.parametrize(
    ("day", "quantity", "price"),
    [(date(2005, 2, 25), 140, "88.99"), (date(2005, 2, 27), 140, "88.99"), (date(2005, 2, 28), 280, "44.86")],
    ids=str,
)
def test_another_date_shows_what_was_known_then(desk: Desk, day: date, quantity: int, price: str) -> None:
    portfolio_id = desk.demo("US stocks")
    desk.reports.of(desk.owner, portfolio_id)
    report = desk.reports.of(replace(desk.owner, as_of=day), portfolio_id)
    apple = next(each for each in report.holdings if each.symbol == "AAPL")
    assert (apple.quantity, apple.price.price, report.day) == (quantity, Decimal(price), day)
    assert report.series.days[-1] <= np.datetime64(day)
    assert max(payment.day for payment in report.income.payments) <= day
    assert all(disposal.day <= day for disposal in report.disposals)


def test_a_split_moves_neither_value_nor_return(desk: Desk) -> None:
    report = desk.reports.of(
        desk.owner, desk.made(deposit("3559.60", date(2005, 2, 1)), buy("AAPL", "40", "80.00", date(2005, 2, 23)))
    )
    days, held = report.series.days, report.series.holdings[0]
    before, after = (held[days == np.datetime64(day)][0] for day in ("2005-02-25", "2005-02-28"))
    assert (before, after) == (pytest.approx(40 * 88.99), pytest.approx(80 * 44.86))


def test_a_date_before_the_first_transaction_shows_an_empty_portfolio(desk: Desk) -> None:
    report = desk.reports.of(replace(desk.owner, as_of=date(2000, 1, 3)), desk.demo("US stocks"))
    assert (report.holdings, report.cash, report.checks) == ((), (), ())
    assert report.ribbon.value == 0
    assert report.ribbon.time_weighted.value is None
    assert report.ribbon.money_weighted.value is None


def test_a_portfolio_without_transactions_has_a_report(desk: Desk) -> None:
    portfolio_id = desk.made()
    report = desk.reports.of(desk.owner, portfolio_id)
    assert (report.ribbon.value, report.ribbon.total_gain, report.ribbon.cash) == (0, 0, 0)
    assert (report.ribbon.day_change, report.ribbon.stale_share, report.income.months) == (None, None, ())
    assert desk.reports.performance(desk.owner, portfolio_id).days == ()


def test_an_unknown_symbol_has_no_price_and_the_rest_is_told(desk: Desk) -> None:
    report = desk.reports.of(desk.owner, desk.made(deposit("2000"), buy("NOSUCH", "1", "100"), buy("IBM", "2", "130")))
    unknown = next(each for each in report.holdings if each.symbol == "NOSUCH")
    assert (unknown.value, unknown.price.source, unknown.price.is_stale) == (None, "none", True)
    assert (report.ribbon.value, report.ribbon.total_gain, report.ribbon.stale) == (None, None, 1)
    assert next(each for each in report.holdings if each.symbol == "IBM").value == 2 * Decimal("127.5")
    assert report.sectors["Cash"] == 2000 - 100 - 260


def test_a_currency_without_rates_is_missing_and_not_one_to_one(desk: Desk) -> None:
    report = desk.reports.of(desk.owner, desk.made(deposit("100", currency="XAU"), deposit("50")))
    assert [(each.currency, each.value) for each in report.cash] == [("USD", 50), ("XAU", None)]
    assert (report.ribbon.value, report.ribbon.total_gain) == (None, None)


def test_shares_that_were_transferred_in_are_no_gain(desk: Desk) -> None:
    moved = Draft(Kind.TRANSFER_IN, date(2010, 8, 19), "USD", symbol="IBM", quantity=Decimal(10), price=Decimal(100))
    report = desk.reports.of(desk.owner, desk.made(moved))
    ibm = report.holdings[0]
    closes = ibm.closes
    assert report.ribbon.value == 10 * Decimal("127.5")
    assert float(report.ribbon.total_gain or 0) == pytest.approx(10 * (closes[-1] - closes[-2]), abs=1e-6)


def test_the_method_of_the_portfolio_tells_costs_and_gains(desk: Desk) -> None:
    portfolio_id = desk.made(
        deposit("5000", date(2010, 1, 4)),
        buy("IBM", "10", "100"),
        buy("IBM", "10", "120", date(2010, 2, 1)),
        Draft(Kind.SELL, date(2010, 3, 1), "USD", symbol="IBM", quantity=Decimal(10), price=Decimal(125)),
    )
    fifo = desk.reports.of(desk.owner, portfolio_id).holdings[0]
    info = desk.portfolios.get(desk.owner, portfolio_id)
    desk.portfolios.change(desk.owner, portfolio_id, replace(info.settings, cost_method=CostMethod.AVERAGE))
    average = desk.reports.of(desk.owner, portfolio_id).holdings[0]
    assert (fifo.cost, fifo.realised) == (1200, 250)
    assert (average.cost, average.realised) == (1100, 150)


def test_a_rerun_computes_nothing_and_a_new_transaction_does(desk: Desk) -> None:
    portfolio_id = desk.made(deposit("5000"), buy("IBM", "10", "100"))
    first = desk.reports.of(desk.owner, portfolio_id)
    assert desk.reports.of(desk.owner, portfolio_id) is first
    found = desk.reports.performance(desk.owner, portfolio_id)
    assert desk.reports.performance(desk.owner, portfolio_id) is found
    desk.journal.add(desk.owner, portfolio_id, [buy("IBM", "5", "100")])
    second = desk.reports.of(desk.owner, portfolio_id)
    assert (first.holdings[0].quantity, second.holdings[0].quantity) == (10, 15)
    assert desk.reports.performance(desk.owner, portfolio_id) is not found


def test_what_a_process_kept_is_what_another_computes_anew(desk: Desk) -> None:
    portfolio_id = desk.demo("US stocks")
    desk.reports.of(desk.owner, portfolio_id)
    desk.journal.add(
        desk.owner, portfolio_id, [deposit("100", date(2009, 6, 1)), buy("KO", "1", "50", date(2009, 9, 1))]
    )
    kept, anew = desk.reports.of(desk.owner, portfolio_id), desk.fresh().of(desk.owner, portfolio_id)
    assert replace(kept, series=anew.series) == anew
    np.testing.assert_allclose(kept.series.value, anew.series.value, rtol=1e-12)


def test_a_new_name_and_new_targets_are_seen_at_once(desk: Desk) -> None:
    portfolio_id = desk.made(deposit("5000"), buy("IBM", "10", "100"))
    assert desk.reports.of(desk.owner, portfolio_id).holdings[0].target is None
    with desk.workbench.database.app(desk.owner) as connection:
        portfolio_targets_dao.set_targets(connection, portfolio_id, {"IBM": Decimal("0.4")})
    assert desk.reports.of(desk.owner, portfolio_id).holdings[0].target == Decimal("0.4")
    settings = desk.portfolios.get(desk.owner, portfolio_id).settings
    desk.portfolios.change(desk.owner, portfolio_id, replace(settings, name="Renamed"))
    assert desk.reports.of(desk.owner, portfolio_id).name == "Renamed"


def test_what_is_kept_is_shown_to_nobody_who_may_not_see_it(desk: Desk, member: MakeMember) -> None:
    portfolio_id = desk.made(deposit("5000"), shared_with=Role.ADMIN.value)
    desk.reports.of(desk.owner, portfolio_id)
    colleague = member("carl", plan="team", org="Demo", role=Role.ANALYST)
    for stranger in (colleague, member("eve", plan="team", org="Elsewhere")):
        with pytest.raises(NotFound):
            desk.reports.of(stranger, portfolio_id)
        with pytest.raises(NotFound):
            desk.reports.performance(stranger, portfolio_id)


def test_those_who_ask_at_once_are_given_one_report(desk: Desk) -> None:
    portfolio_id = desk.demo("US stocks")
    reports, found = desk.fresh(), []
    threads = [threading.Thread(target=lambda: found.append(reports.of(desk.owner, portfolio_id))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len({id(each) for each in found}) == 1


def test_live_prices_are_asked_for_once_and_a_failing_source_leaves_the_last_known(
    database_url: str, tmp_path: Path, move_time: MoveTime
) -> None:
    with MarketServer() as vendor, ExitStack() as stack:
        live = {"FMP_API_KEY": KEY, "FMP_BASE_URL": vendor.url, "ECB_ENABLED": "0"}
        opened = stack.enter_context(closing(open_workbench(make_settings(database_url, tmp_path, **live))))
        vendor.shares["IBM"] = Share("IBM", Decimal(150), Decimal(125), exchange="NYSE", time_s=int(time.time()) - 5)
        desk = Desk(opened, member_factory(opened)("ada", plan="team", org="Demo"))
        portfolio_id = desk.made(deposit("2000", date(2013, 2, 1)), buy("IBM", "10", "200", date(2013, 2, 1)))
        report = desk.reports.of(desk.owner, portfolio_id)
        ibm = report.holdings[0]
        assert (ibm.price.price, ibm.price.source, ibm.price.currency) == (150, "fmp", "USD")
        assert (ibm.price.change_pct, ibm.day_change) == (20, 250)
        assert (report.ribbon.value, report.ribbon.total_gain, report.ribbon.stale) == (1500, -500, 0)
        assert report.day == desk.workbench.market.time.default().day
        asked = len(vendor.requests)
        assert desk.reports.of(desk.owner, portfolio_id).ribbon == report.ribbon
        assert len(vendor.requests) == asked
        vendor.reply(status=500, body={})
        move_time(timedelta(minutes=10))
        later = desk.fresh().of(desk.owner, portfolio_id)
        assert (later.holdings[0].price.price, later.holdings[0].price.source) == (150, "stale")
        assert later.ribbon.value == 1500

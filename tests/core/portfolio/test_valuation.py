"""Values by day: splits once, holidays carried, missing prices missing, flows on the day on which they count."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from core.db.engine import Database
from core.market.sources.contract import ActionKind, CorporateAction
from core.portfolio.performance import performance
from core.portfolio.transactions import Kind
from tests.core.portfolio.ledger_made import made, numbered
from tests.core.portfolio.valued_made import DAYS, LAST, PORTFOLIO, WHO, Ground, assert_same, flat, on, seen

DEPOSIT = made(Kind.DEPOSIT, DAYS[0], None, amount=10_000)
BUY = made(Kind.BUY, DAYS[0], "AAA", quantity=10, price=100)


@pytest.fixture
def ground(database: Database, tmp_path: Path) -> Ground:
    """A market of two symbols and an index."""
    made_ = Ground.on(database, tmp_path / "bars")
    made_.write({"AAA": flat(100, 102, 104), "BBB": flat(50, 49, 48)})
    made_.write({"INDEX": flat(1000, 1010, 1020)}, dataset="indices")
    return made_


def test_a_value_is_shares_and_money(ground: Ground) -> None:
    series = ground.series(numbered(DEPOSIT, BUY, made(Kind.BUY, DAYS[1], "BBB", quantity=20, price=49.5, fees=5)))
    assert series.days.astype(object).tolist() == DAYS
    assert series.symbols == ("AAA", "BBB")
    assert series.holdings[:, 0].tolist() == [1000, 0]
    assert series.holdings[:, 1].tolist() == [1020, 980]
    assert series.cash[:2].tolist() == [9000, 9000 - 990 - 5]
    assert series.value[:2].tolist() == [10_000, 9000 - 995 + 1020 + 980]
    assert series.inflow[:2].tolist() == [10_000, 0]
    assert series.outflow.sum() == 0
    assert series.holding_flows[:, :2].tolist() == [[1000, 0], [0, 995]]
    assert series.missing == {}


def test_without_cash_purchases_come_from_outside_and_proceeds_go_there(ground: Ground) -> None:
    rows = numbered(
        BUY,
        made(Kind.SELL, DAYS[2], "AAA", quantity=4, price=104, fees=1),
        made(Kind.DIVIDEND, DAYS[3], "AAA", amount=6, taxes=1),
    )
    series = ground.series(rows, has_cash=False)
    assert not series.cash.any()
    assert series.inflow[:4].tolist() == [1000, 0, 0, 0]
    assert series.outflow[:4].tolist() == [0, 0, 415, 5]
    assert series.value[:4].tolist() == [1000, 1020, 624, 624]
    assert series.holding_flows[0, :4].tolist() == [1000, 0, -415, -6]
    assert performance(series).time_weighted.value == pytest.approx(1.02 * (624 + 415) / 1020 * (624 + 5) / 624 - 1)


def test_a_split_of_the_market_is_applied_once_to_raw_bars(ground: Ground) -> None:
    split = CorporateAction(DAYS[5], ActionKind.SPLIT, Decimal(4))
    closes = {day: 100.0 if day < split.ex_date else 25.0 for day in DAYS}
    ground.write({"SPLIT": closes}, dataset="raw", actions={"SPLIT": [split]})
    series = ground.series(numbered(DEPOSIT, made(Kind.BUY, DAYS[0], "SPLIT", quantity=10, price=100)))
    assert series.value.tolist() == [10_000] * len(DAYS)
    assert performance(series).time_weighted.value == 0


def test_a_split_that_prices_and_user_both_tell_is_applied_once(ground: Ground) -> None:
    split = CorporateAction(DAYS[5], ActionKind.SPLIT, Decimal(4))
    ground.write({"SPLIT": flat(25)}, dataset="adjusted", adjusted_through=LAST, actions={"SPLIT": [split]})
    rows = [
        DEPOSIT,
        made(Kind.BUY, DAYS[0], "SPLIT", quantity=10, price=100),
        made(Kind.SPLIT, DAYS[6], "SPLIT", ratio=4),
    ]
    series = ground.series(numbered(*rows))
    assert series.value.tolist() == [10_000] * len(DAYS)
    assert_same(series, ground.series(numbered(*rows[:2])))


@pytest.mark.parametrize("is_in_prices", [True, False], ids=["adjusted", "raw"])
def test_a_split_that_only_the_user_tells_changes_no_value(ground: Ground, is_in_prices: bool) -> None:
    closes = {day: 25.0 if is_in_prices or day >= DAYS[5] else 100.0 for day in DAYS}
    ground.write({"SPLIT": closes}, dataset="silent")
    rows = [
        DEPOSIT,
        made(Kind.BUY, DAYS[0], "SPLIT", quantity=10, price=100),
        made(Kind.SPLIT, DAYS[5], "SPLIT", ratio=4),
    ]
    assert ground.series(numbered(*rows)).value.tolist() == [10_000] * len(DAYS)


def test_a_split_after_all_was_sold_changes_no_earlier_value(ground: Ground) -> None:
    split = CorporateAction(DAYS[10], ActionKind.SPLIT, Decimal(2))
    closes = {day: 100.0 if day < split.ex_date else 50.0 for day in DAYS}
    ground.write({"SPLIT": closes}, dataset="raw", actions={"SPLIT": [split]})
    rows = [
        DEPOSIT,
        made(Kind.BUY, DAYS[0], "SPLIT", quantity=10, price=100),
        made(Kind.SELL, DAYS[4], "SPLIT", quantity=10, price=100),
    ]
    assert set(ground.series(numbered(*rows)).value.tolist()) == {10_000}


def test_a_split_that_is_still_to_come_is_not_seen(ground: Ground) -> None:
    split = CorporateAction(DAYS[10], ActionKind.SPLIT, Decimal(2))
    ground.write({"SPLIT": flat(50)}, dataset="adjusted", adjusted_through=LAST, actions={"SPLIT": [split]})
    rows = numbered(DEPOSIT, made(Kind.BUY, DAYS[0], "SPLIT", quantity=10, price=100))
    series = ground.series(rows, until=DAYS[5])
    assert series.days[-1] == np.datetime64(DAYS[5])
    assert series.value.tolist() == [10_000] * 6


def test_a_missing_price_is_missing_and_never_zero(ground: Ground) -> None:
    """portfolio#278: a missing price counted as 0."""
    gap = {day: close for day, close in flat(10).items() if day != DAYS[7]}
    ground.write({"GAP": gap})
    series = ground.series(numbered(DEPOSIT, BUY, made(Kind.BUY, DAYS[1], "GAP", quantity=10, price=10)))
    assert np.flatnonzero(np.isnan(series.value)).tolist() == [7]
    assert series.missing == {DAYS[7]: ("GAP",)}
    assert on(series, series.holdings[series.symbols.index("AAA")], DAYS[7]) == 1040
    whole = performance(series)
    assert whole.time_weighted.value is None
    assert whole.time_weighted.note == f"{DAYS[7]} has no value: prices or rates are missing (GAP)."
    assert whole.money_weighted.value is not None
    assert whole.index[6] is not None
    assert whole.index[7:] == [None] * 13
    assert performance(series, last=DAYS[6]).time_weighted.value is not None
    assert performance(series, first=DAYS[9]).time_weighted.value is not None
    assert performance(series, first=DAYS[8]).time_weighted.value is None


def test_prices_that_are_still_to_come_make_no_loss_of_everything(ground: Ground) -> None:
    """suivi-bourse#708: TWR −100 % while prices load."""
    ground.write({"LATE": dict(list(flat(10).items())[:15])})
    series = ground.series(numbered(DEPOSIT, BUY, made(Kind.BUY, DAYS[1], "LATE", quantity=900, price=10)))
    assert np.isnan(series.value[15:]).all()
    found = performance(series)
    assert (found.time_weighted.value, found.money_weighted.value, found.missing_days) == (None, None, 5)
    assert "LATE" in found.time_weighted.note


def test_on_a_holiday_of_one_market_the_last_close_is_carried(ground: Ground) -> None:
    closed = DAYS[7:10]
    ground.write(
        {"INR": {day: 90.0 + place for place, day in enumerate(DAYS) if day not in closed}},
        dataset="india",
        exchange="XNSE",
    )
    series = ground.series(numbered(DEPOSIT, BUY, made(Kind.BUY, DAYS[0], "INR", quantity=1, price=90)))
    assert not series.missing
    assert series.holdings[1, 6:11].tolist() == [96, 96, 96, 96, 100]


def test_a_close_is_not_carried_for_longer_than_any_holiday(ground: Ground) -> None:
    ground.write({"ENDED": dict(list(flat(90).items())[:3])}, dataset="ended")
    series = ground.series(numbered(DEPOSIT, BUY, made(Kind.BUY, DAYS[0], "ENDED", quantity=1, price=90)))
    last = DAYS[2] + timedelta(days=14)
    assert [day for day in DAYS if day in series.missing] == [day for day in DAYS if day > last]


def test_the_benchmark_of_the_same_market_shows_that_a_price_is_missing(ground: Ground) -> None:
    gap = {day: close for day, close in flat(10).items() if day != DAYS[7]}
    ground.write({"ALONE": gap, "BENCH": flat(1)}, dataset="one market")
    rows = numbered(DEPOSIT, made(Kind.BUY, DAYS[0], "ALONE", quantity=10, price=10))
    assert list(ground.series(rows, benchmark="BENCH").missing) == [DAYS[7]]
    alone = ground.series(rows, benchmark="INDEX")
    assert (len(alone.days), alone.missing) == (19, {})


def test_a_flow_between_two_days_counts_on_the_second_and_one_after_the_last_is_pending(ground: Ground) -> None:
    saturday = DAYS[4] + timedelta(days=1)
    rows = numbered(
        DEPOSIT,
        BUY,
        made(Kind.DEPOSIT, saturday, None, amount=500),
        made(Kind.WITHDRAWAL, LAST + timedelta(days=1), None, amount=70),
    )
    series = ground.series(rows, until=LAST + timedelta(days=3))
    assert on(series, series.inflow, DAYS[5]) == 500
    assert series.inflow.sum() == 10_500
    assert (series.pending_inflow, series.pending_outflow, series.outflow.sum()) == (0, 70, 0)
    assert performance(series).notes == (
        f"What moved after {LAST} is in no figure yet: that day is the last with prices.",
    )


def test_while_nothing_is_held_the_days_are_the_benchmarks(ground: Ground) -> None:
    rows = numbered(DEPOSIT, made(Kind.BUY, DAYS[5], "AAA", quantity=1, price=104))
    assert len(ground.series(rows, benchmark="INDEX").days) == 20
    assert len(ground.series(rows).days) == 15
    assert not len(ground.series([]).days)


def test_shares_from_elsewhere_flow_at_what_they_are_worth_that_day(ground: Ground) -> None:
    rows = [DEPOSIT, BUY, made(Kind.TRANSFER_IN, DAYS[1], "BBB", quantity=10, price=7)]
    series = ground.series(numbered(*rows, made(Kind.TRANSFER_OUT, DAYS[3], "BBB", quantity=4)))
    assert (series.inflow[1], series.outflow[3]) == (490, 192)
    assert series.holding_flows[1, :4].tolist() == [0, 490, 0, -192]
    assert performance(series).contributors[-1].gain == pytest.approx(6 * 48 + 192 - 490)
    ground.write({"SILENT": {DAYS[0]: 5.0, DAYS[2]: 5.0}})
    late = ground.series(numbered(*rows, made(Kind.TRANSFER_IN, DAYS[1], "SILENT", quantity=1)), until=DAYS[2])
    assert late.missing[DAYS[1]] == ("SILENT",)
    assert np.isnan(late.value).tolist() == [False, True, False]


def test_a_transfer_between_own_accounts_changes_no_performance(ground: Ground) -> None:
    rows = [DEPOSIT, BUY]
    moved = [
        made(Kind.TRANSFER_OUT, DAYS[2], "AAA", quantity=10),
        made(Kind.TRANSFER_IN, DAYS[2], "AAA", quantity=10),
        made(Kind.TRANSFER_OUT, DAYS[3], None, amount=800),
        made(Kind.TRANSFER_IN, DAYS[3], None, amount=800),
    ]
    before, after = ground.series(numbered(*rows)), ground.series(numbered(*rows, *moved))
    assert_same(before, after)
    assert performance(before).time_weighted == performance(after).time_weighted
    assert performance(before).money_weighted == performance(after).money_weighted


def test_money_in_and_out_on_one_day_comes_first_and_goes_last(ground: Ground) -> None:
    """The example of the conventions: 100 → 110, deposit 50, 160 → 152, withdraw 20, 132 → 140."""
    ground.write({"ONE": flat(100, 110, 104.5, 104.5 * 140 / 132)}, dataset="example")
    shares = Decimal(50) / Decimal(110)
    rows = numbered(
        made(Kind.DEPOSIT, DAYS[0], None, amount=100),
        made(Kind.BUY, DAYS[0], "ONE", quantity=1, price=100),
        made(Kind.DEPOSIT, DAYS[2], None, amount=50),
        made(Kind.BUY, DAYS[2], "ONE", quantity=shares, price=110),
        made(Kind.SELL, DAYS[2], "ONE", quantity=Decimal(20) / Decimal("104.5"), price=104.5),
        made(Kind.WITHDRAWAL, DAYS[2], None, amount=20),
    )
    series = ground.series(rows, until=DAYS[3])
    np.testing.assert_allclose(series.value, [100, 110, 132, 140], rtol=1e-8)
    assert performance(series).time_weighted.value == pytest.approx(0.108333, abs=5e-7)


def test_money_and_prices_of_another_currency_take_the_rate_of_the_day(ground: Ground) -> None:
    rows = numbered(
        made(Kind.DEPOSIT, DAYS[0], None, amount=2000, currency="USD", fx_rate="0.5"),
        made(Kind.BUY, DAYS[0], "AAA", quantity=10, price=100, currency="USD"),
    )
    series = ground.series(rows, currency="EUR")
    rate = ground.fx.series("USD", "EUR", series.days)
    assert np.isfinite(rate).all()
    np.testing.assert_allclose(series.holdings[0], rate * np.array(list(flat(1000, 1020, 1040).values())))
    np.testing.assert_allclose(series.cash, rate * 1000)
    assert series.inflow[0] == 1000, "by the rate that the transaction tells"


def test_a_rate_that_is_not_known_is_never_one(ground: Ground) -> None:
    """ghostfolio#2866: conversion silently 1:1."""
    ground.write({"MOON": flat(5)}, dataset="moon", currency="XMN")
    rows = numbered(DEPOSIT, made(Kind.BUY, DAYS[1], "MOON", quantity=1, price=5, fx_rate=2, currency="XMN"))
    series = ground.series(rows)
    assert np.isnan(series.value[1:]).all()
    assert set(series.missing.values()) == {("XMN/USD",)}
    unrated = ground.series(numbered(DEPOSIT, BUY, made(Kind.DEPOSIT, DAYS[3], None, amount=5, currency="XMN")))
    assert np.isnan(unrated.value[3:]).all()
    assert performance(unrated).contributions[3:] == [None] * 17


def test_a_spin_off_moves_worth_from_one_holding_to_the_other(ground: Ground) -> None:
    ground.write({"OLD": flat(100, 100, 80), "NEW": flat(40)})
    rows = numbered(
        DEPOSIT,
        made(Kind.BUY, DAYS[0], "OLD", quantity=10, price=100),
        made(Kind.SPIN_OFF, DAYS[2], "OLD", other_symbol="NEW", ratio="0.5", cost_share="0.2"),
    )
    series = ground.series(rows)
    assert series.value.tolist() == [10_000] * 20
    assert {each.symbol: each.gain for each in performance(series).contributors} == {"NEW": 0, "OLD": 0}
    assert [each.time_weighted for each in performance(series).contributors] == [0, 0]


def test_one_purchase_split_in_two_changes_nothing(ground: Ground) -> None:
    halves = [made(Kind.BUY, DAYS[0], "AAA", quantity=5, price=100)] * 2
    assert_same(ground.series(numbered(DEPOSIT, BUY)), ground.series(numbered(DEPOSIT, *halves)))


def test_scaling_all_flows_scales_all_values(ground: Ground) -> None:
    more = [made(Kind.DEPOSIT, DAYS[0], None, amount=30_000), made(Kind.BUY, DAYS[0], "AAA", quantity=30, price=100)]
    one, three = ground.series(numbered(DEPOSIT, BUY)), ground.series(numbered(*more))
    np.testing.assert_allclose(three.value, 3 * one.value)
    assert performance(three).time_weighted.value == pytest.approx(performance(one).time_weighted.value)
    assert performance(three).money_weighted.value == pytest.approx(performance(one).money_weighted.value)


def test_nothing_of_a_later_day_is_read(ground: Ground) -> None:
    rows = numbered(DEPOSIT, BUY, made(Kind.SELL, DAYS[10], "AAA", quantity=10, price=104))
    whole, earlier = ground.series(rows), ground.series(rows, until=DAYS[8])
    assert earlier.days.tolist() == whole.days[:9].tolist()
    np.testing.assert_array_equal(earlier.value, whole.value[:9])


def test_the_benchmark_is_told_in_the_portfolios_currency_and_carried_over_holidays(ground: Ground) -> None:
    valuer = ground.valuer
    days = np.array([DAYS[0], DAYS[4] + timedelta(days=1), DAYS[5]], "datetime64[D]")
    plain = valuer.benchmark(WHO, "INDEX", "USD", seen(LAST), days)
    assert plain.tolist() == [1000, 1020, 1020]
    euros = valuer.benchmark(WHO, "INDEX", "EUR", seen(LAST), days)
    np.testing.assert_allclose(euros, plain * ground.fx.series("USD", "EUR", days))
    later = np.array([DAYS[0], LAST + timedelta(days=15)], "datetime64[D]")
    assert np.isnan(valuer.benchmark(WHO, "INDEX", "USD", seen(LAST), later)).tolist() == [False, True]
    assert np.isnan(valuer.benchmark(WHO, "NONE", "USD", seen(LAST), days)).all()


def test_the_same_question_again_gives_the_same_series(ground: Ground) -> None:
    rows = numbered(DEPOSIT, BUY)
    book = ground.book(rows)
    first = ground.valuer.series(WHO, PORTFOLIO, book, seen(LAST))
    assert ground.valuer.series(WHO, PORTFOLIO, ground.book(rows), seen(LAST)) is first
    other = ground.valuer.series(WHO, PORTFOLIO, book, seen(LAST), "INDEX")
    assert_same(first, other)
    assert isinstance(first.days[0].astype(object), date)


def test_what_moves_nothing_begins_no_values(ground: Ground) -> None:
    """A deposit where no cash is kept, a split of what is not held: extended and computed anew are the same."""
    rows = [made(Kind.BUY, DAYS[10], "AAA", quantity=10, price=104)]
    ground.series(numbered(*rows), has_cash=False, benchmark="INDEX", valuer=ground.valuer)
    rows += [DEPOSIT, made(Kind.SPLIT, DAYS[1], "AAA", ratio=2), made(Kind.SPLIT, DAYS[2], "BBB", ratio=2)]
    extended = ground.series(numbered(*rows), has_cash=False, benchmark="INDEX", valuer=ground.valuer)
    assert_same(extended, ground.series(numbered(*rows), has_cash=False, benchmark="INDEX"))
    assert extended.days.astype(object).tolist() == DAYS[10:]


def test_a_close_from_before_a_split_that_only_the_user_tells_is_carried_in_new_shares(ground: Ground) -> None:
    """The split is of a holiday of its own market, on which another was open."""
    ground.write({"SPLIT": {day: 100.0 if day < DAYS[7] else 50.0 for day in DAYS if day != DAYS[7]}}, dataset="raw")
    ground.write({"LSE": flat(1)}, dataset="london", exchange="XLON")
    rows = [
        DEPOSIT,
        made(Kind.BUY, DAYS[0], "SPLIT", quantity=10, price=100),
        made(Kind.BUY, DAYS[0], "LSE", quantity=1, price=1),
        made(Kind.SPLIT, DAYS[7], "SPLIT", ratio=2),
    ]
    assert ground.series(numbered(*rows)).value.tolist() == [10_000] * len(DAYS)


LONDON = [date(2010, 1, 4) + timedelta(days=number) for number in range(60)]


@pytest.mark.parametrize("benchmark", [None, "LSE"], ids=["alone", "benchmark"])
def test_flows_of_days_without_any_price_leave_no_return(ground: Ground, benchmark: str | None) -> None:
    """Nothing serves what is held while money comes: it is not the money that lost."""
    ground.write({"LSE": flat(1)}, dataset="london", exchange="XLON")
    rows = [
        made(Kind.DEPOSIT, DAYS[0], None, amount=1000),
        made(Kind.BUY, DAYS[0], "UNK", quantity=100, price=10),
        made(Kind.DEPOSIT, DAYS[5], None, amount=9000),
        made(Kind.SELL, DAYS[8], "UNK", quantity=100, price=5),
        made(Kind.BUY, DAYS[9], "BBB", quantity=10, price=48),
    ]
    series = ground.series(numbered(*rows), benchmark=benchmark)
    assert {series.missing[DAYS[0]], series.missing[DAYS[5]]} == {("UNK",)}
    found = performance(series)
    assert (found.time_weighted.value, found.first) == (None, DAYS[0])
    assert "UNK" in found.time_weighted.note
    for number in range(1, len(rows) + 1):
        part = numbered(*rows[:number])
        extended = ground.series(part, benchmark=benchmark, valuer=ground.valuer)
        assert_same(extended, ground.series(part, benchmark=benchmark))


@pytest.mark.parametrize("benchmark", [None, "LSE"], ids=["alone", "benchmark"])
def test_flows_in_a_long_gap_of_prices_leave_no_time_weighted_return(ground: Ground, benchmark: str | None) -> None:
    ground.write({"LSE": dict.fromkeys(LONDON, 1.0)}, dataset="london", exchange="XLON")
    ground.write({"GAP": {day: 10.0 if day < LONDON[30] else 20.0 for day in (*LONDON[:5], *LONDON[40:])}})
    rows = numbered(
        made(Kind.DEPOSIT, LONDON[0], None, amount=1000),
        made(Kind.BUY, LONDON[0], "GAP", quantity=100, price=10),
        made(Kind.DEPOSIT, LONDON[22], None, amount=9000),
        made(Kind.WITHDRAWAL, LONDON[30], None, amount=9000),
    )
    series = ground.series(rows, until=LONDON[-1], benchmark=benchmark)
    assert {LONDON[22], LONDON[30]} <= series.missing.keys()
    assert performance(series).time_weighted.value is None


def test_sales_before_the_first_price_leave_a_money_weighted_return_only(ground: Ground) -> None:
    ground.write({"LATE": flat(20, days=DAYS[10:])}, dataset="late")
    rows = [
        made(Kind.BUY, DAYS[0], "LATE", quantity=10, price=10),
        made(Kind.SELL, DAYS[5], "LATE", quantity=5, price=30),
    ]
    found = performance(ground.series(numbered(*rows), has_cash=False))
    assert found.time_weighted.value is None
    assert (found.money_weighted.n, found.money_weighted.first) == (3, DAYS[0])
    assert found.money_weighted.value is not None


def test_money_is_weighted_by_its_own_day(ground: Ground) -> None:
    """A deposit of a Saturday grows from that Saturday on, whatever day it counts on."""
    growing = {day: 100 * 1.002**number for number, day in enumerate(LONDON) if day.weekday() < 5}
    ground.write({"GROW": growing}, dataset="growing")
    saturday = date(2010, 1, 2)
    rows = [
        made(Kind.DEPOSIT, saturday, None, amount=1000),
        made(Kind.BUY, DAYS[2], "GROW", quantity=9, price=growing[DAYS[2]]),
    ]
    for benchmark in (None, "INDEX"):
        series = ground.series(numbered(*rows), until=LONDON[-1], benchmark=benchmark)
        found = performance(series)
        length = (series.days[-1].astype(object) - saturday).days
        expected = (series.value[-1] / 1000) ** (365 / length) - 1
        assert found.money_weighted.value == pytest.approx(expected, rel=1e-6)
        assert found.money_weighted.first == saturday

"""What is held, at the last known prices: values, weights, the day's change, stale and missing prices."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from core.portfolio.book import Lot, MoneyFlow, Split
from core.portfolio.holdings import by_currency, by_sector, day_change, ribbon_of, standing_of, total_gain
from core.portfolio.report import CostMethod, Rate
from tests.core.portfolio.books_made import (
    AS_OF,
    DAY,
    LIVE,
    Rates,
    book,
    instrument,
    payment,
    position,
    quote,
    sight,
)

FIFO = CostMethod.FIFO
FRIDAY_BEFORE = datetime(2010, 8, 13, 20, tzinfo=UTC)


def test_a_holding_is_its_shares_at_the_last_price() -> None:
    line = standing_of(book(position()), FIFO, sight(quote())).holdings[0]
    assert (line.symbol, line.name, line.sector, line.currency) == ("AAPL", "AAPL Inc.", "Technology", "USD")
    assert (line.value, line.cost, line.unrealised, line.unrealised_share) == (1200, 1000, 200, 0.2)
    assert (line.fx_rate, line.weight, line.note) == (1, 1.0, "")


def test_weights_are_of_the_value_with_its_money() -> None:
    standing = standing_of(
        book(position(), position("IBM", "5", "500"), cash={"USD": "200"}), FIFO, sight(quote(), quote("IBM", "120"))
    )
    assert [(line.symbol, line.weight) for line in standing.holdings] == [("AAPL", 0.6), ("IBM", 0.3)]
    assert (standing.value, standing.cash_value, standing.cost) == (2000, 200, 1500)


def test_a_price_in_another_currency_is_told_by_the_rate_of_the_day() -> None:
    standing = standing_of(
        book(position(), cash={"EUR": "100", "USD": "50"}), FIFO, sight(quote(currency="EUR"), fx=Rates(EURUSD="1.25"))
    )
    line = standing.holdings[0]
    assert (line.currency, line.fx_rate, line.value) == ("EUR", Decimal("1.25"), 1500)
    assert [(each.currency, each.value) for each in standing.cash] == [("USD", 50), ("EUR", 125)]
    assert by_currency(standing) == {"EUR": 1625, "USD": 50}


def test_without_a_rate_there_is_no_value_and_no_weight_and_it_is_said() -> None:
    standing = standing_of(book(position(), position("IBM")), FIFO, sight(quote(currency="EUR"), quote("IBM", "50")))
    ibm, apple = standing.holdings
    assert (apple.value, apple.weight, apple.unrealised, apple.fx_rate) == (None, None, None, None)
    assert "No exchange rate from EUR to USD" in apple.note
    assert (ibm.value, ibm.weight, standing.value) == (500, None, None)


@pytest.mark.parametrize("known", [quote(price=None), quote(price=None, problems=("FMP did not answer.",))])
def test_a_missing_price_is_missing_and_never_zero(known: object) -> None:
    standing = standing_of(book(position(), position("IBM")), FIFO, sight(known, quote("IBM", "50")))  # type: ignore[arg-type]
    apple = standing.holdings[1]
    assert (apple.price.price, apple.value, standing.value) == (None, None, None)
    assert apple.price.is_stale
    assert apple.note.startswith("No price is known.")
    ribbon = ribbon_of(standing, None, time_weighted=Rate(None), money_weighted=Rate(None))
    assert (ribbon.prices, ribbon.stale, ribbon.stale_share, ribbon.value) == (2, 1, None, None)


def test_a_price_without_a_currency_is_taken_in_the_instrument_s_and_that_is_said() -> None:
    line = standing_of(book(position()), FIFO, sight(quote(currency=None))).holdings[0]
    assert line.currency == "USD"
    assert "names no currency" in line.note


def test_what_is_not_held_any_more_has_no_line() -> None:
    sold = position("IBM", "0", "0", lots=())
    assert [line.symbol for line in standing_of(book(position(), sold), FIFO, sight(quote())).holdings] == ["AAPL"]


def test_cost_and_gain_follow_the_portfolio_s_method() -> None:
    held = position(average_cost_base=Decimal(900), realised_fifo_base=Decimal(7), realised_average_base=Decimal(9))
    fifo = standing_of(book(held), FIFO, sight(quote())).holdings[0]
    average = standing_of(book(held), CostMethod.AVERAGE, sight(quote())).holdings[0]
    assert (fifo.cost, fifo.unrealised, fifo.realised) == (1000, 200, 7)
    assert (average.cost, average.unrealised, average.realised) == (900, 300, 9)
    assert (average.fifo_cost, average.average_cost) == (1000, 900)


def test_an_unknown_cost_has_no_gain() -> None:
    line = standing_of(book(position(fifo_cost_base=None)), FIFO, sight(quote())).holdings[0]
    assert (line.value, line.cost, line.unrealised, line.unrealised_share) == (1200, None, None, None)


def test_stale_prices_are_counted_with_their_share() -> None:
    standing = standing_of(
        book(position(), position("IBM", "10"), position("MSFT", "10")),
        FIFO,
        sight(quote(price="18", is_stale=True), quote("IBM", "41"), quote("MSFT", "41")),
    )
    ribbon = ribbon_of(standing, None, time_weighted=Rate(None), money_weighted=Rate(None))
    assert (ribbon.prices, ribbon.stale, ribbon.stale_share) == (3, 1, 0.18)


@pytest.mark.parametrize(("told", "is_stale"), [(datetime(2010, 8, 18, tzinfo=UTC), False), (FRIDAY_BEFORE, True)])
def test_where_sessions_are_not_known_days_are_counted(told: datetime, is_stale: bool) -> None:
    line = standing_of(book(position()), FIFO, sight(quote(is_stale=None, as_of=told))).holdings[0]
    assert line.price.is_stale is is_stale


def test_the_day_s_change_is_of_the_shares_that_were_held() -> None:
    standing = standing_of(book(position()), FIFO, sight(quote(change_pct=Decimal("0.2"))))
    assert standing.holdings[0].price.change_pct == 20
    assert standing.holdings[0].day_change == 200
    assert day_change(standing.holdings) == (200, 0.2)


def test_shares_bought_that_day_changed_since_their_purchase() -> None:
    lots = (
        Lot(date(2010, 1, 4), Decimal(6), Decimal(600), "USD", Decimal(600)),
        Lot(DAY, Decimal(4), Decimal(472), "USD", Decimal(472)),
    )
    line = standing_of(book(position(lots=lots)), FIFO, sight(quote(change_pct=Decimal("0.2")))).holdings[0]
    assert line.day_change == 6 * 20 + 4 * 120 - 472


def test_a_stale_price_has_no_change_of_the_day() -> None:
    stale = quote(change_pct=Decimal("0.5"), is_stale=True, as_of=FRIDAY_BEFORE)
    standing = standing_of(
        book(position(), position("IBM")), FIFO, sight(stale, quote("IBM", "110", change_pct=Decimal("0.1")))
    )
    assert day_change(standing.holdings) == (100, 0.1)
    assert day_change([line for line in standing.holdings if line.symbol == "AAPL"]) == (None, None)


SPLIT = Split(date(2010, 8, 18), Decimal(2), is_of_market=True, is_in_prices=True)
BEFORE_SPLIT = datetime(2010, 8, 13, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("split", "moment", "told", "price"),
    [
        pytest.param(SPLIT, AS_OF, BEFORE_SPLIT, 120, id="the past, market's split: bars are told in today's shares"),
        pytest.param(
            replace(SPLIT, is_of_market=False), AS_OF, BEFORE_SPLIT, 120, id="the past, in the prices already"
        ),
        pytest.param(
            replace(SPLIT, is_of_market=False, is_in_prices=False), AS_OF, BEFORE_SPLIT, 60, id="the past, user's own"
        ),
        pytest.param(SPLIT, LIVE, BEFORE_SPLIT, 60, id="live, the price is from before"),
        pytest.param(SPLIT, LIVE, datetime(2010, 8, 20, 18, tzinfo=UTC), 120, id="live, the price is new"),
    ],
)
def test_a_split_is_applied_to_an_older_price_once(split: Split, moment: object, told: datetime, price: int) -> None:
    held = book(position(), splits={"AAPL": (split,)})
    line = standing_of(held, FIFO, sight(quote(as_of=told, is_stale=True), as_of=moment)).holdings[0]  # type: ignore[arg-type]
    assert line.price.price == price
    assert ("before a split" in line.note) == (price != 120)


OWN_SPLIT = Split(DAY, Decimal(2), is_of_market=False, is_in_prices=False)


@pytest.mark.parametrize(
    ("split", "told", "change"),
    [
        pytest.param(OWN_SPLIT, "-0.5", 0, id="the user's own"),
        pytest.param(OWN_SPLIT, "-0.4", 20, id="the user's own, and the price rose"),
        pytest.param(OWN_SPLIT, "0.02", 2, id="the source compares the same shares"),
        pytest.param(replace(OWN_SPLIT, day=date(2010, 8, 19)), "-0.5", -50, id="the day before"),
        pytest.param(replace(OWN_SPLIT, is_in_prices=True), "-0.5", -50, id="in the prices already"),
        pytest.param(replace(OWN_SPLIT, is_of_market=True), "-0.5", -50, id="the market's"),
    ],
)
def test_a_split_that_the_user_alone_tells_is_no_loss_of_its_day(split: Split, told: str, change: int) -> None:
    held = book(position(), splits={"AAPL": (split,)})
    line = standing_of(held, FIFO, sight(quote(price="50", change_pct=Decimal(told)))).holdings[0]
    assert line.price.change_pct == change
    before = Decimal(500) / (1 + Decimal(change) / 100)
    assert line.day_change == pytest.approx(500 - before, abs=Decimal("0.0001"))


@pytest.mark.parametrize(
    ("split", "price"),
    [
        (Split(date(2010, 9, 1), Decimal(3), is_of_market=False, is_in_prices=True), 360),
        (Split(DAY, Decimal(3), is_of_market=False, is_in_prices=True), 120),
    ],
    ids=["to come", "of the day"],
)
def test_a_price_that_is_told_after_a_split_to_come_is_told_in_the_shares_of_the_day(split: Split, price: int) -> None:
    held = book(position(), splits={"AAPL": (split,)})
    line = standing_of(held, FIFO, sight(quote())).holdings[0]
    assert (line.price.price, line.value) == (price, 10 * price)
    assert ("after a later split" in line.note) == (price == 360)


def test_generated_prices_are_marked() -> None:
    line = standing_of(book(position()), FIFO, sight(quote(is_generated=True))).holdings[0]
    assert line.price.is_generated
    assert "generated" in line.note


def test_income_targets_and_closes_stand_beside_a_holding() -> None:
    held = book(position(), payments=(payment(DAY, "5"), payment(DAY, "6")))
    seen = sight(quote(), closes={"AAPL": (1.0, 2.0)}, targets={"AAPL": Decimal("0.5")})
    line = standing_of(held, FIFO, seen).holdings[0]
    assert (line.income, line.closes, line.target) == (11, (1.0, 2.0), Decimal("0.5"))


def test_an_empty_portfolio_is_worth_nothing_and_has_no_shares() -> None:
    standing = standing_of(book(cash={}), FIFO, sight())
    assert (standing.value, standing.cash_value, standing.cost, standing.holdings) == (0, 0, 0, ())
    ribbon = ribbon_of(standing, Decimal(0), time_weighted=Rate(None), money_weighted=Rate(None))
    assert (ribbon.day_change, ribbon.stale_share, ribbon.prices) == (None, None, 0)


def test_where_no_money_is_kept_there_is_no_balance() -> None:
    standing = standing_of(book(position()), FIFO, sight(quote()))
    assert (standing.cash, standing.cash_value, standing.value) == ((), None, 1200)


def test_sectors_name_money_and_what_is_unknown() -> None:
    seen = sight(quote(), quote("IBM", "50"), instruments={"AAPL": instrument("AAPL"), "IBM": instrument("IBM", "")})
    standing = standing_of(book(position(), position("IBM"), cash={"USD": "100"}), FIFO, seen)
    assert by_sector(standing) == {"Technology": 1200, "Unknown": 500, "Cash": 100}


def test_the_total_gain_is_the_value_less_what_came_in_on_balance() -> None:
    flows = (
        MoneyFlow(DAY, "USD", Decimal(1000), None, Decimal(1000)),
        MoneyFlow(DAY, "USD", Decimal(-300), None, Decimal(-300)),
    )
    assert total_gain(book(money_flows=flows), Decimal(1200), Decimal(100)) == 400
    assert total_gain(book(money_flows=flows), None, Decimal(0)) is None
    assert total_gain(book(money_flows=flows), Decimal(1200), None) is None
    unknown = (MoneyFlow(DAY, "EUR", Decimal(1000), None, None),)
    assert total_gain(book(money_flows=unknown), Decimal(1200), Decimal(0)) is None

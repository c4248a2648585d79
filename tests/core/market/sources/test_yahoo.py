"""Yahoo: holes, a day that has not closed, pence, limits in disguise, and splits that it forgot."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from core.errors import NoData, RateLimited, SourceDown
from core.market.sources.contract import ActionKind, Adjustment, BarSource, CorporateAction, QuoteSource
from core.market.sources.registry import Sources
from tests.core.market.sources import asking
from tests.core.market.sources.asking import FIRST, LAST
from tests.fakes.market_answers import DAYS, Bar, Share
from tests.fakes.market_server import MarketServer

LIMITS = [
    {"status": 429, "body": "Too Many Requests", "content_type": "text/plain"},
    {"status": 429, "body": {"finance": {"result": None, "error": {"code": "Too Many Requests"}}}},
    {"body": {"finance": {"result": None, "error": {"code": "Too Many Requests", "description": "x"}}}},
    {"body": {"chart": {"result": None, "error": {"code": "Unauthorized", "description": "Invalid Crumb"}}}},
    {"status": 401, "body": {"finance": {"error": {"code": "Unauthorized"}}}},
    {"status": 999, "body": "Request denied", "content_type": "text/html"},
]


@pytest.fixture
def quotes(sources: Sources) -> QuoteSource:
    return asking.quotes(sources, "yahoo")


@pytest.fixture
def bars(sources: Sources) -> BarSource:
    return asking.bars(sources, "yahoo")


def _chart(change: Callable[[Any], None]) -> Callable[[Any], Any]:
    """A change to the chart of an answer, which comes with its status."""

    def changed(answer: Any) -> Any:
        change(answer["chart"]["result"][0])
        return answer

    return changed


def test_a_quote_is_the_price_of_the_regular_market(quotes: QuoteSource, market_server: MarketServer) -> None:
    quote = quotes.quote("ACME")
    assert (quote.price, quote.currency, quote.previous_close) == (Decimal("256.08"), "USD", Decimal("245.5"))
    assert quote.as_of == datetime(2025, 9, 22, 20, 0, 1, tzinfo=UTC)
    assert quote.change_pct == Decimal("0.04309572")
    assert market_server.requests[0].path == "/v8/finance/chart/ACME"


@pytest.mark.parametrize(
    ("unit", "currency", "price"),
    [
        ("GBp", "GBP", "2.5608"),
        ("GBX", "GBP", "2.5608"),
        ("ILA", "ILS", "2.5608"),
        ("ZAc", "ZAR", "2.5608"),
        ("KWF", "KWD", "0.25608"),
        ("GBP", "GBP", "256.08"),
        ("EUR", "EUR", "256.08"),
    ],
)
def test_pence_are_not_pounds(
    unit: str, currency: str, price: str, quotes: QuoteSource, bars: BarSource, market_server: MarketServer
) -> None:
    market_server.shares["ACME"] = Share("ACME", unit=unit, dividends={DAYS[1]: Decimal(10)})
    quote = quotes.quote("ACME")
    assert (quote.currency, quote.price) == (currency, Decimal(price))
    assert quote.change_pct == Decimal("0.04309572")
    history = bars.bars("ACME", FIRST, LAST)
    share = Decimal(price) / Decimal("256.08")
    assert history.currency == currency
    assert history.frame["close"][-1] == pytest.approx(float(256 * share))
    assert history.actions[0].value == 10 * share


@pytest.mark.parametrize("unit", ["gbp", "XXp", "", "pounds"])
def test_a_unit_that_nobody_knows_makes_no_price(unit: str, quotes: QuoteSource, market_server: MarketServer) -> None:
    market_server.shares["ACME"] = Share("ACME", unit=unit)
    with pytest.raises(NoData, match="unit"):
        quotes.quote("ACME")


@pytest.mark.parametrize("reply", LIMITS, ids=lambda reply: f"{reply.get('status', 200)}")
def test_a_limit_is_known_in_any_disguise(
    reply: dict[str, Any], quotes: QuoteSource, bars: BarSource, market_server: MarketServer
) -> None:
    market_server.reply("yahoo", **reply)
    for ask in (lambda: quotes.quote("ACME"), lambda: bars.bars("ACME", FIRST, LAST)):
        with pytest.raises(RateLimited):
            ask()


@pytest.mark.parametrize("price", [None, 0, -1, "NaN", float("nan")])
def test_what_is_no_price_is_none(price: Any, quotes: QuoteSource, market_server: MarketServer) -> None:
    market_server.shares["ACME"] = Share("ACME", price=price)
    with pytest.raises(NoData):
        quotes.quote("ACME")


def test_another_symbol_than_was_asked_for_is_refused(quotes: QuoteSource, market_server: MarketServer) -> None:
    market_server.shares["US0000000001"] = Share("ACME")  # as of an ISIN, which resolves to something
    with pytest.raises(SourceDown, match="not asked for"):
        quotes.quote("US0000000001")


def test_a_class_of_shares_is_the_same_however_it_is_spelt(quotes: QuoteSource, market_server: MarketServer) -> None:
    market_server.shares["BRK.B"] = Share("BRK-B")
    assert quotes.quote("BRK.B").symbol == "BRK.B"


def test_holes_are_missing_and_a_last_day_without_a_close_is_no_bar(
    bars: BarSource, market_server: MarketServer
) -> None:
    def punch(chart: Any) -> None:
        quote = chart["indicators"]["quote"][0]
        for column in quote.values():
            column[1] = None
        quote["volume"][2], quote["open"][3], quote["close"][-1] = None, float("nan"), None

    market_server.reply("yahoo", change=_chart(punch))
    frame = bars.bars("ACME", FIRST, LAST).frame
    assert frame["date"].to_list() == [DAYS[0], DAYS[2], DAYS[3], DAYS[4]]
    assert frame["volume"][1] is None and frame["open"][2] is None
    assert frame["close"].to_list() == [240.0, 243.0, 244.0, 245.0]


def test_the_price_of_now_that_comes_as_a_second_bar_of_the_day_takes_its_place(
    bars: BarSource, market_server: MarketServer
) -> None:
    def twice(chart: Any) -> None:
        chart["timestamp"].append(chart["timestamp"][-1] + 3600)
        for column in (*chart["indicators"]["quote"][0].values(), chart["indicators"]["adjclose"][0]["adjclose"]):
            column.append(column[-1] + 1)

    market_server.reply("yahoo", change=_chart(twice))
    frame = bars.bars("ACME", FIRST, LAST).frame
    assert frame["date"].to_list() == DAYS and frame["close"][-1] == 257.0


def test_columns_of_another_length_than_the_days_are_refused(bars: BarSource, market_server: MarketServer) -> None:
    market_server.reply("yahoo", change=_chart(lambda chart: chart["indicators"]["quote"][0]["close"].pop(0)))
    with pytest.raises(SourceDown):
        bars.bars("ACME", FIRST, LAST)


def test_a_day_is_the_exchanges_and_not_utcs(bars: BarSource, market_server: MarketServer) -> None:
    def in_auckland(chart: Any) -> None:
        chart["meta"]["exchangeTimezoneName"] = "Pacific/Auckland"
        chart["timestamp"] = [second - 15 * 3600 - 1800 for second in chart["timestamp"]]  # 22:00 of the day before

    market_server.reply("yahoo", change=_chart(in_auckland))
    assert bars.bars("ACME", FIRST, LAST).frame["date"].to_list() == DAYS


SPLIT_DAY = DAYS[2]
SPLIT = Share(
    "ACME",
    bars=tuple(Bar(day, Decimal(close)) for day, close in zip(DAYS, (480, 484, 122, 123, 124, 125), strict=True)),
    splits={SPLIT_DAY: (4, 1)},
    dividends={DAYS[0]: Decimal("0.82"), DAYS[3]: Decimal("0.21")},
)
ACTIONS = (
    CorporateAction(DAYS[0], ActionKind.DIVIDEND, Decimal("0.82")),
    CorporateAction(SPLIT_DAY, ActionKind.SPLIT, Decimal(4)),
    CorporateAction(DAYS[3], ActionKind.DIVIDEND, Decimal("0.21")),
)


def test_a_split_that_is_applied_is_not_applied_again(bars: BarSource, market_server: MarketServer) -> None:
    market_server.shares["ACME"] = SPLIT
    history = bars.bars("ACME", FIRST, LAST)
    assert history.adjustment is Adjustment.SPLIT
    assert history.frame["close"].to_list() == [120.0, 121.0, 122.0, 123.0, 124.0, 125.0]
    assert history.frame["volume"].to_list() == [4e6, 4e6, 1e6, 1e6, 1e6, 1e6]
    assert history.actions == ACTIONS


@pytest.mark.parametrize("has_adjusted_close", [True, False])
def test_a_split_that_is_not_applied_is(has_adjusted_close: bool, bars: BarSource, market_server: MarketServer) -> None:
    market_server.shares["ACME"] = SPLIT

    def forgotten(chart: Any) -> None:
        quote = chart["indicators"]["quote"][0]
        adjusted = [float(close) - 0.2 for close in quote["close"]]  # less a dividend
        for name, column in quote.items():
            column[:2] = [value / 4 if name == "volume" else value * 4 for value in column[:2]]
        chart["indicators"]["adjclose"] = [{"adjclose": adjusted}] if has_adjusted_close else []
        chart["events"]["dividends"] = {
            "a": {"date": chart["timestamp"][0], "amount": 0.82},
            "b": {"date": chart["timestamp"][3], "amount": 0.21},
        }

    market_server.reply("yahoo", change=_chart(forgotten))
    history = bars.bars("ACME", FIRST, LAST)
    assert history.frame["close"].to_list() == [120.0, 121.0, 122.0, 123.0, 124.0, 125.0]
    assert history.frame["volume"].to_list() == [4e6, 4e6, 1e6, 1e6, 1e6, 1e6]
    assert history.actions == ACTIONS


def test_bars_up_to_a_day_before_a_split_are_in_shares_of_that_day(
    bars: BarSource, market_server: MarketServer
) -> None:
    market_server.shares["ACME"] = SPLIT
    history = bars.bars("ACME", FIRST, DAYS[1])
    assert history.frame["close"].to_list() == [480.0, 484.0]
    assert history.frame["volume"].to_list() == [1e6, 1e6]
    assert history.actions == ACTIONS[:1], "what comes later is not known yet"


def test_real_days_of_a_split_as_yahoo_once_told_them(bars: BarSource, market_server: MarketServer) -> None:
    """Raw closes beside an adjusted close that holds the split, a hole, and a last day that is not over."""
    stamps = [1598621400, 1598880600, 1598967000, 1599053400]
    quote = {
        "open": [504.05, 127.58, 132.76, 137.59],
        "high": [505.77, 131.0, 134.8, 137.98],
        "low": [498.31, 126.0, 130.53, 127.0],
        "close": [499.23, 129.04, 134.18, None],
        "volume": [46907479, 225702700, None, 200119000],
    }
    chart = {
        "meta": {"currency": "USD", "symbol": "ACME", "exchangeTimezoneName": "America/New_York"},
        "timestamp": stamps,
        "indicators": {"quote": [quote], "adjclose": [{"adjclose": [124.8, 129.0, 134.1, None]}]},
        "events": {
            "splits": {"1598880600": {"date": 1598880600, "numerator": 4, "denominator": 1, "splitRatio": "4:1"}},
            "dividends": {"1596807000": {"amount": 0.82, "date": 1596807000}},
        },
    }
    market_server.reply("yahoo", body={"chart": {"result": [chart], "error": None}})
    history = bars.bars("ACME", date(2020, 8, 1), date(2020, 9, 30))
    assert history.frame["close"].to_list() == [124.8075, 129.04, 134.18]
    assert history.frame["volume"].to_list() == [4 * 46907479.0, 225702700.0, None]
    assert [action.value for action in history.actions] == [Decimal("0.82"), Decimal(4)]

"""Alpha Vantage: whatever goes wrong comes with status 200."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.errors import NoData, RateLimited, SourceDown
from core.market.sources.alphavantage import AlphaVantage
from core.market.sources.contract import ActionKind, Adjustment, CorporateAction
from core.market.sources.registry import Sources
from tests.core.market.sources import asking
from tests.core.market.sources.asking import FIRST, LAST
from tests.fakes.market_answers import DAYS, Share
from tests.fakes.market_server import KEY, MarketServer


@pytest.fixture
def source(sources: Sources) -> AlphaVantage:
    found = asking.quotes(sources, "alphavantage")
    assert isinstance(found, AlphaVantage)
    return found


def test_a_quote_is_the_close_of_the_last_trading_day(source: AlphaVantage, market_server: MarketServer) -> None:
    quote = source.quote("ACME")
    assert (quote.price, quote.currency, quote.previous_close) == (Decimal("256.0800"), "USD", Decimal("245.5000"))
    assert quote.as_of == datetime(2025, 9, 22, 20, 0, tzinfo=UTC)  # 16:00 in New York
    assert quote.change_pct == Decimal("0.043096")
    assert quote.volume == 101_865_199
    assert market_server.requests[0].query == {"function": "GLOBAL_QUOTE", "symbol": "ACME", "apikey": KEY}


def test_a_day_that_has_not_ended_is_told_as_of_now(market_server: MarketServer, tmp_path: Path) -> None:
    noon = datetime(2025, 9, 22, 16, 0, tzinfo=UTC)
    with asking.opened(market_server, tmp_path, clock=_Stopped(noon)) as sources:
        assert asking.quotes(sources, "alphavantage").quote("ACME").as_of == noon


@pytest.mark.parametrize("notice", ["Note", "Information"])
@pytest.mark.parametrize("question", ["quote", "bars", "actions"])
def test_a_notice_in_place_of_data_is_a_limit(
    notice: str, question: str, source: AlphaVantage, market_server: MarketServer
) -> None:
    market_server.reply("alphavantage", body={notice: f"API key {KEY}: 25 requests per day used up"})
    arguments = {"quote": (), "bars": (FIRST, LAST), "actions": (ActionKind.SPLIT,)}[question]
    with pytest.raises(RateLimited) as caught:
        getattr(source, question)("ACME", *arguments)
    assert KEY not in caught.value.detail and "notice in place of data" in caught.value.detail


def test_a_long_answer_that_needs_a_paid_plan_is_no_limit_that_keeps_quotes_waiting(
    source: AlphaVantage, market_server: MarketServer
) -> None:
    told = "The outputsize=full parameter value is a premium feature for the TIME_SERIES_DAILY endpoint."
    market_server.reply("alphavantage", body={"Information": f"Thank you for using Alpha Vantage! {told}"})
    with pytest.raises(NoData, match="plan behind ALPHAVANTAGE_API_KEY does not include this"):
        source.bars("ACME", date(2020, 1, 2), LAST)


@pytest.mark.parametrize("answer", [{"Global Quote": {}}, {"Error Message": "the call is not valid"}])
def test_an_unknown_symbol_is_no_data(answer: Any, source: AlphaVantage, market_server: MarketServer) -> None:
    market_server.reply("alphavantage", body=answer)
    with pytest.raises(NoData):
        source.quote("ACME")


@pytest.mark.parametrize("price", ["0.0000", "-1.0000", "NaN", "Infinity", "", None, "None", "1e400", "12,5"])
def test_what_is_no_price_is_none(price: Any, source: AlphaVantage, market_server: MarketServer) -> None:
    market_server.shares["ACME"] = Share("ACME", price=price)
    with pytest.raises(NoData):
        source.quote("ACME")


def test_a_quote_of_another_symbol_is_refused(source: AlphaVantage, market_server: MarketServer) -> None:
    market_server.shares["ACME"] = Share("OTHER")
    with pytest.raises(SourceDown, match="not asked for"):
        source.quote("ACME")


def test_a_class_of_shares_is_the_same_however_it_is_spelt(source: AlphaVantage, market_server: MarketServer) -> None:
    market_server.shares["BRK.B"] = Share("BRK-B")
    assert source.quote("BRK.B").symbol == "BRK.B"


def test_a_market_that_quotes_in_pence_has_no_price_here(source: AlphaVantage, market_server: MarketServer) -> None:
    market_server.shares["VOD.LON"] = Share("VOD.LON", price=Decimal(7250))
    for ask in (lambda: source.quote("VOD.LON"), lambda: source.bars("VOD.LON", FIRST, LAST)):
        with pytest.raises(NoData, match="which unit"):
            ask()
    assert not market_server.requests, "nothing of the allowance is used"


def test_a_foreign_share_has_its_own_close_and_currency(source: AlphaVantage, market_server: MarketServer) -> None:
    market_server.shares["TCS.BSE"] = Share("TCS.BSE")
    quote = source.quote("TCS.BSE")
    assert (quote.currency, quote.as_of) == ("INR", datetime(2025, 9, 22, 10, 0, tzinfo=UTC))


def test_bars_are_as_they_were_traded(source: AlphaVantage, market_server: MarketServer) -> None:
    market_server.shares["ACME"] = Share("ACME", splits={DAYS[2]: (4, 1)})
    history = source.bars("ACME", DAYS[1], DAYS[3])
    assert history.adjustment is Adjustment.RAW and history.currency == "USD"
    assert history.frame["date"].to_list() == DAYS[1:4]
    assert history.frame["close"].to_list() == [241.0, 243.0, 244.0]


@pytest.mark.parametrize(("first", "size"), [(date(2025, 8, 1), "compact"), (date(2024, 9, 1), "full")])
def test_the_long_answer_is_asked_for_only_where_it_is_needed(
    first: date, size: str, market_server: MarketServer, tmp_path: Path
) -> None:
    with asking.opened(market_server, tmp_path, clock=_Stopped(datetime(2025, 9, 22, tzinfo=UTC))) as sources:
        asking.bars(sources, "alphavantage").bars("ACME", first, LAST)
    assert market_server.requests[0].query["outputsize"] == size


def test_bars_may_come_as_json_too(source: AlphaVantage, market_server: MarketServer) -> None:
    figures = {"1. open": "1", "2. high": "2", "3. low": "1", "4. close": "1.5", "5. volume": "7"}
    market_server.reply("alphavantage", body={"Meta Data": {}, "Time Series (Daily)": {"2025-09-22": figures}})
    assert source.bars("ACME", FIRST, LAST).frame.row(0) == (date(2025, 9, 22), 1.0, 2.0, 1.0, 1.5, 7.0)


@pytest.mark.parametrize(
    "rows",
    [
        "2025-09-22,1,2,1,1.5",
        "2025-09-22,1,2,1,1.5,7,8",
        "22/09/2025,1,2,1,1.5,7",
        '2025-09-22,"1,2,1,1.5,7',
    ],
)
def test_rows_that_do_not_fit_their_header_are_refused(
    rows: str, source: AlphaVantage, market_server: MarketServer
) -> None:
    market_server.reply("alphavantage", body=f"timestamp,open,high,low,close,volume\r\n{rows}\r\n")
    with pytest.raises(SourceDown):
        source.bars("ACME", FIRST, LAST)


def test_holes_are_missing_and_a_last_day_without_a_close_is_no_bar(
    source: AlphaVantage, market_server: MarketServer
) -> None:
    rows = ["2025-09-22,1,2,1,,7", "2025-09-19,NaN,2,-1,1.5,", "2025-09-18,,,,,9", "2025-09-17,1,2,1,1.25,7"]
    market_server.reply("alphavantage", body="\n".join(["timestamp,open,high,low,close,volume", *rows]))
    frame = source.bars("ACME", FIRST, LAST).frame
    assert frame.rows() == [
        (date(2025, 9, 17), 1.0, 2.0, 1.0, 1.25, 7.0),
        (date(2025, 9, 19), None, 2.0, None, 1.5, None),
    ]


def test_splits_and_dividends_are_as_they_were(source: AlphaVantage, market_server: MarketServer) -> None:
    share = Share("ACME", splits={DAYS[2]: (4, 1), DAYS[1]: (1, 10)}, dividends={DAYS[0]: Decimal("0.82")})
    market_server.shares["ACME"] = share
    assert source.actions("ACME", ActionKind.SPLIT) == (
        CorporateAction(DAYS[1], ActionKind.SPLIT, Decimal("0.1")),
        CorporateAction(DAYS[2], ActionKind.SPLIT, Decimal(4)),
    )
    assert source.actions("ACME", ActionKind.DIVIDEND) == (
        CorporateAction(DAYS[0], ActionKind.DIVIDEND, Decimal("0.82")),
    )


@dataclass(frozen=True)
class _Stopped:
    """A clock that stands still for people, and runs for time limits."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment

    def monotonic(self) -> float:
        import time

        return time.monotonic()
